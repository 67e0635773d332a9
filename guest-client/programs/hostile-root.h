/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's root can do to all queues at once: BAR2 and BAR4 as sysfs maps them. */
#ifndef HOSTILE_ROOT_H
#define HOSTILE_ROOT_H

#include <stdint.h>

#include "random.h"

/*
 * Scribbles into all slots, beside the driver where the kernel lets it, and without the driver;
 * begins a session by hand; and binds the driver again. TAP results.
 */
void hostile_root(struct random *random, uint32_t rounds);

#endif
