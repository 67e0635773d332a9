/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hook socket in the file system, and the proof that it is ours alone. */
#pragma once

#include <gio/gio.h>

/*
 * vgpu_hook_socket_lock:
 * Locks @run_dir itself: no lock file is left behind, and the kernel gives the lock back however
 * vgpud ends. Returns a descriptor that holds the lock until it is closed; -1 with @error set,
 * G_IO_ERROR_ADDRESS_IN_USE when another vgpud has it.
 */
int vgpu_hook_socket_lock(const char *run_dir, GError **error);

/*
 * vgpu_hook_socket_listen:
 * Listens at @path, mode 0600, not blocking. A socket that is there is removed: whoever holds the
 * lock knows that nobody listens on it. Anything else that is there is an error. Returns NULL with
 * @error set.
 */
GSocket *vgpu_hook_socket_listen(const char *path, GError **error);
