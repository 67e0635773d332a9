/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ends of commands, and when they were. */
#include "opencl-private.h"

#include <sys/eventfd.h>

VgpuBackendEvent *vgpu_opencl_event_ref(VgpuBackendEvent *event)
{
    clRetainEvent((cl_event)event);
    return event;
}

void vgpu_opencl_event_unref(VgpuBackendEvent *event)
{
    clReleaseEvent((cl_event)event);
}

VgpuBackendProgress vgpu_opencl_event_progress(VgpuBackendEvent *event)
{
    cl_int progress = CL_COMPLETE;
    cl_int status = clGetEventInfo((cl_event)event, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                   sizeof(progress), &progress, NULL);

    if (status != CL_SUCCESS || progress < 0)
        return VGPU_BACKEND_FAILED;
    return progress == CL_COMPLETE ? VGPU_BACKEND_ENDED : VGPU_BACKEND_RUNNING;
}

/* In one of the driver's threads, or here, at once. */
static void CL_CALLBACK on_end(cl_event event, cl_int status, void *data)
{
    (void)event;
    (void)status;
    eventfd_write(GPOINTER_TO_INT(data), 1);
}

enum vgpu_result vgpu_opencl_event_notify(VgpuBackendEvent *event, int fd, GError **error)
{
    return vgpu_opencl_result(
        clSetEventCallback((cl_event)event, CL_COMPLETE, on_end, GINT_TO_POINTER(fd)),
        "clSetEventCallback", error);
}

enum vgpu_result vgpu_opencl_event_times(VgpuBackendEvent *event, struct vgpu_event_times *times,
                                         GError **error)
{
    static const cl_profiling_info what[] = {
        CL_PROFILING_COMMAND_QUEUED,
        CL_PROFILING_COMMAND_SUBMIT,
        CL_PROFILING_COMMAND_START,
        CL_PROFILING_COMMAND_END,
    };
    cl_ulong at[G_N_ELEMENTS(what)] = {0};

    for (gsize i = 0; i < G_N_ELEMENTS(what); i++) {
        cl_int status =
            clGetEventProfilingInfo((cl_event)event, what[i], sizeof(at[i]), &at[i], NULL);
        /* Of a command that has failed there may be none: not known. */
        if (status != CL_SUCCESS && status != CL_PROFILING_INFO_NOT_AVAILABLE)
            return vgpu_opencl_result(status, "clGetEventProfilingInfo", error);
    }
    *times = (struct vgpu_event_times){at[0], at[1], at[2], at[3]};
    return VGPU_RESULT_OK;
}
