/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers. Write and read wait for their end: the data is the guest's, and may change behind. */
#include "opencl-private.h"

enum vgpu_result vgpu_opencl_buffer_new(VgpuBackend *base, guint64 length,
                                        VgpuBackendBuffer **buffer, GError **error)
{
    VgpuOpenclBackend *backend = (VgpuOpenclBackend *)base;
    cl_int status;

    *buffer = (VgpuBackendBuffer *)clCreateBuffer(backend->context, CL_MEM_READ_WRITE, length, NULL,
                                                  &status);
    return vgpu_opencl_result(status, "clCreateBuffer", error);
}

void vgpu_opencl_buffer_free(VgpuBackendBuffer *buffer)
{
    clReleaseMemObject((cl_mem)buffer);
}

/* Devices get their memory when it is first used, so here is where there may be too little. */
static enum vgpu_result transfer_result(cl_int status, const char *what, GError **error)
{
    if (status == CL_OUT_OF_RESOURCES)
        return VGPU_RESULT_OUT_OF_MEMORY;
    return vgpu_opencl_result(status, what, error);
}

enum vgpu_result vgpu_opencl_buffer_write(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                          guint64 offset, guint64 length, const void *data,
                                          VgpuBackendEvent **event, GError **error)
{
    cl_int status = clEnqueueWriteBuffer(queue->queue, (cl_mem)buffer, CL_TRUE, offset, length,
                                         data, 0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueWriteBuffer", error);
}

enum vgpu_result vgpu_opencl_buffer_read(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, void *data,
                                         VgpuBackendEvent **event, GError **error)
{
    cl_int status = clEnqueueReadBuffer(queue->queue, (cl_mem)buffer, CL_TRUE, offset, length, data,
                                        0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueReadBuffer", error);
}

enum vgpu_result vgpu_opencl_buffer_copy(VgpuBackendQueue *queue, VgpuBackendBuffer *to,
                                         guint64 to_offset, VgpuBackendBuffer *from,
                                         guint64 from_offset, guint64 length,
                                         VgpuBackendEvent **event, GError **error)
{
    cl_int status = clEnqueueCopyBuffer(queue->queue, (cl_mem)from, (cl_mem)to, from_offset,
                                        to_offset, length, 0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueCopyBuffer", error);
}

enum vgpu_result vgpu_opencl_buffer_fill(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, const void *pattern,
                                         gsize size, VgpuBackendEvent **event, GError **error)
{
    cl_int status = clEnqueueFillBuffer(queue->queue, (cl_mem)buffer, pattern, size, offset, length,
                                        0, NULL, (cl_event *)event);

    return transfer_result(status, "clEnqueueFillBuffer", error);
}
