/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One vgpu-worker: started with its end of the channel and its VM's accounting page, watched to its
 * end.
 */
#pragma once

#include <glib.h>

#include "dispatcher.h"
#include "session.h"
#include "settings.h"
#include "share.h"
#include "worker-end.h"

typedef struct VgpuWorkerProcess VgpuWorkerProcess;

/* The worker ended by itself; not called once it has been freed. The handler frees it. */
typedef void (*VgpuWorkerEnded)(const VgpuWorkerEnd *end, gpointer user_data);

/*
 * vgpu_worker_process_new:
 * Starts a worker for @session on its member, and gives the other end of its channel in @channel,
 * owned by the caller. Until it has been reaped it is a tenant of its device with @dispatcher;
 * NULL: the device is nobody else's. One that does not return the device in time is killed. @share,
 * a complete one, is handed to the worker, which gets descriptors of its own; NULL: the device has
 * no queues. Returns NULL with @error set.
 */
VgpuWorkerProcess *vgpu_worker_process_new(const VgpuSession *session, const VgpuSettings *settings,
                                           VgpuDispatcher *dispatcher, const VgpuShare *share,
                                           int *channel, VgpuWorkerEnded ended, gpointer user_data,
                                           GError **error);

pid_t vgpu_worker_process_pid(const VgpuWorkerProcess *worker);

/* Another priority on its device, from now on. */
void vgpu_worker_process_set_priority(VgpuWorkerProcess *worker, enum vgpu_priority priority);

/* Other limits of its VM, as far as they are about the device's time: share and weight. */
void vgpu_worker_process_set_limits(VgpuWorkerProcess *worker, const VgpuLimits *limits);

/*
 * Kills it, if it still runs, and forgets it; it is reaped in the background. Its device is given
 * on when it has been.
 */
void vgpu_worker_process_free(VgpuWorkerProcess *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuWorkerProcess, vgpu_worker_process_free)
