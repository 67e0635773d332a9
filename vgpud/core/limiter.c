/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limiter.h"

/*
 * The bucket is kept as one time instead of a count (the generic cell rate algorithm): no rounding,
 * no refill to be computed.
 */
void vgpu_limiter_init(VgpuLimiter *limiter, VgpuRate rate)
{
    *limiter = (VgpuLimiter){0};
    if (rate.per_second == 0)
        return;
    limiter->interval_ns = MAX(1, G_GUINT64_CONSTANT(1000000000) / rate.per_second);
    limiter->depth_ns = limiter->interval_ns * (MAX(1, rate.burst) - 1);
}

guint64 vgpu_limiter_due(const VgpuLimiter *limiter, guint64 now_ns)
{
    if (limiter->interval_ns == 0 || limiter->next_ns <= limiter->depth_ns)
        return now_ns;
    return MAX(limiter->next_ns - limiter->depth_ns, now_ns);
}

gboolean vgpu_limiter_take(VgpuLimiter *limiter, guint64 now_ns)
{
    if (limiter->interval_ns == 0)
        return TRUE;

    guint64 due = MAX(limiter->next_ns, now_ns);
    if (due - now_ns > limiter->depth_ns)
        return FALSE;
    limiter->next_ns = due + limiter->interval_ns;
    return TRUE;
}
