/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which OpenCL devices there are, and which one a selector means. */
#include "backend.h"
#include "opencl-private.h"

#include <string.h>

/* More platforms or devices than any host has; the rest would be left out. */
#define MAX_PLATFORMS 16
#define MAX_DEVICES   64

/* cl_khr_icd: what the loader says when no vendor's library is installed. */
#define PLATFORM_NOT_FOUND_KHR (-1001)

void vgpu_opencl_device_free(VgpuOpenclDevice *device)
{
    g_free(device->platform);
    g_free(device->device);
    g_free(device);
}

/* Takes the driver's text as it is; some put spaces around it. */
static char *clean(const char *text)
{
    return g_strstrip(g_utf8_make_valid(text, -1));
}

static void add_devices(GPtrArray *devices, cl_platform_id platform, cl_device_type type)
{
    char text[256] = "";
    cl_device_id ids[MAX_DEVICES];
    cl_uint count = 0;

    if (clGetDeviceIDs(platform, type, MAX_DEVICES, ids, &count) != CL_SUCCESS)
        return;
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(text) - 1, text, NULL);
    g_autofree char *platform_name = clean(text);

    for (cl_uint i = 0; i < MIN(count, MAX_DEVICES); i++) {
        char device_name[256] = "";

        clGetDeviceInfo(ids[i], CL_DEVICE_NAME, sizeof(device_name) - 1, device_name, NULL);
        VgpuOpenclDevice *device = g_new0(VgpuOpenclDevice, 1);
        device->platform = g_strdup(platform_name);
        device->device = clean(device_name);
        device->id = ids[i];
        g_ptr_array_add(devices, device);
    }
}

GPtrArray *vgpu_opencl_devices(GError **error)
{
    static const cl_device_type types[] = {CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR,
                                           CL_DEVICE_TYPE_CPU};
    g_autoptr(GPtrArray) devices =
        g_ptr_array_new_with_free_func((GDestroyNotify)vgpu_opencl_device_free);
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;

    cl_int status = clGetPlatformIDs(MAX_PLATFORMS, platforms, &count);
    if (status != PLATFORM_NOT_FOUND_KHR && !vgpu_opencl_check(status, "clGetPlatformIDs", error))
        return NULL;

    for (gsize type = 0; type < G_N_ELEMENTS(types); type++)
        for (cl_uint i = 0; i < MIN(count, MAX_PLATFORMS); i++)
            add_devices(devices, platforms[i], types[type]);

    if (devices->len == 0) {
        g_set_error_literal(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                            "there is no OpenCL device: install the OpenCL driver of the GPU, or "
                            "PoCL to compute on the CPU; `clinfo -l` lists what the host has");
        return NULL;
    }
    return g_steal_pointer(&devices);
}

/* A selector taken apart; the parts are folded for comparing. */
typedef struct {
    char *platform;
    char *device;
    guint64 number;
} Selector;

static void selector_clear(Selector *selector)
{
    g_free(selector->platform);
    g_free(selector->device);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Selector, selector_clear)

static gboolean parse(const char *text, Selector *selector, GError **error)
{
    const char *hash = strrchr(text, '#');

    if (hash != NULL && !g_ascii_string_to_unsigned(hash + 1, 10, 0, MAX_PLATFORMS * MAX_DEVICES,
                                                    &selector->number, NULL)) {
        g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                    "OpenCL device \"%s\": behind # stands a number from 0, which of the devices "
                    "that fit; the form is [PLATFORM/][DEVICE][#N]",
                    text);
        return FALSE;
    }

    g_autofree char *names = g_strndup(text, hash != NULL ? (gsize)(hash - text) : strlen(text));
    char *slash = strchr(names, '/');
    if (slash != NULL)
        *slash = '\0';
    selector->platform = g_utf8_casefold(slash != NULL ? names : "", -1);
    selector->device = g_utf8_casefold(slash != NULL ? slash + 1 : names, -1);
    return TRUE;
}

static gboolean contains(const char *name, const char *folded_part)
{
    g_autofree char *folded = g_utf8_casefold(name, -1);

    return strstr(folded, folded_part) != NULL;
}

static void set_no_match(GError **error, const GPtrArray *devices, const char *selector)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < devices->len; i++) {
        const VgpuOpenclDevice *device = devices->pdata[i];

        g_string_append_printf(list, "%s\"%s/%s\"", i > 0 ? ", " : "", device->platform,
                               device->device);
    }
    g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                "no OpenCL device fits \"%s\"; there are: %s", selector, list->str);
}

gssize vgpu_opencl_select(const GPtrArray *devices, const char *selector, GError **error)
{
    g_auto(Selector) wanted = {0};
    guint64 found = 0;

    if (!g_utf8_validate(selector, -1, NULL)) {
        g_set_error_literal(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                            "the OpenCL device's selector is not UTF-8");
        return -1;
    }
    if (!parse(selector, &wanted, error))
        return -1;

    for (guint i = 0; i < devices->len; i++) {
        const VgpuOpenclDevice *device = devices->pdata[i];

        if (contains(device->platform, wanted.platform) &&
            contains(device->device, wanted.device) && found++ == wanted.number)
            return i;
    }
    set_no_match(error, devices, selector);
    return -1;
}
