/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend.h"

#include <time.h>

G_DEFINE_QUARK(vgpu - backend - error - quark, vgpu_backend_error)

static const VgpuBackendClass *const backends[] = {
    &vgpu_opencl_backend,
    &vgpu_null_backend,
    &vgpu_fault_backend,
};

static const VgpuBackendClass *find(const char *name, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(backends); i++) {
        if (g_str_equal(backends[i]->name, name))
            return backends[i];
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", backends[i]->name);
    }
    g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                "there is no backend \"%s\"; there are: %s", name, names->str);
    return NULL;
}

static guint64 now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (guint64)now.tv_sec * G_GUINT64_CONSTANT(1000000000) + (guint64)now.tv_nsec;
}

VgpuBackend *vgpu_backend_open(const char *name, const char *device, GError **error)
{
    const VgpuBackendClass *class = find(name, error);
    if (class == NULL)
        return NULL;

    VgpuBackend *backend = class->open(device, error);
    if (backend == NULL)
        return NULL;
    if (backend->class == NULL)
        backend->class = class;
    for (gsize i = 0; i < VGPU_BACKEND_TEXTS; i++)
        if (backend->info.texts[i] == NULL)
            backend->info.texts[i] = g_strdup("");
    return backend;
}

void vgpu_backend_close(VgpuBackend *backend)
{
    if (backend == NULL)
        return;

    g_free(backend->info.name);
    for (gsize i = 0; i < VGPU_BACKEND_TEXTS; i++)
        g_free(backend->info.texts[i]);
    backend->class->close(backend);
}

enum vgpu_error vgpu_backend_vector_add(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum,
                                        guint64 *elapsed_ns, GError **error)
{
    guint64 start = now_ns();
    enum vgpu_error result = backend->class->vector_add(backend, a, b, sum, error);

    *elapsed_ns = now_ns() - start;
    return result;
}
