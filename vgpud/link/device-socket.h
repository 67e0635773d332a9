/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket in the file system that a VM's QEMU connects to.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct VgpuDeviceSocket VgpuDeviceSocket;

/* A connection came: @fd (non-blocking, close-on-exec) is the handler's. Nothing is known of the
 * peer. */
typedef void (*VgpuDeviceSocketHandler)(int fd, gpointer user_data);

/*
 * vgpu_device_socket_new:
 * Binds @path, replacing what a vgpud that is gone left there, with mode 0660 and group @group, and
 * listens in the default main context. Returns NULL with @error set.
 */
VgpuDeviceSocket *vgpu_device_socket_new(const char *path, gid_t group,
                                         VgpuDeviceSocketHandler handler, gpointer user_data,
                                         GError **error);

/* Stops listening and unlinks the path. */
void vgpu_device_socket_free(VgpuDeviceSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDeviceSocket, vgpu_device_socket_free)

/*
 * vgpu_device_socket_group:
 * The group that QEMU runs in: @name, or when that is NULL the first of the distributions' usual
 * ones that this host has ("libvirt-qemu" and "kvm" on Debian, "qemu" on Fedora). Returns FALSE
 * with @error set when there is none.
 */
gboolean vgpu_device_socket_group(const char *name, gid_t *group, GError **error);
