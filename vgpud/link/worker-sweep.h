/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What workers leave behind. A guest whose kernel runs on a CPU can fork in its worker, and what
 * it has forked holds the device, the VM's memory and a CPU beyond the worker's end.
 */
#pragma once

#include <sys/types.h>

/*
 * vgpu_worker_sweep:
 * Kills all processes of the user @uid, a worker's, at once: none can fork its way out. Those that
 * are not yet that user's are not among them. Without effect where vgpud is not root.
 */
void vgpu_worker_sweep(uid_t uid);
