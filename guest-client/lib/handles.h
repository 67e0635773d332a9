/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handles of one queue. The guest mints them, so that creating an object needs no answer; see
 * VGPU_HANDLE() in vgpu-queue.h. Pure logic.
 */
#ifndef HANDLES_H
#define HANDLES_H

#include <stdbool.h>
#include <stdint.h>

#include "vgpu-queue.h"

enum VgpuKind {
    VGPU_KIND_NONE,
    VGPU_KIND_BUFFER,
    VGPU_KIND_PROGRAM,
    VGPU_KIND_KERNEL,
    VGPU_KIND_EVENT
};

typedef struct VgpuHandles {
    uint32_t generation[VGPU_HANDLE_MAX]; /* of the handle that is, or was last, at this index */
    uint8_t kind[VGPU_HANDLE_MAX];        /* enum VgpuKind; NONE: free, or will be */
    uint16_t free[VGPU_HANDLE_MAX];       /* a stack of free indices */
    uint32_t free_count;
} VgpuHandles;

/* No handle has been given out. */
void vgpu_handles_init(VgpuHandles *handles);

/* Takes all back, for a new session. No handle of before is ever given out again. */
void vgpu_handles_clear(VgpuHandles *handles);

/* A new handle, 0 if VGPU_HANDLE_MAX are in use. */
uint64_t vgpu_handles_mint(VgpuHandles *handles, enum VgpuKind kind);

/* What @handle is; VGPU_KIND_NONE if it is none, or not any more. */
enum VgpuKind vgpu_handles_kind(const VgpuHandles *handles, uint64_t handle);

/* Takes @handle back: it is none any more. Returns false if it was none before. */
bool vgpu_handles_release(VgpuHandles *handles, uint64_t handle);

/* A released handle's index may be given out again. Not before the host has been told of the
 * release: it must hear of that before it hears of the next object there. */
void vgpu_handles_reuse(VgpuHandles *handles, uint64_t handle);

#endif
