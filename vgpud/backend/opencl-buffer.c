/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Buffers. Write and read wait for their end: the data is the guest's, and may change behind.
 *
 * Where the device is the CPU, to give it a transfer is to wake a thread of the driver's for what
 * this one can do at once. So there buffers lie in memory that both may use, if the driver has such
 * memory, and are copied here, unless somebody wants an event, which only the driver can make.
 */
#include "opencl-private.h"

#include <string.h>

/* In one of the driver's threads, or in buffer_free: nothing uses the memory any more. */
static void CL_CALLBACK on_gone(cl_mem mem, void *data)
{
    VgpuBackendBuffer *buffer = data;

    (void)mem;
    clSVMFree(buffer->context, buffer->memory);
    g_free(buffer);
}

/* FALSE: there is no buffer; @status says why. */
static gboolean put_on_memory(VgpuBackendBuffer *buffer, guint64 length, cl_int *status)
{
    buffer->mem = clCreateBuffer(buffer->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, length,
                                 buffer->memory, status);
    if (*status != CL_SUCCESS)
        return FALSE;
    /* The driver may use a buffer for a moment longer than the last command with it. */
    *status = clSetMemObjectDestructorCallback(buffer->mem, on_gone, buffer);
    if (*status != CL_SUCCESS)
        clReleaseMemObject(buffer->mem);
    return *status == CL_SUCCESS;
}

static cl_int make_shared(VgpuBackendBuffer *buffer, guint64 length)
{
    cl_int status;

    buffer->memory =
        clSVMAlloc(buffer->context, CL_MEM_READ_WRITE | CL_MEM_SVM_FINE_GRAIN_BUFFER, length, 0);
    if (buffer->memory == NULL)
        return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (!put_on_memory(buffer, length, &status))
        clSVMFree(buffer->context, buffer->memory);
    return status;
}

enum vgpu_result vgpu_opencl_buffer_new(VgpuBackend *base, guint64 length,
                                        VgpuBackendBuffer **buffer, GError **error)
{
    VgpuOpenclBackend *backend = (VgpuOpenclBackend *)base;
    g_autofree VgpuBackendBuffer *made = g_new0(VgpuBackendBuffer, 1);
    cl_int status;

    made->backend = backend;
    made->context = backend->context;
    if (backend->shares && backend->shared < VGPU_OPENCL_MAX_SHARED)
        status = make_shared(made, length);
    else
        made->mem = clCreateBuffer(made->context, CL_MEM_READ_WRITE, length, NULL, &status);
    if (status == CL_SUCCESS) {
        backend->shared += made->memory != NULL;
        *buffer = g_steal_pointer(&made);
    }
    return vgpu_opencl_result(status, "clCreateBuffer", error);
}

void vgpu_opencl_buffer_free(VgpuBackendBuffer *buffer)
{
    const gboolean shared = buffer->memory != NULL;

    buffer->backend->shared -= shared;
    clReleaseMemObject(buffer->mem);
    if (!shared) /* else it is on_gone's, which may have been called already */
        g_free(buffer);
}

/* Devices get their memory when it is first used, so here is where there may be too little. */
static enum vgpu_result transfer_result(cl_int status, const char *what, GError **error)
{
    if (status == CL_OUT_OF_RESOURCES)
        return VGPU_RESULT_OUT_OF_MEMORY;
    return vgpu_opencl_result(status, what, error);
}

static gboolean is_copied_here(const VgpuBackendBuffer *buffer, VgpuBackendEvent *const *event)
{
    return buffer->memory != NULL && event == NULL;
}

/* Copies behind all that the queue has been given. */
static enum vgpu_result copy_here(VgpuBackendQueue *queue, void *to, const void *from,
                                  guint64 length, GError **error)
{
    cl_int status = queue->busy ? clFinish(queue->queue) : CL_SUCCESS;

    if (status != CL_SUCCESS)
        return transfer_result(status, "clFinish", error);
    queue->busy = FALSE;
    memcpy(to, from, length);
    return VGPU_RESULT_OK;
}

enum vgpu_result vgpu_opencl_buffer_write(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                          guint64 offset, guint64 length, const void *data,
                                          VgpuBackendEvent **event, GError **error)
{
    if (is_copied_here(buffer, event))
        return copy_here(queue, buffer->memory + offset, data, length, error);

    cl_int status = clEnqueueWriteBuffer(vgpu_opencl_busy(queue), buffer->mem, CL_TRUE, offset,
                                         length, data, 0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueWriteBuffer", error);
}

enum vgpu_result vgpu_opencl_buffer_read(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, void *data,
                                         VgpuBackendEvent **event, GError **error)
{
    if (is_copied_here(buffer, event))
        return copy_here(queue, data, buffer->memory + offset, length, error);

    cl_int status = clEnqueueReadBuffer(vgpu_opencl_busy(queue), buffer->mem, CL_TRUE, offset,
                                        length, data, 0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueReadBuffer", error);
}

enum vgpu_result vgpu_opencl_buffer_copy(VgpuBackendQueue *queue, VgpuBackendBuffer *to,
                                         guint64 to_offset, VgpuBackendBuffer *from,
                                         guint64 from_offset, guint64 length,
                                         VgpuBackendEvent **event, GError **error)
{
    cl_int status = clEnqueueCopyBuffer(vgpu_opencl_busy(queue), from->mem, to->mem, from_offset,
                                        to_offset, length, 0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueCopyBuffer", error);
}

enum vgpu_result vgpu_opencl_buffer_fill(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, const void *pattern,
                                         gsize size, VgpuBackendEvent **event, GError **error)
{
    cl_int status = clEnqueueFillBuffer(vgpu_opencl_busy(queue), buffer->mem, pattern, size, offset,
                                        length, 0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueFillBuffer", error);
}
