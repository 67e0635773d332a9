/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an OpenCL device says of itself. */
#include "opencl-private.h"

#include <stdlib.h>
#include <string.h>

/* Any device's list of extensions is far below; a longer text is not believed. */
#define MAX_TEXT (64u << 10)

static char *get_text(cl_device_id device, cl_device_info what)
{
    size_t size = 0;

    if (clGetDeviceInfo(device, what, 0, NULL, &size) != CL_SUCCESS || size > MAX_TEXT)
        return g_strdup("");

    g_autofree char *text = g_malloc0(size + 1);
    if (clGetDeviceInfo(device, what, size, text, NULL) != CL_SUCCESS)
        return g_strdup("");
    return g_strstrip(g_utf8_make_valid(text, -1));
}

static guint64 get_number(cl_device_id device, cl_device_info what)
{
    cl_ulong number = 0;

    clGetDeviceInfo(device, what, sizeof(number), &number, NULL);
    return number;
}

static guint32 get_word(cl_device_id device, cl_device_info what)
{
    cl_uint word = 0;

    clGetDeviceInfo(device, what, sizeof(word), &word, NULL);
    return word;
}

/* "OpenCL 3.0 ..." */
static gboolean is_at_least(const char *version, double wanted)
{
    const char *number = strchr(version, ' ');

    return number != NULL && strtod(number, NULL) > wanted - 0.05;
}

static gboolean takes_spirv(cl_device_id device, const char *version)
{
    /* An older platform's table of functions ends before clCreateProgramWithIL. */
    if (!is_at_least(version, 2.1))
        return FALSE;

    g_autofree char *languages = get_text(device, CL_DEVICE_IL_VERSION);
    return strstr(languages, "SPIR-V") != NULL;
}

gboolean vgpu_opencl_can_share(cl_device_type type, const char *version,
                               cl_device_svm_capabilities capabilities)
{
    return (type & CL_DEVICE_TYPE_CPU) != 0 && is_at_least(version, 2.0) &&
           (capabilities & CL_DEVICE_SVM_FINE_GRAIN_BUFFER) != 0;
}

void vgpu_opencl_fill_info(VgpuOpenclBackend *backend)
{
    VgpuBackendInfo *info = &backend->base.info;
    const cl_device_id device = backend->device;
    const cl_device_type type = get_number(device, CL_DEVICE_TYPE);
    size_t items[16] = {0};

    info->kind = VGPU_BACKEND_OPENCL;
    info->compute_units = get_word(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = get_word(device, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->memory = get_number(device, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->memory_mib = (guint32)MIN(info->memory >> 20, G_MAXUINT32);
    info->in_process = (type & CL_DEVICE_TYPE_CPU) != 0;
    info->local_memory = get_number(device, CL_DEVICE_LOCAL_MEM_SIZE);
    info->max_buffer = get_number(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->max_group = get_number(device, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    /* One for each dimension; three are used, and no device has as many as fit here. */
    clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(items), items, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(info->max_item); i++)
        info->max_item[i] = items[i];

    info->texts[VGPU_BACKEND_TEXT_NAME] = get_text(device, CL_DEVICE_NAME);
    info->texts[VGPU_BACKEND_TEXT_VENDOR] = get_text(device, CL_DEVICE_VENDOR);
    info->texts[VGPU_BACKEND_TEXT_VERSION] = get_text(device, CL_DEVICE_VERSION);
    info->texts[VGPU_BACKEND_TEXT_DRIVER] = get_text(device, CL_DRIVER_VERSION);
    info->texts[VGPU_BACKEND_TEXT_EXTENSIONS] = get_text(device, CL_DEVICE_EXTENSIONS);

    backend->has_il = takes_spirv(device, info->texts[VGPU_BACKEND_TEXT_VERSION]);
    backend->shares = vgpu_opencl_can_share(type, info->texts[VGPU_BACKEND_TEXT_VERSION],
                                            get_number(device, CL_DEVICE_SVM_CAPABILITIES));
    info->programs = 1u << VGPU_PROGRAM_SOURCE | 1u << VGPU_PROGRAM_BINARY |
                     (backend->has_il ? 1u << VGPU_PROGRAM_SPIRV : 0);
}
