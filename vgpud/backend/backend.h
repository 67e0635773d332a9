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

#define VGPU_BACKEND_ERROR (vgpu_backend_error_quark())
GQuark vgpu_backend_error_quark(void);
typedef enum {
    VGPU_BACKEND_ERROR_SELECTOR, /* no such backend or device, or a selector that is malformed */
    VGPU_BACKEND_ERROR_DEVICE,   /* the device or its driver failed */
} VgpuBackendError;

typedef struct VgpuBackend VgpuBackend;

/* What a device says of itself; does not change while it is open. */
typedef struct {
    char *name; /* "PLATFORM: DEVICE", valid UTF-8 */
    guint32 compute_units;
    guint32 clock_mhz;  /* 0: unknown */
    guint32 memory_mib; /* global memory, saturating; 0: unknown */
    enum vgpu_backend_kind kind;
} VgpuBackendInfo;

/* The callbacks of one backend; they are called through the functions below. */
typedef struct {
    const char *name; /* how --backend and pool files call it */
    /* Returns an opened device with its info filled in, or NULL with @error set. */
    VgpuBackend *(*open)(const char *device, GError **error);
    /* Frees everything but the base's info. */
    void (*close)(VgpuBackend *backend);
    /* *sum = a + b modulo 2^32, computed on the device. */
    enum vgpu_error (*vector_add)(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum,
                                  GError **error);
} VgpuBackendClass;

/* The base that each backend's own struct begins with. */
struct VgpuBackend {
    const VgpuBackendClass *class; /* set by vgpu_backend_open() */
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
