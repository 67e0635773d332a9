/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's work: requests from the channel, answers to it, and the accounts. */
#pragma once

#include <glib.h>

#include "backend.h"
#include "deadline.h"
#include "gate.h"
#include "page.h"
#include "operations.h"
#include "pace.h"
#include "strikes.h"
#include "tally.h"
#include "trace.h"
#include "turn.h"
#include "worker-exit.h"

/* The request that is being served. */
typedef struct {
    guint64 sequence;
    guint32 request_id;
    guint32 length;     /* bytes of the request */
    guint64 arrived_ns; /* vgpu_deadline_now() */
    guint64 begun_ns;   /* when it got the device, if it needs that */
    gboolean waits;     /* for its turn; @request and @operation are what it is */
    guint64 said_ns;    /* when the device was told so last, or it arrived */
    const VgpuOperation *operation;
    struct vgpu_request request; /* points into @packet */
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
} VgpuLive;

typedef struct {
    int channel;            /* seqpacket socket; borrowed */
    VgpuPage *page;         /* borrowed */
    VgpuBackend *backend;   /* borrowed; NULL: there is none, device work is answered with 0x05 */
    VgpuDeadline *deadline; /* borrowed */
    guint64 timeout_ns;     /* from a request's begin on the device to its answer; see refresh() */
    VgpuPace pace;          /* what the device has, of all queues */
    guint64 build_ns;       /* for a program's build */
    int build_wake;         /* eventfd that a build's end is told by; -1: builds have no thread */
    guint builds;           /* that run: at most one, so that a VM has one compiler at a time */
    VgpuGate gate;
    VgpuTurn turn;
    VgpuTrace trace;
    VgpuTally tally;
    VgpuStrikes strikes; /* when its exit is set, the loop ends so */
    VgpuLive live;
    guint64 until_ns; /* the live request waits until then for the VM's rate; 0: it does not */
    guint64 retry_ns; /* without a backend: from when on it is to be tried again, by another worker;
                         vgpu_deadline_now() */
    gboolean suspects; /* something failed when it was not our turn: is the device lost? */
    gboolean lost;     /* it is: there is nothing more that this worker could do */
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
 * vgpu_service_go_on:
 * Looks whether a suspected device is lost, and serves the request that waits for its turn, if that
 * may begin now; else tells the device now and then that it waits. As vgpu_service_serve(). @worked
 * is set when there was something to do.
 */
VgpuServiceResult vgpu_service_go_on(VgpuService *service, gboolean *worked, VgpuWorkerExit *how);

/* When vgpu_service_go_on() has to be called without further cause; G_MAXUINT64: never. */
guint64 vgpu_service_due(const VgpuService *service);

/* Takes over a deadline that vgpud has changed; what is armed stays as it is. */
void vgpu_service_refresh(VgpuService *service);

/* TRUE: a job may begin on the device now. FALSE: it is others' turn. See vgpu_turn_take(). */
gboolean vgpu_service_take_turn(VgpuService *service);

/*
 * vgpu_service_failed:
 * Something has failed on the device, or for want of one: sets @lost when the device has to be
 * opened anew. It is our turn, and a deadline stands around the call, if there is a device. Where
 * it is not our turn, @suspects is to be set instead: vgpu_service_go_on() takes one and looks.
 */
void vgpu_service_failed(VgpuService *service);

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

/* @status is what a request or a command was answered with: it may be a fault. */
void vgpu_service_strike(VgpuService *service, guint32 status);

/* What the VM holds now. */
void vgpu_service_show_used(const VgpuService *service);

/* The time of the last answer is now. */
void vgpu_service_touch(const VgpuService *service);
