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
    guint64 rate;         /* the page's, as the limiter has it */
    VgpuLimiter limiter;
    VgpuQuota quota;
} VgpuGate;

void vgpu_gate_init(VgpuGate *gate, const VgpuPage *page, VgpuCharge limits);

/* Takes one request's worth of the rate; FALSE: VGPU_RESULT_RATE_LIMITED. */
gboolean vgpu_gate_pass(VgpuGate *gate);
