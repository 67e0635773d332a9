/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operations.h"

#include <string.h>

#define ANY_COUNT G_MAXUINT32

struct VgpuOperation {
    guint32 opcode;
    guint32 param_count; /* exactly so many, or ANY_COUNT */
    gboolean needs_backend;
    gboolean uses_device;
    enum vgpu_error (*run)(VgpuBackend *backend, const struct vgpu_request *request,
                           struct vgpu_response *response, guint64 *device_ns, GError **error);
};

static enum vgpu_error run_nop(VgpuBackend *backend, const struct vgpu_request *request,
                               struct vgpu_response *response, guint64 *device_ns, GError **error)
{
    (void)backend;
    (void)request;
    (void)response;
    (void)device_ns;
    (void)error;
    return VGPU_ERROR_NONE;
}

static enum vgpu_error run_vector_add(VgpuBackend *backend, const struct vgpu_request *request,
                                      struct vgpu_response *response, guint64 *device_ns,
                                      GError **error)
{
    enum vgpu_error status = vgpu_backend_vector_add(
        backend, request->params[0], request->params[1], &response->results[0], device_ns, error);

    response->result_count = status == VGPU_ERROR_NONE ? 1 : 0;
    return status;
}

static guint32 name_length(const char *name)
{
    gsize length = strlen(name);

    if (length > VGPU_DEVICE_NAME_MAX)
        length = (gsize)(g_utf8_find_prev_char(name, name + VGPU_DEVICE_NAME_MAX + 1) - name);
    return (guint32)length;
}

static enum vgpu_error run_device_info(VgpuBackend *backend, const struct vgpu_request *request,
                                       struct vgpu_response *response, guint64 *device_ns,
                                       GError **error)
{
    const VgpuBackendInfo *info = &backend->info;

    (void)request;
    (void)device_ns;
    (void)error;
    response->result_count = VGPU_INFO_COUNT;
    response->results[VGPU_INFO_COMPUTE_UNITS] = info->compute_units;
    response->results[VGPU_INFO_CLOCK_MHZ] = info->clock_mhz;
    response->results[VGPU_INFO_MEMORY_MIB] = info->memory_mib;
    response->results[VGPU_INFO_BACKEND] = info->kind;
    response->data = (const guint8 *)info->name;
    response->data_length = name_length(info->name);
    return VGPU_ERROR_NONE;
}

/* What is not here, the kept opcodes included, is not supported. */
static const VgpuOperation operations[] = {
    {.opcode = VGPU_OP_NOP, .param_count = ANY_COUNT, .run = run_nop},
    {.opcode = VGPU_OP_VECTOR_ADD,
     .param_count = 2,
     .needs_backend = TRUE,
     .uses_device = TRUE,
     .run = run_vector_add},
    {.opcode = VGPU_OP_DEVICE_INFO,
     .param_count = ANY_COUNT,
     .needs_backend = TRUE,
     .run = run_device_info},
};

static const VgpuOperation *find(guint32 opcode)
{
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++)
        if (operations[i].opcode == opcode)
            return &operations[i];
    return NULL;
}

enum vgpu_error vgpu_operation_check(const void *bytes, gsize length, struct vgpu_request *request,
                                     const VgpuOperation **operation)
{
    enum vgpu_error status = vgpu_request_decode(bytes, length, request);
    if (status != VGPU_ERROR_NONE)
        return status;

    *operation = find(request->opcode);
    if (*operation == NULL)
        return VGPU_ERROR_UNSUPPORTED;
    if ((*operation)->param_count != ANY_COUNT && (*operation)->param_count != request->param_count)
        return VGPU_ERROR_INVALID_REQUEST;
    return VGPU_ERROR_NONE;
}

gboolean vgpu_operation_uses_device(const VgpuOperation *operation)
{
    return operation->uses_device;
}

enum vgpu_error vgpu_operation_run(const VgpuOperation *operation, VgpuBackend *backend,
                                   const struct vgpu_request *request,
                                   struct vgpu_response *response, guint64 *device_ns,
                                   GError **error)
{
    *device_ns = 0;
    if (operation->needs_backend && backend == NULL) {
        g_set_error_literal(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                            "this worker has no device; the log of its start says why");
        return VGPU_ERROR_EXECUTION_FAILED;
    }

    enum vgpu_error status = operation->run(backend, request, response, device_ns, error);
    response->exec_time_us = vgpu_operation_exec_time_us(*device_ns);
    return status;
}

guint32 vgpu_operation_exec_time_us(guint64 ns)
{
    return (guint32)MIN(ns / 1000, G_MAXUINT32);
}
