/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include "deadline.h"

void vgpu_gate_init(VgpuGate *gate, const VgpuPage *page, VgpuCharge limits)
{
    *gate = (VgpuGate){.page = page};
    vgpu_quota_init(&gate->quota, limits);
}

gboolean vgpu_gate_pass(VgpuGate *gate)
{
    /* One load for each request; vgpud may change the rate at any time. */
    const guint64 rate = atomic_load_explicit(&gate->page->rate, memory_order_relaxed);

    if (rate != gate->rate) {
        gate->rate = rate;
        vgpu_limiter_init(&gate->limiter, vgpu_page_rate(rate));
    }
    /* The clock is read only where there is a limit. */
    return gate->limiter.interval_ns == 0 || vgpu_limiter_take(&gate->limiter, vgpu_deadline_now());
}
