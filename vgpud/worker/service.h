/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's work: requests from the channel, answers to it, and the accounts. */
#pragma once

#include <glib.h>

#include "backend.h"
#include "deadline.h"
#include "gate.h"
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
    guint64 build_ns;       /* the same, of a command that builds a program */
    VgpuGate gate;
    VgpuTally tally;
    VgpuLive live;
    guint64 until_ns; /* the live request waits until then for the VM's rate; 0: it does not */
    guint8 waiting[VGPU_BUFFER_SIZE]; /* its bytes */
} VgpuService;

typedef enum {
    VGPU_SERVICE_SERVED, /* or there was nothing */
    VGPU_SERVICE_ENDS,   /* the worker is to end, see @how */
} VgpuServiceResult;

/*
 * vgpu_service_serve:
 * Serves one request of the channel, which is readable. VGPU_SERVICE_ENDS: the worker is to exit as
 * @how says, which has been logged where that is not a matter of course. Does not return when the
 * request passes its deadline: it is answered with VGPU_ERROR_TIMEOUT and the process exits with
 * VGPU_WORKER_EXIT_DEADLINE.
 */
VgpuServiceResult vgpu_service_serve(VgpuService *service, VgpuWorkerExit *how);

/* When to call vgpu_service_resume(), vgpu_deadline_now(); G_MAXUINT64: nothing waits. */
guint64 vgpu_service_until(const VgpuService *service);

/* As vgpu_service_serve(), for the request that waits, if its time has come. */
VgpuServiceResult vgpu_service_resume(VgpuService *service, VgpuWorkerExit *how);

/*
 * vgpu_service_give_up:
 * Ends the process with VGPU_WORKER_EXIT_DEADLINE, from any thread, after having logged @what has
 * not ended within @limit_ns. The channel is shut down by hand because a process whose thread hangs
 * in a driver may stay for long after exit.
 */
G_NORETURN void vgpu_service_give_up(const VgpuService *service, const char *what,
                                     guint64 limit_ns);

/*
 * The accounts of queues. They come before the answer: who has that may look at them.
 * One command; a @status that is no enum vgpu_error is not among the page's errors.
 */
void vgpu_service_account(const VgpuService *service, enum vgpu_result status, guint64 bytes_in,
                          guint64 bytes_out, guint64 device_ns);

/* What has ended behind its completion. */
void vgpu_service_account_device(const VgpuService *service, guint64 failures, guint64 device_ns);

/* A request could not begin for @wait_ns, since it waited for the VM's rate or for its turn on the
 * device. Once for each that waited. */
void vgpu_service_account_wait(const VgpuService *service, guint64 wait_ns);

/* What the VM holds now. */
void vgpu_service_show_used(const VgpuService *service);

/* The time of the last answer is now. */
void vgpu_service_touch(const VgpuService *service);
