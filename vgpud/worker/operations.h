/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest may ask for in protocol 1.0: the table of operations. */
#pragma once

#include <glib.h>

#include "backend.h"
#include "vgpu-codec.h"

typedef struct VgpuOperation VgpuOperation;

/*
 * vgpu_operation_check:
 * Takes a request of @length bytes apart: fills @request, which points into @bytes, and
 * @operation. Returns VGPU_ERROR_NONE, or what the guest is told: the codec's errors,
 * VGPU_ERROR_UNSUPPORTED for an opcode that there is not, VGPU_ERROR_INVALID_REQUEST for a number
 * of parameters that the operation does not take.
 */
enum vgpu_error vgpu_operation_check(const void *bytes, gsize length, struct vgpu_request *request,
                                     const VgpuOperation **operation);

/* TRUE when carrying it out may take as long as the device likes. */
gboolean vgpu_operation_uses_device(const VgpuOperation *operation);

/*
 * vgpu_operation_run:
 * Carries @request out and fills the results, data and exec_time_us of @response, which comes
 * zeroed; its data points into @backend. @backend NULL: there is none; what needs one fails.
 * @device_ns is the time spent on the device, nanoseconds. Returns the response's status; @error is
 * set for the log where there is more to say.
 */
enum vgpu_error vgpu_operation_run(const VgpuOperation *operation, VgpuBackend *backend,
                                   const struct vgpu_request *request,
                                   struct vgpu_response *response, guint64 *device_ns,
                                   GError **error);

/* Nanoseconds as exec_time_us holds them: microseconds, saturating. */
guint32 vgpu_operation_exec_time_us(guint64 ns);
