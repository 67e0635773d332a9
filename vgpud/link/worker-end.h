/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the end of a worker says about its VM, and about its device. */
#pragma once

#include <glib.h>

#include "faults.h"

/* Why vgpud itself ended it, or the kernel did on vgpud's behalf. */
typedef enum {
    VGPU_WORKER_NOT_KILLED,
    VGPU_WORKER_FENCED,    /* it did not give its device back in time */
    VGPU_WORKER_TOO_LARGE, /* it passed worker-memory-mib */
} VgpuWorkerKill;

typedef struct {
    gboolean clean;  /* its channel was closed */
    VgpuFault fault; /* what it counts as, if it was not wanted */
    char *how;       /* for people, one line; owned */

    /* The device that may be at fault, vgpu_member_device_key(): what happened is what a device or
     * a driver that is broken makes happen. NULL: it is not the device's fault. Borrowed. */
    const char *device_key;
} VgpuWorkerEnd;

/*
 * vgpu_worker_end:
 * Of the worker on the device of @device_key that ended with @status, waitpid()'s. The worker's own
 * word is its exit status: one that lies gets its own VM quarantined, at most.
 */
VgpuWorkerEnd vgpu_worker_end(int status, VgpuWorkerKill kill, const char *device_key);

void vgpu_worker_end_clear(VgpuWorkerEnd *end);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VgpuWorkerEnd, vgpu_worker_end_clear)
