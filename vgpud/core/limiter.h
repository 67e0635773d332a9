/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rate with a burst: a token bucket. Pure: the clock is the caller's (nanoseconds, monotonic).
 */
#pragma once

#include <glib.h>

/* What a VM may send. */
typedef struct {
    guint per_second; /* requests; 0: no limit */
    guint burst;      /* requests that may come at once, at least 1; 0 is taken as 1 */
} VgpuRate;

typedef struct {
    guint64 interval_ns; /* between two requests at the full rate; 0: no limit */
    guint64 depth_ns;    /* how far the full rate may be run ahead of */
    guint64 next_ns;     /* when the bucket is full again: the theoretical arrival time */
} VgpuLimiter;

void vgpu_limiter_init(VgpuLimiter *limiter, VgpuRate rate);

/* When vgpu_limiter_take() will succeed: @now_ns, or later. */
guint64 vgpu_limiter_due(const VgpuLimiter *limiter, guint64 now_ns);

/* Takes one token at @now_ns. Returns FALSE, and takes none, when there is none. */
gboolean vgpu_limiter_take(VgpuLimiter *limiter, guint64 now_ns);
