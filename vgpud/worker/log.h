/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's log: one line each on stderr, with the VM's name. */
#pragma once

#include <glib.h>

/*
 * vgpu_log_init:
 * From now on what GLib logs goes to stderr as "vgpu-worker[NAME]: LEVEL: TEXT", with the journal's
 * "<N>" priority in front where stderr is the journal. @name is kept, not copied.
 */
void vgpu_log_init(const char *name);
