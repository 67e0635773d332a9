/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the OpenCL backend; for its own files and tests. */
#pragma once

/*
 * 1.2 is what every platform has that is in use, and what is called here, but for
 * clCreateProgramWithIL and clSVMAlloc on devices that say that they have them.
 */
#define CL_TARGET_OPENCL_VERSION          210
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS /* clCreateCommandQueue, which 1.2 has */
#include <CL/cl.h>
#include <glib.h>

#include "backend.h"

/* The opened device; the program and its kernel are protocol 1.0's. */
typedef struct {
    VgpuBackend base;
    cl_device_id device;
    cl_device_id part; /* the same, to be released; NULL: a whole device */
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem sum;
    gboolean has_il; /* clCreateProgramWithIL may be called */
    gboolean shares; /* buffers lie in memory that this process shares with the device */
    guint shared;    /* how many of those that there are do */
} VgpuOpenclBackend;

struct VgpuBackendQueue {
    cl_command_queue queue;
    gboolean busy; /* what was given to it may not have ended */
};

/* The queue, to give it something. */
static inline cl_command_queue vgpu_opencl_busy(VgpuBackendQueue *queue)
{
    queue->busy = TRUE;
    return queue->queue;
}

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

/* opencl-part.c: which part of a device is meant. */
typedef struct {
    char *whole;  /* the device's selector without the part */
    guint number; /* from 1 */
    guint count;  /* 1: the whole device */
} VgpuOpenclPart;

/*
 * vgpu_opencl_part_parse:
 * Takes a selector with ":KofN" behind it apart: the K-th of N equal parts. Without that it is the
 * whole device. FALSE with @error set: K is not one of 1 to N, or N not of 1 to 64.
 */
gboolean vgpu_opencl_part_parse(const char *selector, VgpuOpenclPart *part, GError **error);
void vgpu_opencl_part_clear(VgpuOpenclPart *part);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VgpuOpenclPart, vgpu_opencl_part_clear)

/*
 * vgpu_opencl_part_open:
 * That part of @device, with as many of its compute units as each other part; to be given to
 * clReleaseDevice(). NULL with @error set: the device or its driver cannot be divided so.
 */
cl_device_id vgpu_opencl_part_open(cl_device_id device, const VgpuOpenclPart *part, GError **error);

/* The name of an OpenCL status, "CL_OUT_OF_RESOURCES"; "unknown OpenCL error" for others. */
const char *vgpu_opencl_error_name(cl_int status);

/*
 * vgpu_opencl_check:
 * TRUE for CL_SUCCESS; else sets @error to "@what: NAME (NUMBER)". @what is the function called.
 */
gboolean vgpu_opencl_check(cl_int status, const char *what, GError **error);

/*
 * vgpu_opencl_result:
 * What the guest is told about an OpenCL status, VGPU_RESULT_OK for CL_SUCCESS. @error is set, as
 * by vgpu_opencl_check(), where it is the device that failed, not the guest.
 */
enum vgpu_result vgpu_opencl_result(cl_int status, const char *what, GError **error);

/* opencl-info.c: fills all but the name, from the device that is open; and what else it can do. */
void vgpu_opencl_fill_info(VgpuOpenclBackend *backend);

/*
 * vgpu_opencl_can_share:
 * TRUE where buffers are best in memory that host and device share: it is the CPU, and
 * @capabilities, what it says of shared virtual memory, has fine-grained buffers. @version is
 * CL_DEVICE_VERSION; a platform older than 2.0 has no functions for it.
 */
gboolean vgpu_opencl_can_share(cl_device_type type, const char *version,
                               cl_device_svm_capabilities capabilities);

/* The callbacks of protocol 2, by file; vgpu_opencl_backend in opencl.c has them all. */

