/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of a device: OpenCL's sub-devices. */
#include "opencl-private.h"

#include <string.h>

/* More than any device is divided into; a larger number is a slip. */
#define MAX_PARTS 64u

static gboolean refuse(GError **error, const char *selector, const char *why)
{
    g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR, "OpenCL device \"%s\": %s",
                selector, why);
    return FALSE;
}

gboolean vgpu_opencl_part_parse(const char *selector, VgpuOpenclPart *part, GError **error)
{
    /* Where the suffix is not one of ours it belongs to the names. */
    const char *colon = strrchr(selector, ':');
    const char *of = colon != NULL ? strstr(colon, "of") : NULL;
    const gboolean is_ours = of != NULL && g_ascii_isdigit(colon[1]) && g_ascii_isdigit(of[2]) &&
                             strspn(of + 2, "0123456789") == strlen(of + 2) &&
                             strspn(colon + 1, "0123456789") == (gsize)(of - colon - 1);

    *part = (VgpuOpenclPart){.number = 1, .count = 1};
    if (!is_ours) {
        part->whole = g_strdup(selector);
        return TRUE;
    }

    g_autofree char *number = g_strndup(colon + 1, (gsize)(of - colon - 1));
    guint64 which, count;
    if (!g_ascii_string_to_unsigned(of + 2, 10, 1, MAX_PARTS, &count, NULL) ||
        !g_ascii_string_to_unsigned(number, 10, 1, count, &which, NULL))
        return refuse(error, selector,
                      "a part is written :1of2 and :2of2, of at most 64 parts in all");
    part->whole = g_strndup(selector, (gsize)(colon - selector));
    part->number = (guint)which;
    part->count = (guint)count;
    return TRUE;
}

void vgpu_opencl_part_clear(VgpuOpenclPart *part)
{
    g_free(part->whole);
}

cl_device_id vgpu_opencl_part_open(cl_device_id device, const VgpuOpenclPart *part, GError **error)
{
    cl_device_id parts[MAX_PARTS];
    cl_uint units = 0, count = 0;

    if (!vgpu_opencl_check(
            clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, NULL),
            "clGetDeviceInfo", error))
        return NULL;
    if (units / part->count == 0) {
        g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                    "it has %u compute units and cannot be divided into %u parts", units,
                    part->count);
        return NULL;
    }

    /* By counts: with EQUALLY, units that are left over would be one part more. */
    cl_device_partition_property by[MAX_PARTS + 3] = {CL_DEVICE_PARTITION_BY_COUNTS};
    for (guint i = 0; i < part->count; i++)
        by[1 + i] = units / part->count;
    by[1 + part->count] = CL_DEVICE_PARTITION_BY_COUNTS_LIST_END;
    if (!vgpu_opencl_check(clCreateSubDevices(device, by, part->count, parts, &count),
                           "clCreateSubDevices", error))
        return NULL;
    for (guint i = 0; i < MIN(count, part->count); i++)
        if (i != part->number - 1)
            clReleaseDevice(parts[i]);
    if (count >= part->number)
        return parts[part->number - 1];
    g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                "the driver divides it into %u parts only", count);
    return NULL;
}
