/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernels, their arguments, launches.
 *
 * clSetKernelArg takes the size of a value and believes it: eight bytes of a guest's where the
 * kernel has a buffer would be followed as a pointer. So the kind of each argument is looked up
 * when the kernel is made, where the driver tells.
 */
#include "opencl-private.h"

#include <string.h>

/* More arguments than any device lets pass: it has some KiB for all, and each takes a byte. */
#define MAX_ARGUMENTS 4096u

typedef enum {
    TAKES_ANYTHING, /* the driver does not tell */
    TAKES_VALUE,
    TAKES_BUFFER,
    TAKES_LOCAL,
    TAKES_NOTHING, /* an image, a sampler: protocol 2 has none */
} Takes;

typedef struct {
    Takes takes;
    gboolean is_set;
} Parameter;

struct VgpuBackendKernel {
    cl_kernel kernel;
    guint count;
    guint unset; /* PoCL launches a kernel whose arguments are not all set, and crashes */
    Parameter parameters[];
};

static gboolean is_value_type(cl_kernel kernel, cl_uint index)
{
    char name[64] = "";

    /* A longer name than fits is a struct's. */
    clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_NAME, sizeof(name) - 1, name, NULL);
    return !g_str_equal(name, "sampler_t") && !g_str_equal(name, "queue_t");
}

static Takes look_up(cl_kernel kernel, cl_uint index)
{
    cl_kernel_arg_address_qualifier space = CL_KERNEL_ARG_ADDRESS_PRIVATE;
    cl_kernel_arg_access_qualifier access = CL_KERNEL_ARG_ACCESS_NONE;

    if (clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof(space), &space,
                           NULL) != CL_SUCCESS)
        return TAKES_ANYTHING;
    /* Images and pipes have one, all else has none. */
    clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ACCESS_QUALIFIER, sizeof(access), &access,
                       NULL);
    if (access != CL_KERNEL_ARG_ACCESS_NONE)
        return TAKES_NOTHING;

    switch (space) {
    case CL_KERNEL_ARG_ADDRESS_GLOBAL:
    case CL_KERNEL_ARG_ADDRESS_CONSTANT:
        return TAKES_BUFFER;
    case CL_KERNEL_ARG_ADDRESS_LOCAL:
        return TAKES_LOCAL;
    default:
        return is_value_type(kernel, index) ? TAKES_VALUE : TAKES_NOTHING;
    }
}

enum vgpu_result vgpu_opencl_kernel_new(VgpuBackendProgram *program, const char *name,
                                        VgpuBackendKernel **kernel, guint *arguments,
                                        GError **error)
{
    cl_int status;
    cl_uint count = 0;
    cl_kernel made = clCreateKernel(program->program, name, &status);

    if (status != CL_SUCCESS)
        return vgpu_opencl_result(status, "clCreateKernel", error);
    status = clGetKernelInfo(made, CL_KERNEL_NUM_ARGS, sizeof(count), &count, NULL);
    if (status != CL_SUCCESS || count > MAX_ARGUMENTS) {
        clReleaseKernel(made);
        return status == CL_SUCCESS ? VGPU_RESULT_UNSUPPORTED
                                    : vgpu_opencl_result(status, "clGetKernelInfo", error);
    }

    *kernel = g_malloc0(sizeof(**kernel) + count * sizeof(Parameter));
    (*kernel)->kernel = made;
    (*kernel)->count = (*kernel)->unset = count;
    for (cl_uint i = 0; i < count; i++)
        (*kernel)->parameters[i].takes = look_up(made, i);
    *arguments = count;
    return VGPU_RESULT_OK;
}

void vgpu_opencl_kernel_free(VgpuBackendKernel *kernel)
{
    clReleaseKernel(kernel->kernel);
    g_free(kernel);
}

static Takes needed_for(enum vgpu_argument_kind kind)
{
    switch (kind) {
    case VGPU_ARGUMENT_BUFFER:
        return TAKES_BUFFER;
    case VGPU_ARGUMENT_LOCAL:
        return TAKES_LOCAL;
    case VGPU_ARGUMENT_INLINE:
    case VGPU_ARGUMENT_ARENA:
        return TAKES_VALUE;
    }
    g_assert_not_reached();
}

static gboolean fits(const Parameter *parameter, enum vgpu_argument_kind kind)
{
    return parameter->takes == TAKES_ANYTHING || parameter->takes == needed_for(kind);
}

enum vgpu_result vgpu_opencl_kernel_argument(VgpuBackendKernel *kernel, guint index,
                                             const VgpuBackendArgument *argument, GError **error)
{
    cl_mem buffer = argument->buffer != NULL ? argument->buffer->mem : NULL;
    cl_int status;

    if (index >= kernel->count || !fits(&kernel->parameters[index], argument->kind))
        return VGPU_RESULT_BAD_ARGUMENT;

    if (argument->kind == VGPU_ARGUMENT_BUFFER)
        status =
            clSetKernelArg(kernel->kernel, index, sizeof(buffer), buffer != NULL ? &buffer : NULL);
    else if (argument->kind == VGPU_ARGUMENT_LOCAL)
        status = clSetKernelArg(kernel->kernel, index, argument->length, NULL);
    else
        status = clSetKernelArg(kernel->kernel, index, argument->length, argument->value);
    /* All that can be wrong here is the argument; drivers disagree on how to call it. */
    if (status == CL_INVALID_MEM_OBJECT || status == CL_INVALID_SAMPLER)
        return VGPU_RESULT_BAD_ARGUMENT;
    if (status == CL_SUCCESS && !kernel->parameters[index].is_set) {
        kernel->parameters[index].is_set = TRUE;
        kernel->unset--;
    }
    return vgpu_opencl_result(status, "clSetKernelArg", error);
}

static gboolean is_chosen(const VgpuBackendLaunch *launch)
{
    return launch->local[0] != 0;
}

enum vgpu_result vgpu_opencl_launch(VgpuBackendQueue *queue, VgpuBackendKernel *kernel,
                                    const VgpuBackendLaunch *launch, VgpuBackendEvent **event,
                                    GError **error)
{
    if (kernel->unset > 0)
        return VGPU_RESULT_BAD_ARGUMENT;

    cl_int status = clEnqueueNDRangeKernel(
        vgpu_opencl_busy(queue), kernel->kernel, launch->dimensions, launch->offset, launch->global,
        is_chosen(launch) ? launch->local : NULL, 0, NULL, (cl_event *)event);

    return vgpu_opencl_result(status, "clEnqueueNDRangeKernel", error);
}
