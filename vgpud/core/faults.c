/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"

const char *vgpu_fault_name(VgpuFault fault)
{
    static const char *const names[VGPU_FAULT_KINDS] = {
        [VGPU_FAULT_CRASH] = "crash",
        [VGPU_FAULT_DEADLINE] = "deadline",
        [VGPU_FAULT_INVALID] = "invalid-requests",
        [VGPU_FAULT_BACKEND] = "backend-faults",
    };
    return names[fault];
}

void vgpu_faults_init(VgpuFaults *faults, guint budget, gint64 window_us)
{
    g_return_if_fail(budget <= VGPU_FAULTS_MAX_BUDGET);

    *faults = (VgpuFaults){.budget = budget, .window_us = window_us};
}

void vgpu_faults_clear(VgpuFaults *faults)
{
    g_clear_pointer(&faults->recent, g_free);
}

gboolean vgpu_faults_add(VgpuFaults *faults, gint64 now_us)
{
    /* The ring holds budget + 1 times: the oldest is the one that the budget does not cover. */
    const guint size = faults->budget + 1;

    if (faults->recent == NULL)
        faults->recent = g_new(gint64, size);
    faults->recent[faults->total % size] = now_us;
    faults->total++;
    return faults->total - faults->forgiven >= size &&
           now_us - faults->recent[faults->total % size] <= faults->window_us;
}

void vgpu_faults_forgive(VgpuFaults *faults)
{
    faults->forgiven = faults->total;
}
