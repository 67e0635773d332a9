/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backend without a device: what a request costs when the computing costs nothing. */
#include "backend.h"

static VgpuBackend *null_open(const char *device, GError **error)
{
    if (*device != '\0') {
        g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                    "the null backend has one device, \"\", not \"%s\"", device);
        return NULL;
    }

    VgpuBackend *backend = g_new0(VgpuBackend, 1);
    backend->info = (VgpuBackendInfo){
        .name = g_strdup("null: CPU"), .compute_units = 1, .kind = VGPU_BACKEND_NULL};
    return backend;
}

static enum vgpu_error null_vector_add(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum,
                                       GError **error)
{
    (void)backend;
    (void)error;
    *sum = a + b;
    return VGPU_ERROR_NONE;
}

static void null_close(VgpuBackend *backend)
{
    g_free(backend);
}

const VgpuBackendClass vgpu_null_backend = {
    .name = "null",
    .open = null_open,
    .close = null_close,
    .vector_add = null_vector_add,
};
