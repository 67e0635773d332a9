/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs: from OpenCL C, from SPIR-V where the device takes it, and from its own binaries. */
#include "build-log.h"
#include "opencl-private.h"

/* What a driver says about one build, or makes of it; a larger one is not handed on. */
#define MAX_TEXT (256u << 20)

static cl_program create(VgpuOpenclBackend *backend, enum vgpu_program_kind kind, const void *bytes,
                         size_t length, cl_int *status)
{
    const char *source = bytes;
    const unsigned char *binary = bytes;
    cl_int binary_status;

    switch (kind) {
    case VGPU_PROGRAM_SOURCE:
        return clCreateProgramWithSource(backend->context, 1, &source, &length, status);
    case VGPU_PROGRAM_SPIRV:
        return clCreateProgramWithIL(backend->context, bytes, length, status);
    case VGPU_PROGRAM_BINARY:
        return clCreateProgramWithBinary(backend->context, 1, &backend->device, &length, &binary,
                                         &binary_status, status);
    }
    g_assert_not_reached();
}

enum vgpu_result vgpu_opencl_program_new(VgpuBackend *base, enum vgpu_program_kind kind,
                                         const void *bytes, gsize length,
                                         VgpuBackendProgram **program, GError **error)
{
    VgpuOpenclBackend *backend = (VgpuOpenclBackend *)base;
    cl_int status;

    if ((base->info.programs & 1u << kind) == 0)
        return VGPU_RESULT_UNSUPPORTED;

    cl_program made = create(backend, kind, bytes, length, &status);
    /* What is wrong with the bytes: neither source nor binary of this device. */
    if (status == CL_INVALID_VALUE)
        return VGPU_RESULT_BUILD_FAILED;
    if (status != CL_SUCCESS)
        return vgpu_opencl_result(status, "clCreateProgram", error);
    *program = g_new0(VgpuBackendProgram, 1);
    (*program)->backend = backend;
    (*program)->program = made;
    (*program)->kind = kind;
    return VGPU_RESULT_OK;
}

void vgpu_opencl_program_free(VgpuBackendProgram *program)
{
    clReleaseProgram(program->program);
    g_free(program);
}

enum vgpu_result vgpu_opencl_program_build(VgpuBackendProgram *program, const char *options,
                                           GError **error)
{
    /* So that each argument's kind can be looked up: see opencl-kernel.c. */
    g_autofree char *all = program->kind == VGPU_PROGRAM_SOURCE
                               ? g_strdup_printf("-cl-kernel-arg-info %s", options)
                               : g_strdup(options);
    cl_int status = clBuildProgram(program->program, 1, &program->backend->device, all, NULL, NULL);

    /* Kernels of it are there: it has been built, and stays as it is. */
    if (status == CL_INVALID_OPERATION)
        return VGPU_RESULT_INVALID;
    return vgpu_opencl_result(status, "clBuildProgram", error);
}

enum vgpu_result vgpu_opencl_program_log(VgpuBackendProgram *program, guint8 **log, gsize *length,
                                         GError **error)
{
    const cl_device_id device = program->backend->device;
    size_t size = 0;
    cl_int status =
        clGetProgramBuildInfo(program->program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);

    *log = NULL;
    *length = 0;
    if (status != CL_SUCCESS || size > MAX_TEXT)
        return vgpu_opencl_result(status, "clGetProgramBuildInfo", error);

    g_autofree guint8 *text = g_try_malloc0(size + 1);
    if (text == NULL)
        return VGPU_RESULT_OUT_OF_MEMORY;
    status =
        clGetProgramBuildInfo(program->program, device, CL_PROGRAM_BUILD_LOG, size, text, NULL);
    if (status != CL_SUCCESS)
        return vgpu_opencl_result(status, "clGetProgramBuildInfo", error);
    while (size > 0 && text[size - 1] == '\0')
        size--;
    *length = vgpu_build_log_strip_folders(text, size);
    *log = g_steal_pointer(&text);
    return VGPU_RESULT_OK;
}

enum vgpu_result vgpu_opencl_program_binary(VgpuBackendProgram *program, guint8 **binary,
                                            gsize *length, GError **error)
{
    size_t size = 0;
    cl_int status =
        clGetProgramInfo(program->program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL);

    if (status != CL_SUCCESS)
        return vgpu_opencl_result(status, "clGetProgramInfo", error);
    if (size == 0 || size > MAX_TEXT)
        return VGPU_RESULT_NO_KERNEL;

    g_autofree guint8 *bytes = g_try_malloc0(size);
    if (bytes == NULL)
        return VGPU_RESULT_OUT_OF_MEMORY;
    unsigned char *place = bytes;
    status = clGetProgramInfo(program->program, CL_PROGRAM_BINARIES, sizeof(place), &place, NULL);
    if (status != CL_SUCCESS)
        return vgpu_opencl_result(status, "clGetProgramInfo", error);
    *length = size;
    *binary = g_steal_pointer(&bytes);
    return VGPU_RESULT_OK;
}
