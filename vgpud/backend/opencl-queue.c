/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's queue as an OpenCL queue: in order, with profiling. */
#include "opencl-private.h"

enum vgpu_result vgpu_opencl_queue_new(VgpuBackend *base, VgpuBackendQueue **queue, GError **error)
{
    VgpuOpenclBackend *backend = (VgpuOpenclBackend *)base;
    cl_int status;
    cl_command_queue made =
        clCreateCommandQueue(backend->context, backend->device, CL_QUEUE_PROFILING_ENABLE, &status);

    if (status != CL_SUCCESS)
        return vgpu_opencl_result(status, "clCreateCommandQueue", error);
    *queue = g_new0(VgpuBackendQueue, 1);
    (*queue)->queue = made;
    return VGPU_RESULT_OK;
}

void vgpu_opencl_queue_free(VgpuBackendQueue *queue)
{
    clReleaseCommandQueue(queue->queue);
    g_free(queue);
}

enum vgpu_result vgpu_opencl_queue_flush(VgpuBackendQueue *queue, GError **error)
{
    return vgpu_opencl_result(clFlush(queue->queue), "clFlush", error);
}

enum vgpu_result vgpu_opencl_barrier(VgpuBackendQueue *queue, VgpuBackendEvent **event,
                                     GError **error)
{
    return vgpu_opencl_result(
        clEnqueueBarrierWithWaitList(vgpu_opencl_busy(queue), 0, NULL, (cl_event *)event),
        "clEnqueueBarrierWithWaitList", error);
}
