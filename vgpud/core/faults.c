/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"

void vgpu_faults_init(VgpuFaults *faults, guint budget, gint64 window_us)
{
    g_return_if_fail(budget <= VGPU_FAULTS_MAX_BUDGET);

    *faults = (VgpuFaults){.budget = budget, .window_us = window_us};
    vgpu_faults_forgive(faults);
}

gboolean vgpu_faults_add(VgpuFaults *faults, gint64 now_us)
{
    /* The ring holds budget + 1 times: the oldest is the one that the budget does not cover. */
    guint size = faults->budget + 1;

    faults->recent[faults->total % size] = now_us;
    faults->total++;

    gint64 oldest = faults->recent[faults->total % size];
    return oldest != G_MININT64 && now_us - oldest <= faults->window_us;
}

void vgpu_faults_forgive(VgpuFaults *faults)
{
    for (guint i = 0; i <= faults->budget; i++)
        faults->recent[i] = G_MININT64;
}
