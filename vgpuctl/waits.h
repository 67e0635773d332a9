/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The histogram of waits, as org.vgpud1.Manager's GetVm explains it. */
#pragma once

#include <glib.h>

/* How many there were; @waits is "at", or NULL: none. */
guint64 vgpuctl_waits_count(GVariant *waits);

/* The time that @percent of them did not pass: "up to 2.0 us", "over 8.4 s". Owned by the caller.
 */
char *vgpuctl_waits_text(GVariant *waits, guint percent);
