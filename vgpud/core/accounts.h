/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What VMs have had: sums that only grow, of a session and of all sessions of a pool.
 *
 * The numbers come from pages, which workers write, and a worker may have been taken over by its
 * guest. So none is believed that runs backwards, or that grows faster than any hardware could make
 * it: a VM can lie about itself, but neither take from its pool's sums what others have added, nor
 * make them overflow in less than years.
 */
#pragma once

#include <glib.h>

#include "page.h"

/* Indices of VgpuAccounts.count. */
enum {
    VGPU_ACCOUNT_REQUESTS,
    VGPU_ACCOUNT_BYTES_IN,
    VGPU_ACCOUNT_BYTES_OUT,
    VGPU_ACCOUNT_DEVICE_NS,
    VGPU_ACCOUNT_SERVICE_NS,
    VGPU_ACCOUNT_WAIT_NS,
    VGPU_ACCOUNT_ERRORS,                                         /* and on: by enum vgpu_error */
    VGPU_ACCOUNT_WAITS = VGPU_ACCOUNT_ERRORS + VGPU_ERROR_COUNT, /* and on: by bucket */
    VGPU_ACCOUNT_COUNT = VGPU_ACCOUNT_WAITS + VGPU_PAGE_WAITS,
};

/* Each within 0..G_MAXINT64. */
typedef struct {
    guint64 count[VGPU_ACCOUNT_COUNT];
} VgpuAccounts;

/*
 * The most that any count grows by in a nanosecond: 100 bytes (100 GB/s, more than a PCIe 5 slot
 * has), 100 ns of a device's time (100 queues on one device at once).
 */
#define VGPU_ACCOUNTS_PER_NS 100u

/*
 * vgpu_accounts_look:
 * Adds to @seen, and to @total unless it is NULL, what @page has more than @seen; of each count at
 * most what @elapsed_ns, the time since the last look, allows.
 */
void vgpu_accounts_look(VgpuAccounts *seen, const VgpuPage *page, guint64 elapsed_ns,
                        VgpuAccounts *total);
