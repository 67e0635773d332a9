/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one VM holds of its host, and how much of it it may hold. Pure accounting: what is charged
 * is uncharged with the same numbers, so that everything is back at 0 when nothing is left.
 */
#pragma once

#include <glib.h>

typedef enum {
    VGPU_QUOTA_MEMORY,      /* bytes of device memory in buffers */
    VGPU_QUOTA_PROGRAMS,    /* bytes of the sources and binaries that programs were made from */
    VGPU_QUOTA_HANDLES,     /* objects that guests have minted handles for */
    VGPU_QUOTA_OUTSTANDING, /* commands given to the device that have not ended */
    VGPU_QUOTA_SHARED,      /* bytes of shared memory, of queues that somebody has open */
    VGPU_QUOTA_COUNT,
} VgpuQuotaKind;

/* Amounts, by VgpuQuotaKind. */
typedef struct {
    guint64 amount[VGPU_QUOTA_COUNT];
} VgpuCharge;

typedef struct {
    guint64 limit[VGPU_QUOTA_COUNT]; /* 0: none may be held */
    guint64 used[VGPU_QUOTA_COUNT];  /* above the limit only where that has been lowered */
} VgpuQuota;

/* VGPU_QUOTA_UNLIMITED as a limit: there is none. */
#define VGPU_QUOTA_UNLIMITED G_MAXUINT64

/* Nothing is used; the limits are @limits. */
void vgpu_quota_init(VgpuQuota *quota, VgpuCharge limits);

/* TRUE when vgpu_quota_charge() would take @charge. */
gboolean vgpu_quota_fits(const VgpuQuota *quota, VgpuCharge charge);

/*
 * vgpu_quota_charge:
 * Takes all of @charge, or nothing of it. FALSE: at least one limit would be passed.
 */
gboolean vgpu_quota_charge(VgpuQuota *quota, VgpuCharge charge);

/* Gives back what was charged; more than is used is a mistake of the caller's, and asserted. */
void vgpu_quota_uncharge(VgpuQuota *quota, VgpuCharge charge);

/* TRUE when nothing is charged. */
gboolean vgpu_quota_is_empty(const VgpuQuota *quota);
