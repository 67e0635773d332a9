/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory-limit.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/resource.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SHADOW 1 /* clang's name for it; memory of 16 TiB, as the kernel counts */
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define HAS_SHADOW 1
#endif

gboolean vgpu_memory_limit_set(const VgpuBackend *backend, guint64 max_mib, GError **error)
{
#ifdef HAS_SHADOW
    max_mib = 0;
#endif
    const struct rlimit limit = {max_mib << 20, max_mib << 20};

    if (max_mib == 0 || backend == NULL || !backend->info.in_process)
        return TRUE;
    if (setrlimit(RLIMIT_DATA, &limit) == 0)
        return TRUE;

    const int saved = errno;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "limiting memory: %s",
                g_strerror(saved));
    return FALSE;
}

guint64 vgpu_memory_limit_buffers(const VgpuBackend *backend, guint64 max_mib)
{
    if (backend == NULL)
        return 0;
    if (max_mib == 0 || !backend->info.in_process)
        return backend->info.memory;
    return MIN(backend->info.memory, max_mib << 19);
}
