/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest or the device of this worker does wrong, against the budgets of vgpud.conf(5). The
 * worker counts it, since it alone sees each answer: nobody is told before a budget is spent, so
 * that vgpud never has to look.
 *
 * What any program may run into is no fault: a limit, a program that does not compile, a device
 * that is not there or has no memory left.
 */
#pragma once

#include <glib.h>

#include "faults.h"
#include "worker-exit.h"

/* Zeroed: nothing is counted. */
typedef struct {
    VgpuFaults invalid, backend; /* with the budget 0: any number may be */
    VgpuWorkerExit exit;         /* how the worker is to end; VGPU_WORKER_EXIT_CLOSED: it goes on */
} VgpuStrikes;

/* Budgets: 0 to VGPU_FAULTS_MAX_BUDGET, 0 for any number. */
void vgpu_strikes_init(VgpuStrikes *strikes, guint invalid, guint backend, guint window_s);
void vgpu_strikes_clear(VgpuStrikes *strikes);

/*
 * vgpu_strikes_add:
 * @status is what a request or command was answered with at @now_us, enum vgpu_error or enum
 * vgpu_result, whose common numbers mean the same. Sets exit when that was one too many, and logs
 * that.
 */
void vgpu_strikes_add(VgpuStrikes *strikes, guint32 status, gint64 now_us);