/* opencl-queue.c */
enum vgpu_result vgpu_opencl_queue_new(VgpuBackend *base, VgpuBackendQueue **queue, GError **error);
void vgpu_opencl_queue_free(VgpuBackendQueue *queue);
enum vgpu_result vgpu_opencl_queue_flush(VgpuBackendQueue *queue, GError **error);
enum vgpu_result vgpu_opencl_barrier(VgpuBackendQueue *queue, VgpuBackendEvent **event,
                                     GError **error);

/* opencl-event.c: an event is a cl_event. */
VgpuBackendEvent *vgpu_opencl_event_ref(VgpuBackendEvent *event);
void vgpu_opencl_event_unref(VgpuBackendEvent *event);
VgpuBackendProgress vgpu_opencl_event_progress(VgpuBackendEvent *event);
enum vgpu_result vgpu_opencl_event_notify(VgpuBackendEvent *event, int fd, GError **error);
enum vgpu_result vgpu_opencl_event_times(VgpuBackendEvent *event, struct vgpu_event_times *times,
                                         GError **error);

/* opencl-buffer.c */

/* PoCL searches a list of what is shared, from its begin, for each new one; so the rest is not. */
#define VGPU_OPENCL_MAX_SHARED 1024u

struct VgpuBackendBuffer {
    cl_mem mem;
    guint8 *memory;     /* its bytes, shared with the device; NULL: they are the driver's matter */
    cl_context context; /* of @memory; borrowed, @mem keeps it */
    VgpuOpenclBackend *backend; /* borrowed; the driver may have @memory for longer */
};

enum vgpu_result vgpu_opencl_buffer_new(VgpuBackend *base, guint64 length,
                                        VgpuBackendBuffer **buffer, GError **error);
void vgpu_opencl_buffer_free(VgpuBackendBuffer *buffer);
enum vgpu_result vgpu_opencl_buffer_write(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                          guint64 offset, guint64 length, const void *data,
                                          VgpuBackendEvent **event, GError **error);
enum vgpu_result vgpu_opencl_buffer_read(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, void *data,
                                         VgpuBackendEvent **event, GError **error);
enum vgpu_result vgpu_opencl_buffer_copy(VgpuBackendQueue *queue, VgpuBackendBuffer *to,
                                         guint64 to_offset, VgpuBackendBuffer *from,
                                         guint64 from_offset, guint64 length,
                                         VgpuBackendEvent **event, GError **error);
enum vgpu_result vgpu_opencl_buffer_fill(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, const void *pattern,
                                         gsize size, VgpuBackendEvent **event, GError **error);

/* opencl-program.c */
struct VgpuBackendProgram {
    VgpuOpenclBackend *backend;
    cl_program program;
    enum vgpu_program_kind kind;
};
enum vgpu_result vgpu_opencl_program_new(VgpuBackend *base, enum vgpu_program_kind kind,
                                         const void *bytes, gsize length,
                                         VgpuBackendProgram **program, GError **error);
void vgpu_opencl_program_free(VgpuBackendProgram *program);
enum vgpu_result vgpu_opencl_program_build(VgpuBackendProgram *program, const char *options,
                                           GError **error);
enum vgpu_result vgpu_opencl_program_log(VgpuBackendProgram *program, guint8 **log, gsize *length,
                                         GError **error);
enum vgpu_result vgpu_opencl_program_binary(VgpuBackendProgram *program, guint8 **binary,
                                            gsize *length, GError **error);

/* opencl-kernel.c */
enum vgpu_result vgpu_opencl_kernel_new(VgpuBackendProgram *program, const char *name,
                                        VgpuBackendKernel **kernel, guint *arguments,
                                        GError **error);
void vgpu_opencl_kernel_free(VgpuBackendKernel *kernel);
enum vgpu_result vgpu_opencl_kernel_argument(VgpuBackendKernel *kernel, guint index,
                                             const VgpuBackendArgument *argument, GError **error);
enum vgpu_result vgpu_opencl_launch(VgpuBackendQueue *queue, VgpuBackendKernel *kernel,
                                    const VgpuBackendLaunch *launch, VgpuBackendEvent **event,
                                    GError **error);
