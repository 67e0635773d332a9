/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that a session has outside of itself: its socket, its QEMU's connection, its worker.
 *
 *   the socket is bound        -> RESERVED
 *   QEMU, proven, says HELLO   -> LINKED;  STATE is sent
 *   a worker is started        -> SERVING; CHANNEL is sent
 *   the worker dies            -> LINKED, a new one is started at once; past the fault budget
 *                                 QUARANTINED for a while: STATE tells the device to answer 0x0B
 *   QEMU's connection drops    -> RESERVED; it reconnects
 *   QEMU's process ends        -> the ended handler
 */
#pragma once

#include <glib.h>

#include "session.h"
#include "settings.h"

typedef struct VgpuVm VgpuVm;

/* The VM's QEMU process has ended. The handler frees the VM. */
typedef void (*VgpuVmEnded)(VgpuVm *vm, gpointer user_data);

/*
 * vgpu_vm_new:
 * Binds the session's socket, vgpu_vm_socket_path(). Keeps a reference of @session; @settings must
 * stay valid. Returns NULL with @error set.
 */
VgpuVm *vgpu_vm_new(VgpuSession *session, const VgpuSettings *settings, VgpuVmEnded ended,
                    gpointer user_data, GError **error);

/* <run-dir>/vm/<uuid>.sock; the caller frees it. */
char *vgpu_vm_socket_path(const VgpuSettings *settings, const char *uuid);

VgpuSession *vgpu_vm_session(const VgpuVm *vm); /* borrowed */

/* Shows the guest the session's pool and priority, after they have changed. */
void vgpu_vm_announce(VgpuVm *vm);

/* Ends the session: worker killed, connection closed, socket unlinked, place given back. */
void vgpu_vm_free(VgpuVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuVm, vgpu_vm_free)
