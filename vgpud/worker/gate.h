/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one gate that everything from a guest passes before any work is done for it: the VM's rate
 * and its quota. There is one for each worker, and requests and commands of all queues share it.
 */
#pragma once

#include <glib.h>

#include "limiter.h"
#include "page.h"
#include "quota.h"

typedef struct {
    const VgpuPage *page; /* borrowed */
    guint32 serial;       /* of the page's limits that the following has */
    gboolean waits;       /* what comes too fast is to wait, instead of an error */
    gboolean strict;      /* an outstanding command beyond the limit is an error, too */
    VgpuLimiter limiter;
    VgpuCharge bounds; /* what the VM may hold unless the page says another limit */
    VgpuQuota quota;
} VgpuGate;

/* @bounds: what holds without a limit on the page; of memory, also what the device has at all. */
void vgpu_gate_init(VgpuGate *gate, const VgpuPage *page, VgpuCharge bounds);

/*
 * vgpu_gate_update:
 * Takes over limits that vgpud has changed: one load when it has not. What the VM holds beyond a
 * lower limit stays its own.
 */
void vgpu_gate_update(VgpuGate *gate);

/*
 * vgpu_gate_due:
 * When vgpu_gate_pass() is to be called: 0 at once, also when it will refuse; else the VM's rate is
 * used up and its pool lets requests wait, until that time, vgpu_deadline_now().
 */
guint64 vgpu_gate_due(VgpuGate *gate);

/* Takes one request's worth of the rate; FALSE: VGPU_RESULT_RATE_LIMITED. */
gboolean vgpu_gate_pass(VgpuGate *gate);
