/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenCL, through the ICD loader: whatever platform the host has, PoCL where there is no GPU.
 *
 * The program is built, and run once, while the device is opened: a driver that cannot build or
 * compute is found before the guest asks, and no request pays for the compiler.
 */
#include "backend.h"
#include "opencl-private.h"

#include <string.h>

static const char program_source[] =
    "kernel void vector_add(const uint a, const uint b, global uint *sum)\n"
    "{\n"
    "    sum[get_global_id(0)] = a + b;\n"
    "}\n";

static void opencl_close(VgpuBackend *base)
{
    VgpuOpenclBackend *backend = (VgpuOpenclBackend *)base;

    if (backend->sum != NULL)
        clReleaseMemObject(backend->sum);
    if (backend->kernel != NULL)
        clReleaseKernel(backend->kernel);
    if (backend->program != NULL)
        clReleaseProgram(backend->program);
    if (backend->queue != NULL)
        clReleaseCommandQueue(backend->queue);
    if (backend->context != NULL)
        clReleaseContext(backend->context);
    if (backend->part != NULL)
        clReleaseDevice(backend->part);
    g_free(backend);
}

/* The compiler's words behind a failed build, in one line. */
static void add_build_log(cl_program program, cl_device_id device, GError **error)
{
    char log[1024] = "";

    if (error == NULL)
        return;
    /* A log that is longer is refused by the driver; then its name must do. */
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof(log) - 1, log, NULL);
    g_autofree char *line = g_utf8_make_valid(g_strdelimit(g_strstrip(log), "\r\n\t", ' '), -1);
    if (*line != '\0')
        g_prefix_error(error, "the compiler says \"%s\": ", line);
}

static gboolean build(VgpuOpenclBackend *backend, cl_device_id device, GError **error)
{
    const char *source = program_source;
    cl_int status;

    backend->program = clCreateProgramWithSource(backend->context, 1, &source, NULL, &status);
    if (!vgpu_opencl_check(status, "clCreateProgramWithSource", error))
        return FALSE;
    status = clBuildProgram(backend->program, 1, &device, "", NULL, NULL);
    if (!vgpu_opencl_check(status, "clBuildProgram", error)) {
        add_build_log(backend->program, device, error);
        return FALSE;
    }
    backend->kernel = clCreateKernel(backend->program, "vector_add", &status);
    return vgpu_opencl_check(status, "clCreateKernel", error);
}

static gboolean set_up(VgpuOpenclBackend *backend, cl_device_id device, GError **error)
{
    cl_int status;

    backend->context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
    if (!vgpu_opencl_check(status, "clCreateContext", error))
        return FALSE;
    backend->queue = clCreateCommandQueue(backend->context, device, 0, &status);
    if (!vgpu_opencl_check(status, "clCreateCommandQueue", error))
        return FALSE;
    backend->sum =
        clCreateBuffer(backend->context, CL_MEM_WRITE_ONLY, sizeof(cl_uint), NULL, &status);
    if (!vgpu_opencl_check(status, "clCreateBuffer", error))
        return FALSE;
    return build(backend, device, error);
}

static gboolean add(VgpuOpenclBackend *backend, guint32 a, guint32 b, GError **error)
{
    const size_t one = 1;

    return vgpu_opencl_check(clSetKernelArg(backend->kernel, 0, sizeof(a), &a), "clSetKernelArg",
                             error) &&
           vgpu_opencl_check(clSetKernelArg(backend->kernel, 1, sizeof(b), &b), "clSetKernelArg",
                             error) &&
           vgpu_opencl_check(
               clSetKernelArg(backend->kernel, 2, sizeof(backend->sum), &backend->sum),
               "clSetKernelArg", error) &&
           vgpu_opencl_check(clEnqueueNDRangeKernel(backend->queue, backend->kernel, 1, NULL, &one,
                                                    &one, 0, NULL, NULL),
                             "clEnqueueNDRangeKernel", error);
}

