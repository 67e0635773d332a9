/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker's loop: the channel of protocol 1.0 and all queues, in one thread.
 *
 * The queues take turns, each with a bounded batch. When none has anything to do, the loop looks
 * again for a while that adapts (vgpu-spin.h), then parks all queues, looks once more, and sleeps
 * until the channel, a doorbell or the device wakes it. A worker whose guest is idle has no timer.
 */
#pragma once

#include <glib.h>

#include "lane.h"
#include "service.h"
#include "vgpu-spin.h"

typedef struct {
    VgpuService *service; /* borrowed */
    VgpuLane *lanes;
    guint count;
    int granted; /* the lease's pipe; -1: there is no lease; borrowed */
    int epoll;
    int device;           /* eventfd: what was given to the device has ended */
    VgpuSpin spin;        /* while guests may bring something */
    VgpuSpin device_spin; /* while the device may end something that is waited for */
} VgpuLoop;

/*
 * vgpu_loop_init:
 * @memory: @count slots that the guest shares, in @size bytes, mapped and borrowed; @count 0: none.
 * @doorbells: the first of 2 * @count eventfds, each queue's doorbell and completion; borrowed.
 * @granted: what becomes readable when the lease is granted; -1: there is none; borrowed.
 * From now on a session that begins is this worker's. FALSE with @error set: no descriptor is left.
 */
gboolean vgpu_loop_init(VgpuLoop *loop, VgpuService *service, void *memory, gsize size, guint count,
                        int doorbells, int granted, GError **error);

/*
 * vgpu_loop_run:
 * Serves until the channel's end. Returns how the worker is to exit, after having logged why where
 * that is not a matter of course. Does not return when something passes its deadline: the process
 * exits with VGPU_WORKER_EXIT_DEADLINE.
 */
VgpuWorkerExit vgpu_loop_run(VgpuLoop *loop);

/* Whether something of a guest's still runs in other threads, so that nothing may be freed. */
gboolean vgpu_loop_is_busy(const VgpuLoop *loop);

/* Frees all, also what owners have, unless something still runs: that is left to the kernel. */
void vgpu_loop_clear(VgpuLoop *loop);
