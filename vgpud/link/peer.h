/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is at the other end of a device socket.
 *
 * All QEMUs of a host share one uid, so the socket's mode lets each of them in. A peer is the
 * domain's QEMU when the kernel's word on its process (SO_PEERCRED) is the number in libvirt's pid
 * file.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The process that connected @socket, as the kernel recorded it; 0 when it cannot be told. */
pid_t vgpu_peer_pid(int socket);

/*
 * vgpu_peer_prove:
 * Checks that process @pid is the QEMU of domain @name, by <libvirt_run_dir>/<name>.pid. Returns a
 * pidfd of it, owned by the caller, which becomes readable when the process ends; -1 with @error
 * set.
 */
int vgpu_peer_prove(pid_t pid, const char *libvirt_run_dir, const char *name, GError **error);

/*
 * vgpu_peer_find:
 * The QEMU of domain @name by libvirt's pid file alone, for a domain that libvirt says runs but
 * whose QEMU has not connected. Returns a pidfd as above and its number in @pid.
 */
int vgpu_peer_find(const char *libvirt_run_dir, const char *name, pid_t *pid, GError **error);
