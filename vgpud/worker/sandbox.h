/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker may still do: compute on its device, keep files in its cache folder, and talk on
 * the channel. Guests' kernels will run inside it on a CPU backend, so this is the wall between
 * VMs.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    uid_t uid; /* its own user and group, neither of them root's */
    gid_t gid;
    const gid_t *groups; /* supplementary: who may open the GPU's nodes */
    gsize n_groups;
    const char *cache_dir; /* absolute; the one folder that stays writable; NULL: none */
    const int *keep;       /* descriptors that stay open besides 0..2, in any order */
    gsize n_keep;
    pid_t parent; /* the worker dies with it */
} VgpuSandbox;

/*
 * vgpu_sandbox_enter:
 * Gives everything up, for good. Called as root, in a process of one thread, before anything
 * foreign is read. In this order:
 * - own mount, network, IPC and UTS namespaces: no network; other users' processes, homes and all
 *   of /run and /var are gone from sight, everything is read-only but @cache_dir and a private
 *   /tmp and /dev/shm; the device nodes and drivers in /dev, /sys, /usr and /opt stay
 * - no descriptors but 0..2 and those of @keep
 * - limits: no core dump, bounded files; the first that the kernel ends when memory runs out
 * - @uid, @gid, @groups; no capability, in no set
 * - no new privileges, not traceable, SIGKILL when @parent's thread that started it ends
 * - a system call filter: see sandbox-filter.c
 * Returns FALSE with @error set when one step fails; the process must not serve then.
 */
gboolean vgpu_sandbox_enter(const VgpuSandbox *sandbox, GError **error);

/*
 * vgpu_sandbox_clean_environment:
 * Drops every variable but those that drivers are configured with, and points their caches and
 * temporary files to @cache_dir; NULL: to nowhere in particular.
 */
void vgpu_sandbox_clean_environment(const char *cache_dir);
