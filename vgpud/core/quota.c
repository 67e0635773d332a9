/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quota.h"

void vgpu_quota_init(VgpuQuota *quota, VgpuCharge limits)
{
    *quota = (VgpuQuota){0};
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        quota->limit[i] = limits.amount[i];
}

gboolean vgpu_quota_fits(const VgpuQuota *quota, VgpuCharge charge)
{
    /* Above a limit that has been lowered nothing more of that kind fits, but of others it may. */
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        if (charge.amount[i] != 0 && (quota->used[i] > quota->limit[i] ||
                                      charge.amount[i] > quota->limit[i] - quota->used[i]))
            return FALSE;
    return TRUE;
}

gboolean vgpu_quota_charge(VgpuQuota *quota, VgpuCharge charge)
{
    if (!vgpu_quota_fits(quota, charge))
        return FALSE;
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        quota->used[i] += charge.amount[i];
    return TRUE;
}

void vgpu_quota_uncharge(VgpuQuota *quota, VgpuCharge charge)
{
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++) {
        g_assert(charge.amount[i] <= quota->used[i]);
        quota->used[i] -= charge.amount[i];
    }
}

gboolean vgpu_quota_is_empty(const VgpuQuota *quota)
{
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        if (quota->used[i] != 0)
            return FALSE;
    return TRUE;
}
