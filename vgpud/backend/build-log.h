/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest is told of a build: compilers name files by where they lie on the host. */
#pragma once

#include <glib.h>

/*
 * vgpu_build_log_strip_folders:
 * Takes the folders out of all absolute paths in @length bytes at @text, in place, and leaves the
 * files' names: "/var/cache/x/a.cl:1:2: error" becomes "a.cl:1:2: error". Returns the new length.
 * A path has no blanks in it; what stands behind a name, a digit, a dot or a bracket is a division.
 */
gsize vgpu_build_log_strip_folders(guint8 *text, gsize length);
