/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Backends: what a worker computes on. Each is one file with one const table; backend.c lists them.
 *
 * A call may take as long as its device pleases, or never return: the worker's deadline stands
 * around it. Backends are used from one thread.
 */
#pragma once

#include <glib.h>

#include "vgpu-message.h"
#include "vgpu-queue.h"

#define VGPU_BACKEND_ERROR (vgpu_backend_error_quark())
GQuark vgpu_backend_error_quark(void);
typedef enum {
    VGPU_BACKEND_ERROR_SELECTOR, /* no such backend or device, or a selector that is malformed */
    VGPU_BACKEND_ERROR_DEVICE,   /* the device or its driver failed */
} VgpuBackendError;

typedef struct VgpuBackend VgpuBackend;

/* In the snapshot's order. */
enum {
    VGPU_BACKEND_TEXT_NAME,
    VGPU_BACKEND_TEXT_VENDOR,
    VGPU_BACKEND_TEXT_VERSION,
    VGPU_BACKEND_TEXT_DRIVER,
    VGPU_BACKEND_TEXT_EXTENSIONS,
    VGPU_BACKEND_TEXTS,
};

/* What a device says of itself; does not change while it is open. */
typedef struct {
    char *name; /* "PLATFORM: DEVICE", valid UTF-8 */
    guint32 compute_units;
    guint32 clock_mhz;  /* 0: unknown */
    guint32 memory_mib; /* global memory, saturating; 0: unknown */
    enum vgpu_backend_kind kind;

    /* What protocol 2 tells besides; struct vgpu_snapshot has the units. */
    char *texts[VGPU_BACKEND_TEXTS]; /* valid UTF-8, none NULL once opened */
    guint64 memory;
    guint64 local_memory;
    guint64 max_buffer;
    guint64 max_group;
    guint64 max_item[3];
    guint32 programs;
    gboolean in_process; /* it is the CPU: what the device has in memory, this process has */
} VgpuBackendInfo;

/* The objects of protocol 2: each backend's own structs. */
typedef struct VgpuBackendQueue VgpuBackendQueue;
typedef struct VgpuBackendBuffer VgpuBackendBuffer;
typedef struct VgpuBackendProgram VgpuBackendProgram;
typedef struct VgpuBackendKernel VgpuBackendKernel;
typedef struct VgpuBackendEvent VgpuBackendEvent;

/* What a launch covers. @local all 0: the backend chooses. */
typedef struct {
    guint dimensions; /* 1..3 */
    gsize offset[3];
    gsize global[3];
    gsize local[3];
} VgpuBackendLaunch;

/* What a kernel argument is set to. */
typedef struct {
    enum vgpu_argument_kind kind; /* BUFFER, LOCAL, or ARENA: @length bytes at @value */
    VgpuBackendBuffer *buffer;    /* NULL: a null pointer */
    const void *value;
    gsize length; /* of the value, or bytes of local memory */
} VgpuBackendArgument;

typedef enum {
    VGPU_BACKEND_RUNNING,
    VGPU_BACKEND_ENDED,
    VGPU_BACKEND_FAILED, /* ended, and did not do what it was to do */
} VgpuBackendProgress;

/*
 * The callbacks of one backend. open, close and vector_add are called through the functions below,
 * the others, which are protocol 2's, directly.
 *
 * Common to these: they return VGPU_RESULT_OK and fill what they return through pointers, or the
 * code that the guest is told, with @error set where the log has more to say. Offsets and lengths
 * have been checked against their buffers, and no length is 0. What is given to a queue runs in
 * order, and may still run when the callback returns: then @event tells its end. Whatever is freed
 * has no part in anything that still runs.
 */
