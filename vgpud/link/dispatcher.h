/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices of this host and who computes on them: one VgpuScheduler for each device, however
 * many pools name it, and the lease of each worker.
 *
 * A worker is a tenant of its device from before its start until it has been reaped: until then the
 * device may be at work for it. vgpud hears of a worker by its eventfd, in an epoll set that the
 * main loop watches, and wakes it by a pipe. The pipe's writing end is vgpud's alone, so it never
 * blocks, while the flags of a shared eventfd are the worker's to change. All devices have one
 * timer. While nobody competes for a device nothing here ever wakes up.
 */
#pragma once

#include <glib.h>

#include "scheduler.h"

typedef struct VgpuDispatcher VgpuDispatcher;
typedef struct VgpuTenant VgpuTenant;

/*
 * The worker did not return its lease in time. It is to be killed; when it has been reaped,
 * vgpu_tenant_free(), and not before. Called once.
 */
typedef void (*VgpuTenantFence)(gpointer user_data);

/* Watches from the default main context. NULL with @error set: no descriptors are left. */
VgpuDispatcher *vgpu_dispatcher_new(GError **error);

/* Tenants that are still there have no device any more; they are to be freed all the same. */
void vgpu_dispatcher_free(VgpuDispatcher *dispatcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDispatcher, vgpu_dispatcher_free)

/*
 * vgpu_dispatcher_configure:
 * Other settings, checked, for the device @key, from now on; without effect if nobody has used it.
 */
void vgpu_dispatcher_configure(VgpuDispatcher *dispatcher, const char *key,
                               const VgpuSchedulerSettings *settings);

/* The scheduler of the device @key, for reading; NULL: nobody uses it. */
const VgpuScheduler *vgpu_dispatcher_scheduler(const VgpuDispatcher *dispatcher, const char *key);

/*
 * vgpu_tenant_new:
 * A worker that is about to be started on the device @key. The first one of a device brings its
 * @settings, which have been checked; they stay until vgpu_dispatcher_configure(). Returns NULL
 * with @error set.
 */
VgpuTenant *vgpu_tenant_new(VgpuDispatcher *dispatcher, const char *key,
                            const VgpuSchedulerSettings *settings, enum vgpu_priority priority,
                            guint weight, VgpuTenantFence fence, gpointer user_data,
                            GError **error);

/* The worker has been reaped, or was never started: its device is given on. */
void vgpu_tenant_free(VgpuTenant *tenant);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuTenant, vgpu_tenant_free)

/*
 * vgpu_tenant_give_up:
 * The worker has been killed and does not end. Its device is still nobody else's; but from now on
 * those who want it are told so instead of waiting, until it has been freed.
 */
void vgpu_tenant_give_up(VgpuTenant *tenant);

/* At any time. */
void vgpu_tenant_set_priority(VgpuTenant *tenant, enum vgpu_priority priority);
void vgpu_tenant_set_weight(VgpuTenant *tenant, guint weight);
void vgpu_tenant_set_share(VgpuTenant *tenant, guint percent); /* 0: all of the device's time */

/* What the worker gets, borrowed: the memory of its lease, sealed; the eventfd that it wakes vgpud
 * by; the pipe's end that vgpud wakes it by. */
#define VGPU_TENANT_FDS 3u
const int *vgpu_tenant_descriptors(const VgpuTenant *tenant);

/* How many jobs the worker may have submitted at once: the device's window. */
guint vgpu_tenant_window(const VgpuTenant *tenant);

/* Its client, for reading; NULL: the dispatcher is gone. */
const VgpuSchedulerClient *vgpu_tenant_client(const VgpuTenant *tenant);
