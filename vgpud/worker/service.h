/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's work: requests from the channel, answers to it, and the accounts. */
#pragma once

#include <glib.h>

#include "backend.h"
#include "deadline.h"
#include "limiter.h"
#include "page.h"
#include "tally.h"
#include "worker.h"

/* The request that is being served. */
typedef struct {
    guint64 sequence;
    guint32 request_id;
    guint32 length;     /* bytes of the request */
    guint64 arrived_ns; /* vgpu_deadline_now() */
} VgpuLive;

typedef struct {
    int channel;            /* seqpacket socket; borrowed */
    VgpuPage *page;         /* borrowed */
    VgpuBackend *backend;   /* borrowed; NULL: there is none, device work is answered with 0x05 */
    VgpuDeadline *deadline; /* borrowed */
    guint64 timeout_ns;     /* from a request's arrival to its answer at the latest */
    guint64 rate;           /* the page's, as the limiter has it */
    VgpuLimiter limiter;
    VgpuTally tally;
    VgpuLive live;
} VgpuService;

/*
 * vgpu_service_run:
 * Serves until the channel's end. Returns how the worker is to exit, after having logged why where
 * that is not a matter of course. Does not return when a request passes its deadline: it is
 * answered with VGPU_ERROR_TIMEOUT and the process exits with VGPU_WORKER_EXIT_DEADLINE.
 */
VgpuWorkerExit vgpu_service_run(VgpuService *service);
