/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strikes.h"

#include "vgpu-queue.h"
#include "vgpu-registers.h"

void vgpu_strikes_init(VgpuStrikes *strikes, guint invalid, guint backend, guint window_s)
{
    const gint64 window_us = (gint64)window_s * G_USEC_PER_SEC;

    *strikes = (VgpuStrikes){.exit = VGPU_WORKER_EXIT_CLOSED};
    vgpu_faults_init(&strikes->invalid, invalid, window_us);
    vgpu_faults_init(&strikes->backend, backend, window_us);
}

void vgpu_strikes_clear(VgpuStrikes *strikes)
{
    vgpu_faults_clear(&strikes->invalid);
    vgpu_faults_clear(&strikes->backend);
}

static gboolean is_invalid(guint32 status)
{
    switch (status) {
    case VGPU_ERROR_INVALID_REQUEST: /* and VGPU_RESULT_INVALID */
    case VGPU_ERROR_REQUEST_TOO_LARGE:
    case VGPU_ERROR_UNSUPPORTED:
    case VGPU_ERROR_INVALID_LENGTH:
    case VGPU_RESULT_BAD_HANDLE:
    case VGPU_RESULT_OUT_OF_RANGE:
    case VGPU_RESULT_NO_KERNEL:
    case VGPU_RESULT_BAD_ARGUMENT:
    case VGPU_RESULT_BAD_LAUNCH:
    case VGPU_RESULT_BAD_QUEUE:
        return TRUE;
    default:
        return FALSE;
    }
}

static void count(VgpuStrikes *strikes, VgpuFaults *faults, VgpuWorkerExit exit, const char *what,
                  gint64 now_us)
{
    if (faults->budget == 0 || strikes->exit != VGPU_WORKER_EXIT_CLOSED ||
        !vgpu_faults_add(faults, now_us))
        return;
    strikes->exit = exit;
    g_warning("more than %u %s in %" G_GINT64_FORMAT " s: this worker ends", faults->budget, what,
              faults->window_us / G_USEC_PER_SEC);
}

void vgpu_strikes_add(VgpuStrikes *strikes, guint32 status, gint64 now_us)
{
    if (status == VGPU_ERROR_EXECUTION_FAILED)
        count(strikes, &strikes->backend, VGPU_WORKER_EXIT_BACKEND, "requests failed on the device",
              now_us);
    else if (is_invalid(status))
        count(strikes, &strikes->invalid, VGPU_WORKER_EXIT_INVALID, "invalid requests", now_us);
}
