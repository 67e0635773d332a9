/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include "deadline.h"

#define MIB 20

/* By VgpuQuotaKind: the limit on the page, and its unit as a shift. */
static const struct {
    gboolean is_limited;
    enum vgpu_limit limit;
    guint shift;
} kinds[VGPU_QUOTA_COUNT] = {
    [VGPU_QUOTA_MEMORY] = {TRUE, VGPU_LIMIT_MEMORY, MIB},
    [VGPU_QUOTA_HANDLES] = {TRUE, VGPU_LIMIT_HANDLES, 0},
    [VGPU_QUOTA_OUTSTANDING] = {TRUE, VGPU_LIMIT_OUTSTANDING, 0},
    [VGPU_QUOTA_SHARED] = {TRUE, VGPU_LIMIT_SHARED_MEMORY, MIB},
};

void vgpu_gate_init(VgpuGate *gate, const VgpuPage *page, VgpuCharge bounds)
{
    *gate = (VgpuGate){.page = page, .bounds = bounds};
    vgpu_quota_init(&gate->quota, bounds);
    vgpu_gate_update(gate);
}

void vgpu_gate_update(VgpuGate *gate)
{
    VgpuLimits limits;

    if (!vgpu_page_get_limits(gate->page, &gate->serial, &limits, &gate->waits))
        return;
    VgpuLimiter limiter;
    vgpu_limiter_init(&limiter, vgpu_limits_rate(&limits));
    /* A change of another limit is no new burst. */
    if (limiter.interval_ns != gate->limiter.interval_ns ||
        limiter.depth_ns != gate->limiter.depth_ns)
        gate->limiter = limiter;
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++) {
        const guint32 limit = kinds[i].is_limited ? limits.value[kinds[i].limit] : 0;

        gate->quota.limit[i] =
            limit == 0 ? gate->bounds.amount[i] : (guint64)limit << kinds[i].shift;
        /* There is no more; the other bounds are only what is usual. */
        if (i == VGPU_QUOTA_MEMORY)
            gate->quota.limit[i] = MIN(gate->quota.limit[i], gate->bounds.amount[i]);
    }
    gate->strict = limits.value[VGPU_LIMIT_OUTSTANDING] != 0 && !gate->waits;
}

guint64 vgpu_gate_due(VgpuGate *gate)
{
    vgpu_gate_update(gate);
    if (!gate->waits || gate->limiter.interval_ns == 0)
        return 0;
    const guint64 now_ns = vgpu_deadline_now();
    const guint64 due_ns = vgpu_limiter_due(&gate->limiter, now_ns);
    return due_ns > now_ns ? due_ns : 0;
}

gboolean vgpu_gate_pass(VgpuGate *gate)
{
    vgpu_gate_update(gate);
    /* The clock is read only where there is a limit. */
    return gate->limiter.interval_ns == 0 || vgpu_limiter_take(&gate->limiter, vgpu_deadline_now());
}