static enum vgpu_error opencl_vector_add(VgpuBackend *base, guint32 a, guint32 b, guint32 *sum,
                                         GError **error)
{
    VgpuOpenclBackend *backend = (VgpuOpenclBackend *)base;

    if (!add(backend, a, b, error) ||
        !vgpu_opencl_check(clEnqueueReadBuffer(backend->queue, backend->sum, CL_TRUE, 0,
                                               sizeof(*sum), sum, 0, NULL, NULL),
                           "clEnqueueReadBuffer", error))
        return VGPU_ERROR_EXECUTION_FAILED;
    return VGPU_ERROR_NONE;
}

/* The first run of a kernel is where drivers compile and load it. */
static gboolean try_out(VgpuBackend *backend, GError **error)
{
    guint32 sum = 0;

    if (opencl_vector_add(backend, 1, 2, &sum, error) != VGPU_ERROR_NONE)
        return FALSE;
    if (sum != 3) {
        g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                    "OpenCL: the device says that 1 + 2 is %u", sum);
        return FALSE;
    }
    return TRUE;
}

/*
 * What a lost device or a dead context says is the driver's choice, and most say what may mean
 * something smaller, too: CL_OUT_OF_RESOURCES. So it is tried: what worked when the device was
 * opened works for as long as anything does.
 */
static gboolean opencl_is_lost(VgpuBackend *backend)
{
    return !try_out(backend, NULL);
}

static gboolean take_part(VgpuOpenclBackend *backend, const VgpuOpenclPart *part, GError **error)
{
    if (part->count == 1)
        return TRUE;
    backend->part = vgpu_opencl_part_open(backend->device, part, error);
    backend->device = backend->part;
    return backend->part != NULL;
}

static VgpuBackend *opencl_open(const char *selector, GError **error)
{
    g_autoptr(GPtrArray) devices = vgpu_opencl_devices(error);
    if (devices == NULL)
        return NULL;

    g_auto(VgpuOpenclPart) part = {0};
    if (!vgpu_opencl_part_parse(selector, &part, error))
        return NULL;
    gssize index = vgpu_opencl_select(devices, part.whole, error);
    if (index < 0)
        return NULL;

    const VgpuOpenclDevice *device = devices->pdata[index];
    VgpuOpenclBackend *backend = g_new0(VgpuOpenclBackend, 1);
    backend->device = device->id;
    if (!take_part(backend, &part, error) || !set_up(backend, backend->device, error) ||
        !try_out(&backend->base, error)) {
        g_prefix_error(error, "\"%s/%s\": ", device->platform, device->device);
        opencl_close(&backend->base);
        return NULL;
    }
    g_autofree char *which = part.count == 1
                                 ? g_strdup("")
                                 : g_strdup_printf(", part %u of %u", part.number, part.count);
    backend->base.info.name = g_strdup_printf("%s: %s%s", device->platform, device->device, which);
    vgpu_opencl_fill_info(backend);
    return &backend->base;
}

const VgpuBackendClass vgpu_opencl_backend = {
    .name = "opencl",
    .open = opencl_open,
    .close = opencl_close,
    .vector_add = opencl_vector_add,
    .is_lost = opencl_is_lost,
    .queue_new = vgpu_opencl_queue_new,
    .queue_free = vgpu_opencl_queue_free,
    .queue_flush = vgpu_opencl_queue_flush,
    .barrier = vgpu_opencl_barrier,
    .buffer_new = vgpu_opencl_buffer_new,
    .buffer_free = vgpu_opencl_buffer_free,
    .buffer_write = vgpu_opencl_buffer_write,
    .buffer_read = vgpu_opencl_buffer_read,
    .buffer_copy = vgpu_opencl_buffer_copy,
    .buffer_fill = vgpu_opencl_buffer_fill,
    .program_new = vgpu_opencl_program_new,
    .program_free = vgpu_opencl_program_free,
    .program_build = vgpu_opencl_program_build,
    .program_log = vgpu_opencl_program_log,
    .program_binary = vgpu_opencl_program_binary,
    .kernel_new = vgpu_opencl_kernel_new,
    .kernel_free = vgpu_opencl_kernel_free,
    .kernel_argument = vgpu_opencl_kernel_argument,
    .launch = vgpu_opencl_launch,
    .event_ref = vgpu_opencl_event_ref,
    .event_unref = vgpu_opencl_event_unref,
    .event_progress = vgpu_opencl_event_progress,
    .event_notify = vgpu_opencl_event_notify,
    .event_times = vgpu_opencl_event_times,
};
