/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the owner of one queue has, by the handles that it has minted (vgpu-queue.h). Nothing of
 * another owner can be named: each has a table of its own.
 */
#pragma once

#include <glib.h>

#include "backend.h"
#include "pace.h"
#include "quota.h"

typedef enum {
    VGPU_OBJECT_EVENT, /* in the order in which a backend lets go of them */
    VGPU_OBJECT_KERNEL,
    VGPU_OBJECT_PROGRAM,
    VGPU_OBJECT_BUFFER,
    VGPU_OBJECT_KINDS,
} VgpuObjectKind;

/* What stands in a kernel's argument, to be looked at again at each launch. */
typedef struct {
    guint64 buffer; /* its handle; 0: none */
    guint64 local;  /* bytes of local memory */
} VgpuObjectArgument;

typedef struct VgpuObject VgpuObject;
struct VgpuObject {
    VgpuObjectKind kind;
    VgpuCharge charge; /* to be uncharged when it has been freed */
    union {
        VgpuBackendEvent *event;
        VgpuBackendKernel *kernel;
        VgpuBackendProgram *program;
        VgpuBackendBuffer *buffer;
    };
    guint64 length;                /* of a buffer, bytes */
    VgpuObject *made_from;         /* of a kernel; keeps it, see vgpu_owner_drop() */
    guint kernels;                 /* of a program: that there are of it */
    gboolean dropped;              /* of a program: its handle is gone */
    VgpuPaceRecord record;         /* of a kernel: how long it takes */
    guint argument_count;          /* of a kernel */
    VgpuObjectArgument *arguments; /* of a kernel; owned */
};

typedef struct VgpuHandles VgpuHandles;

VgpuHandles *vgpu_handles_new(void);

/* Frees the table, which must be empty. */
void vgpu_handles_free(VgpuHandles *handles);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuHandles, vgpu_handles_free)

/* TRUE when @handle can be added: its index is free, its generation newer than that of any before.
 */
gboolean vgpu_handles_is_new(const VgpuHandles *handles, guint64 handle);

/* Adds @object, owned by the table from now on, under @handle, which is new. */
void vgpu_handles_add(VgpuHandles *handles, guint64 handle, VgpuObject *object);

/* The object of that kind, still the table's; NULL: VGPU_RESULT_BAD_HANDLE. */
VgpuObject *vgpu_handles_get(const VgpuHandles *handles, guint64 handle, VgpuObjectKind kind);

/* Takes the object, of any kind, out; the caller's from now on. NULL: VGPU_RESULT_BAD_HANDLE. */
VgpuObject *vgpu_handles_take(VgpuHandles *handles, guint64 handle);

/* Takes any object out, by kind in the order of VgpuObjectKind; NULL when the table is empty. */
VgpuObject *vgpu_handles_take_any(VgpuHandles *handles);
