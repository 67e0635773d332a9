/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much memory of its own a worker may take where it computes on the CPU. */
#pragma once

#include <glib.h>

#include "backend.h"

/*
 * vgpu_memory_limit_set:
 * Sets RLIMIT_DATA to @max_mib MiB, 0: none, where @backend computes in this process: then buffers,
 * compilers and kernels all have their memory by it. An allocation beyond it fails, which ends most
 * drivers, and so the worker. GPU drivers reserve far more writable memory than they use, so they
 * have no such limit, nor has a build with AddressSanitizer. What is mapped already counts. NULL:
 * no backend, and no limit.
 */
gboolean vgpu_memory_limit_set(const VgpuBackend *backend, guint64 max_mib, GError **error);

/*
 * vgpu_memory_limit_buffers:
 * How much of it there is for buffers, in bytes: what the device has, and of such a limit one half,
 * so that a guest is refused a buffer before its worker fails.
 */
guint64 vgpu_memory_limit_buffers(const VgpuBackend *backend, guint64 max_mib);
