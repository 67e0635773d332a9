/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control groups of workers (cgroup v2): each worker in one of its own below vgpud's, with
 * limits on its memory and its threads.
 *
 *     GROUP                vgpud's own, delegated to it by systemd (Delegate=)
 *     GROUP/vgpud          vgpud itself: where there are subgroups there may be no processes
 *     GROUP/worker-PID     a worker, with memory.max, memory.swap.max 0, memory.oom.group, pids.max
 *
 * A process has one group, so this is kept once for the process. Called by one thread.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * vgpu_worker_cgroup_setup:
 * Looks at the group that vgpud is in, moves vgpud into GROUP/vgpud and turns the controllers on.
 * FALSE with @error: it is not delegated to vgpud, or there is no cgroup v2 with these controllers;
 * nothing has been changed then. Whatever a former vgpud has left there is removed.
 */
gboolean vgpu_worker_cgroup_setup(GError **error);

/* The same in the folder @group, in which there are no processes; for tests. */
gboolean vgpu_worker_cgroup_use(const char *group, GError **error);

/* Whether one of these has succeeded. */
gboolean vgpu_worker_cgroup_is_ready(void);

/*
 * vgpu_worker_cgroup_add:
 * Makes a group for the worker @pid and moves it there, with all its threads; it may take
 * @memory_mib MiB, 0: as much as it likes. What it has taken before is counted for vgpud.
 */
gboolean vgpu_worker_cgroup_add(pid_t pid, guint memory_mib, GError **error);

/*
 * vgpu_worker_cgroup_remove:
 * The worker @pid has ended: removes its group, and all those of workers that had not ended when
 * they were forgotten. Returns whether the kernel has killed it for its memory.
 */
gboolean vgpu_worker_cgroup_remove(pid_t pid);
