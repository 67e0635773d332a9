/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenCL natively on the host, on the first device of the first platform: what a guest's work is
 * compared with. bench-opencl SECONDS
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <signal.h>

#include "measure.h"

#define BULK_SIZE 1048576u /* as of the transports: BENCH_CHUNK */
#define BATCH     1000u    /* kernels in flight before one finish */

struct native {
    cl_command_queue queue;
    cl_mem buffer;
    cl_kernel kernel, add;
    uint8_t *bytes; /* BULK_SIZE */
};

static void check(cl_int result, const char *what)
{
    errno = 0;
    if (result != CL_SUCCESS)
        measure_die("OpenCL: %s: error %d", what, result);
}

static bool write_word(void *context)
{
    struct native *native = context;

    return clEnqueueWriteBuffer(native->queue, native->buffer, CL_TRUE, 0, 4, native->bytes, 0,
                                NULL, NULL) == CL_SUCCESS;
}

static bool write_and_read(void *context)
{
    struct native *native = context;

    return clEnqueueWriteBuffer(native->queue, native->buffer, CL_TRUE, 0, BULK_SIZE, native->bytes,
                                0, NULL, NULL) == CL_SUCCESS &&
           clEnqueueReadBuffer(native->queue, native->buffer, CL_TRUE, 0, BULK_SIZE, native->bytes,
                               0, NULL, NULL) == CL_SUCCESS;
}

static bool enqueue_kernel(struct native *native)
{
    const size_t one = 1;

    return clEnqueueNDRangeKernel(native->queue, native->kernel, 1, NULL, &one, &one, 0, NULL,
                                  NULL) == CL_SUCCESS;
}

static bool run_kernel(void *context)
{
    struct native *native = context;

    return enqueue_kernel(native) && clFinish(native->queue) == CL_SUCCESS;
}

static bool run_batch(void *context)
{
    struct native *native = context;

    for (unsigned int i = 0; i < BATCH; i++) {
        if (!enqueue_kernel(native))
            return false;
    }
    return clFinish(native->queue) == CL_SUCCESS;
}

/* What vgpu-worker does for vector add of protocol 1.0. */
static bool add(void *context)
{
    struct native *native = context;
    const size_t one = 1;
    const cl_uint a = 40, b = 2;
    cl_uint sum = 0;

    return clSetKernelArg(native->add, 0, sizeof(a), &a) == CL_SUCCESS &&
           clSetKernelArg(native->add, 1, sizeof(b), &b) == CL_SUCCESS &&
           clEnqueueNDRangeKernel(native->queue, native->add, 1, NULL, &one, NULL, 0, NULL, NULL) ==
               CL_SUCCESS &&
           clEnqueueReadBuffer(native->queue, native->buffer, CL_TRUE, 0, sizeof(sum), &sum, 0,
                               NULL, NULL) == CL_SUCCESS &&
           sum == a + b;
}

static const char *const source =
    "kernel void empty(void) { }\n"
    "kernel void add(uint a, uint b, global uint *sum) { sum[get_global_id(0)] = a + b; }\n";

static struct native open_device(void)
{
    const char *text = source;
    struct native native = {.bytes = calloc(1, BULK_SIZE)};
    cl_platform_id platform;
    cl_device_id device;
    char name[128] = "";
    cl_int result;

    check(clGetPlatformIDs(1, &platform, NULL), "no platform");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "no device");
    check(clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof(name), name, NULL), "name");
    fprintf(stderr, "device: %s\n", name);
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &result);
    check(result, "context");
    native.queue = clCreateCommandQueue(context, device, 0, &result);
    check(result, "queue");
    native.buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, BULK_SIZE, NULL, &result);
    check(result, "buffer");
    cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, &result);
    check(result, "program");
    check(clBuildProgram(program, 1, &device, NULL, NULL, NULL), "build");
    native.kernel = clCreateKernel(program, "empty", &result);
    check(result, "kernel");
    native.add = clCreateKernel(program, "add", &result);
    check(result, "kernel");
    check(clSetKernelArg(native.add, 2, sizeof(native.buffer), &native.buffer), "argument");
    return native;
}

int main(int argc, char **argv)
{
    double seconds = argc == 2 ? atof(argv[1]) : 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    errno = 0;
    if (seconds <= 0)
        measure_die("usage: bench-opencl SECONDS");
    const struct measure_plan plan = {.seconds = seconds, .least = 20};
    struct native native = open_device();
    struct measure_row row = measure_latency("opencl-host-write", write_word, &native, &plan);
    row.gib_per_s = measure_rate(write_and_read, &native, 2 * (size_t)BULK_SIZE, seconds / 2);
    measure_print(&row);

    row = measure_latency("opencl-host-kernel", run_kernel, &native, &plan);
    measure_print(&row);

    row = measure_latency("opencl-host-add", add, &native, &plan);
    measure_print(&row);

    row = measure_latency("opencl-host-kernels", run_batch, &native, &plan);
    row.calls_per_s *= BATCH;
    row.median_us = row.p99_us = -1;
    measure_print(&row);
    return 0;
}
