/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rate with a burst: a token bucket. Pure: the clock is the caller's (nanoseconds, monotonic).
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 interval_ns; /* between two requests at the full rate; 0: no limit */
    guint64 depth_ns;    /* how far the full rate may be run ahead of */
    guint64 next_ns;     /* when the bucket is full again: the theoretical arrival time */
} VgpuLimiter;

/*
 * @per_second 0 means no limit. @burst is how many requests may come at once, at least 1; 0 is
 * taken as 1.
 */
void vgpu_limiter_init(VgpuLimiter *limiter, guint per_second, guint burst);

/* Takes one token at @now_ns. Returns FALSE, and takes none, when there is none. */
gboolean vgpu_limiter_take(VgpuLimiter *limiter, guint64 now_ns);
