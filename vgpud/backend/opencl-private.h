/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the OpenCL backend; for its own files and tests. */
#pragma once

/* 1.2 is what every platform has that is in use; nothing newer is needed here. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <glib.h>

/* One device as its driver names it; valid UTF-8 without space around it. */
typedef struct {
    char *platform;
    char *device;
    cl_device_id id; /* owned by the OpenCL library */
} VgpuOpenclDevice;

/*
 * vgpu_opencl_select:
 * The index in @devices (of VgpuOpenclDevice) that @selector means, or -1 with @error set to one
 * line that lists what there is.
 *
 * A selector is [PLATFORM/][DEVICE][#N]: parts of the two names, upper and lower case alike; an
 * empty part fits every name. N says which of the fitting devices, from 0; 0 when not given. So ""
 * is the first device, "#1" the second of all, "nvidia/#1" the second of NVIDIA's.
 */
gssize vgpu_opencl_select(const GPtrArray *devices, const char *selector, GError **error);

/*
 * vgpu_opencl_devices:
 * All devices of all platforms, GPUs before accelerators before CPUs, so that the first one is a
 * GPU where there is one; within these in the ICD loader's order. An array of VgpuOpenclDevice,
 * never empty; NULL with @error set when there is none.
 */
GPtrArray *vgpu_opencl_devices(GError **error);

void vgpu_opencl_device_free(VgpuOpenclDevice *device);

/* The name of an OpenCL status, "CL_OUT_OF_RESOURCES"; "unknown OpenCL error" for others. */
const char *vgpu_opencl_error_name(cl_int status);

/*
 * vgpu_opencl_check:
 * TRUE for CL_SUCCESS; else sets @error to "@what: NAME (NUMBER)". @what is the function called.
 */
gboolean vgpu_opencl_check(cl_int status, const char *what, GError **error);
