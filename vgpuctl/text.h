/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text for a terminal: made safe, measured in columns, numbers with units that people read. */
#pragma once

#include <glib.h>

/*
 * vgpuctl_text_safe:
 * @text with everything that could move a cursor, colour a line or turn the writing direction as
 * \x1b or \u202e. Invalid UTF-8 becomes U+FFFD. Names come from domain XML and from drivers.
 */
char *vgpuctl_text_safe(const char *text);

/* Columns that safe @text takes in a terminal: wide characters two, combining ones none. */
guint vgpuctl_text_columns(const char *text);

/* Safe @text, cut to at most @columns with "..." at its end when it was longer; @columns >= 3. */
char *vgpuctl_text_fit(const char *text, guint columns);

char *vgpuctl_text_bytes(guint64 bytes);         /* "512 B", "39.1 KiB", "2.0 GiB" */
char *vgpuctl_text_time(guint64 nanoseconds);    /* "20.0 us", "1.3 ms", "7.0 s" */
char *vgpuctl_text_uptime(guint64 microseconds); /* "45 s", "3 min 5 s", "2 h 10 min", "4 d 1 h" */
char *vgpuctl_text_date(gint64 real_us);         /* local time; "never" for 0, "?" past year 9999 */
char *vgpuctl_text_ago(gint64 real_us, gint64 now_us); /* "never", "now", "3 min 5 s ago" */
