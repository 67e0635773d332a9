/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that a session has outside of itself: its socket, its QEMU's connection, its worker.
 *
 *   the socket is bound        -> RESERVED
 *   QEMU, proven, says HELLO   -> LINKED;  STATE is sent
 *   a worker is started        -> SERVING; CHANNEL is sent
 *   the worker dies            -> LINKED, a new one is started at once; past the fault budget
 *                                 QUARANTINED for a while: STATE tells the device to answer 0x0B
 *                                 (custody.h)
 *   QEMU's connection drops    -> RESERVED; it reconnects
 *   QEMU's process ends        -> the ended handler
 */
#pragma once

#include <glib.h>

#include "custody.h"
#include "dispatcher.h"
#include "session.h"
#include "settings.h"

typedef struct VgpuVm VgpuVm;

typedef struct {
    /* The VM's QEMU process has ended. The handler frees the VM. */
    void (*ended)(VgpuVm *vm, gpointer user_data);

    /* Its worker has died and another one is about to be started: it may be moved first, by
     * vgpu_vm_change(), with nothing to lose. */
    void (*bare)(VgpuVm *vm, gpointer user_data);
} VgpuVmHandlers;

/*
 * vgpu_vm_new:
 * Binds the session's socket at @socket_path. @limits is what the domain asks for itself. Keeps
 * a reference of @session; @settings, @custodies and @handlers must stay valid, and
 * @dispatcher (NULL: no worker shares its device). Returns NULL with @error set;
 * the session is then ENDED.
 */
VgpuVm *vgpu_vm_new(VgpuSession *session, const VgpuSettings *settings, const char *socket_path,
                    const VgpuLimits *limits, VgpuDispatcher *dispatcher, VgpuCustodies *custodies,
                    const VgpuVmHandlers *handlers, gpointer user_data, GError **error);

/*
 * vgpu_vm_adopt:
 * For a domain that ran before this vgpud did: finds its QEMU by libvirt's pid file and watches it
 * from now on, not only once it has connected. Returns FALSE with @error set when there is none: it
 * has ended.
 */
gboolean vgpu_vm_adopt(VgpuVm *vm, GError **error);

/* vgpu_custody_recall() of its custody. */
void vgpu_vm_recall(VgpuVm *vm);

VgpuSession *vgpu_vm_session(const VgpuVm *vm); /* borrowed */

/*
 * vgpu_vm_change:
 * Gives a running VM another priority, pool or limits, and shows the first two to its guest. In
 * another pool it takes @member, which vgpu_pools_place() gave (NULL: there was no place), and a
 * new worker; a request that is under way ends with an error. In the same pool @member is NULL, or
 * another place, to which it moves.
 */
void vgpu_vm_change(VgpuVm *vm, char pool, enum vgpu_priority priority, const VgpuLimits *limits,
                    VgpuMember *member);

/* Ends the session: worker killed, connection closed, socket unlinked, place given back. */
void vgpu_vm_free(VgpuVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuVm, vgpu_vm_free)