typedef struct {
    const char *name; /* how --backend and pool files call it */
    /* Returns an opened device with its info filled in, or NULL with @error set. */
    VgpuBackend *(*open)(const char *device, GError **error);
    /* Frees everything but the base's info. */
    void (*close)(VgpuBackend *backend);
    /* *sum = a + b modulo 2^32, computed on the device. */
    enum vgpu_error (*vector_add)(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum,
                                  GError **error);
    /*
     * To be asked when something has failed on the device: TRUE when all else will fail, too, until
     * another process opens it. May make the device work, to see.
     */
    gboolean (*is_lost)(VgpuBackend *backend);

    enum vgpu_result (*queue_new)(VgpuBackend *backend, VgpuBackendQueue **queue, GError **error);
    void (*queue_free)(VgpuBackendQueue *queue);
    /* What was given to the queue begins now, if it has not. */
    enum vgpu_result (*queue_flush)(VgpuBackendQueue *queue, GError **error);
    /* Its event ends when all before it has. */
    enum vgpu_result (*barrier)(VgpuBackendQueue *queue, VgpuBackendEvent **event, GError **error);

    /* The content is undefined where the backend has no reason to clear it. */
    enum vgpu_result (*buffer_new)(VgpuBackend *backend, guint64 length, VgpuBackendBuffer **buffer,
                                   GError **error);
    void (*buffer_free)(VgpuBackendBuffer *buffer);
    /* Write and read have ended, and are done with @data, when they return. @event NULL: nobody
     * wants to know when that was. */
    enum vgpu_result (*buffer_write)(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                     guint64 offset, guint64 length, const void *data,
                                     VgpuBackendEvent **event, GError **error);
    enum vgpu_result (*buffer_read)(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                    guint64 offset, guint64 length, void *data,
                                    VgpuBackendEvent **event, GError **error);
    /* Within one buffer the two ranges do not overlap. */
    enum vgpu_result (*buffer_copy)(VgpuBackendQueue *queue, VgpuBackendBuffer *to,
                                    guint64 to_offset, VgpuBackendBuffer *from, guint64 from_offset,
                                    guint64 length, VgpuBackendEvent **event, GError **error);
    /* @size is 1, 2, 4 or 8; @offset and @length are multiples of it. */
    enum vgpu_result (*buffer_fill)(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                    guint64 offset, guint64 length, const void *pattern, gsize size,
                                    VgpuBackendEvent **event, GError **error);

    /* @bytes are copied. */
    enum vgpu_result (*program_new)(VgpuBackend *backend, enum vgpu_program_kind kind,
                                    const void *bytes, gsize length, VgpuBackendProgram **program,
                                    GError **error);
    /* Kernels of it may outlive it. */
    void (*program_free)(VgpuBackendProgram *program);
    enum vgpu_result (*program_build)(VgpuBackendProgram *program, const char *options,
                                      GError **error);
    /* Both return what is g_free()d; without a NUL, the log in whatever encoding it comes. */
    enum vgpu_result (*program_log)(VgpuBackendProgram *program, guint8 **log, gsize *length,
                                    GError **error);
    enum vgpu_result (*program_binary)(VgpuBackendProgram *program, guint8 **binary, gsize *length,
                                       GError **error);

    /* @arguments: how many it takes; their indices begin at 0. */
    enum vgpu_result (*kernel_new)(VgpuBackendProgram *program, const char *name,
                                   VgpuBackendKernel **kernel, guint *arguments, GError **error);
    void (*kernel_free)(VgpuBackendKernel *kernel);
    enum vgpu_result (*kernel_argument)(VgpuBackendKernel *kernel, guint index,
                                        const VgpuBackendArgument *argument, GError **error);
    enum vgpu_result (*launch)(VgpuBackendQueue *queue, VgpuBackendKernel *kernel,
                               const VgpuBackendLaunch *launch, VgpuBackendEvent **event,
                               GError **error);

    VgpuBackendEvent *(*event_ref)(VgpuBackendEvent *event);
    void (*event_unref)(VgpuBackendEvent *event);
    VgpuBackendProgress (*event_progress)(VgpuBackendEvent *event);
    /* Adds 1 to the eventfd @fd, which outlives it, once the event has ended. */
    enum vgpu_result (*event_notify)(VgpuBackendEvent *event, int fd, GError **error);
    /* Of an event that has ended. */
    enum vgpu_result (*event_times)(VgpuBackendEvent *event, struct vgpu_event_times *times,
                                    GError **error);
} VgpuBackendClass;

/* The base that each backend's own struct begins with. */
struct VgpuBackend {
    const VgpuBackendClass *class; /* open's own, or NULL: the table's, by vgpu_backend_open() */
    VgpuBackendInfo info;
};

/*
 * vgpu_backend_open:
 * Opens @device of the backend called @name; what @device may be is the backend's matter (below),
 * "" is its first device. Returns a backend for vgpu_backend_close(), or NULL with @error set to
 * one line that names what was asked for and what there is.
 *
 *   null    computes on the CPU, for tests and for measuring everything but the device; takes ""
 *   opencl  through the ICD loader: see vgpu_opencl_select() in opencl-private.h
 *   fault   null with faults put in: see fault.c
 */
VgpuBackend *vgpu_backend_open(const char *name, const char *device, GError **error);

void vgpu_backend_close(VgpuBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuBackend, vgpu_backend_close)

/*
 * vgpu_backend_vector_add:
 * Adds on the device. Returns VGPU_ERROR_NONE with @sum set, or the code that the guest is told
 * with @error set for the log. @elapsed_ns is how long the backend took in either case,
 * nanoseconds.
 */
enum vgpu_error vgpu_backend_vector_add(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum,
                                        guint64 *elapsed_ns, GError **error);

extern const VgpuBackendClass vgpu_null_backend;
extern const VgpuBackendClass vgpu_opencl_backend;
extern const VgpuBackendClass vgpu_fault_backend;
