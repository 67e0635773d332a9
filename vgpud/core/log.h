/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log of vgpud and its workers: one line each on stderr. */
#pragma once

#include <glib.h>

/*
 * vgpu_log_init:
 * From now on what GLib logs goes to stderr as "PREFIX: LEVEL: TEXT", one valid line each, with the
 * journal's "<N>" priority in front where stderr is the journal. Debug messages are dropped.
 * @prefix is kept, not copied.
 */
void vgpu_log_init(const char *prefix);
