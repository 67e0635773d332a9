/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What vgpud has of one legacy VM: a session, as of any other VM, and, while there is something to
 * do, a place in a pool and a worker. The session is RESERVED while there is no worker, SERVING
 * while there is one. There is one request at a time.
 */
#pragma once

#include <glib.h>

#include "custody.h"
#include "dispatcher.h"
#include "session.h"
#include "settings.h"

typedef struct VgpuLegacyVm VgpuLegacyVm;

typedef struct {
    /* The request is answered: @sum where @error is VGPU_ERROR_NONE. Not called during send(). */
    void (*answered)(VgpuLegacyVm *vm, enum vgpu_error error, guint32 sum, gpointer user_data);

    /* It is no longer busy: vgpu_legacy_vm_is_busy(). */
    void (*ready)(VgpuLegacyVm *vm, gpointer user_data);

    /* It has given its place in a pool back. */
    void (*left)(VgpuLegacyVm *vm, gpointer user_data);
} VgpuLegacyVmHandlers;

/*
 * vgpu_legacy_vm_new:
 * For the directory @folder, after whose last part it is named, in @pool for a start. @number is
 * its place among the legacy VMs, from 0; its VM number is that beyond VGPU_VM_ID_MAX, which no
 * other VM has. @settings, @dispatcher (NULL: no worker shares its device),
 * @custodies and @handlers must stay valid. Returns NULL with @error set.
 */
VgpuLegacyVm *vgpu_legacy_vm_new(const char *folder, guint number, char pool,
                                 enum vgpu_priority priority, const VgpuSettings *settings,
                                 VgpuDispatcher *dispatcher, VgpuCustodies *custodies,
                                 const VgpuLegacyVmHandlers *handlers, gpointer user_data,
                                 GError **error);

/* Ends its worker without a word; the session is ENDED. */
void vgpu_legacy_vm_free(VgpuLegacyVm *vm);

VgpuSession *vgpu_legacy_vm_session(const VgpuLegacyVm *vm); /* borrowed */

/*
 * vgpu_legacy_vm_prepare:
 * Sees to it that a worker on a device of @pool is there, or starting, for a request of @priority.
 * Returns VGPU_ERROR_NONE, or what the guest is to be told. To be called again right before send().
 */
enum vgpu_error vgpu_legacy_vm_prepare(VgpuLegacyVm *vm, char pool, enum vgpu_priority priority);

/*
 * vgpu_legacy_vm_is_busy:
 * Its worker is still at a request that was answered with VGPU_ERROR_TIMEOUT, since its device is
 * being opened, or is about to end. What is sent now would only wait for that.
 */
gboolean vgpu_legacy_vm_is_busy(const VgpuLegacyVm *vm);

/*
 * vgpu_legacy_vm_send:
 * Has @numbers added. FALSE: the worker does not take it; answered() is then not called.
 */
gboolean vgpu_legacy_vm_send(VgpuLegacyVm *vm, const guint32 numbers[2]);

/* After this long the order goes on without the answer: the net under the worker's deadline. */
guint vgpu_legacy_vm_patience_ms(const VgpuSettings *settings);

/* It wrote a request that is none, which no worker has seen: it counts against error-budget. */
void vgpu_legacy_vm_strike(VgpuLegacyVm *vm);

/* vgpu_custody_recall() of its custody. */
void vgpu_legacy_vm_recall(VgpuLegacyVm *vm);
