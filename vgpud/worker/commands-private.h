/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of commands.c's table; for its own files. */
#pragma once

#include "commands.h"

/*
 * One command that is being carried out. The gate has checked its flags, which fields are 0, that
 * handles to be made are new, that there is a device where one is needed, and has charged for it.
 */
typedef struct {
    VgpuOwner *owner;
    const VgpuQueue *queue;
    const struct vgpu_command *command;
    VgpuCommandOutcome *outcome;
    VgpuBackendEvent *event; /* of what was given to the device; set by the command */
    VgpuObject *object;      /* what it has made, for the new handle; set by the command */
} VgpuCommandCall;

typedef enum vgpu_result (*VgpuCommandRun)(VgpuCommandCall *call);

static inline const VgpuBackendClass *vgpu_command_class(const VgpuCommandCall *call)
{
    return call->owner->backend->class;
}

/* TRUE when @length bytes at @offset lie within @size; for any three numbers. */
static inline gboolean vgpu_command_fits(guint64 offset, guint64 length, guint64 size)
{
    return length <= size && offset <= size - length;
}

/* commands-device.c */
enum vgpu_result vgpu_command_nothing(VgpuCommandCall *call);
enum vgpu_result vgpu_command_snapshot(VgpuCommandCall *call);
enum vgpu_result vgpu_command_release(VgpuCommandCall *call);
enum vgpu_result vgpu_command_barrier(VgpuCommandCall *call);
enum vgpu_result vgpu_command_event_times(VgpuCommandCall *call);
/* Puts up to @room bytes at @offset of the arena; the result is @length. */
enum vgpu_result vgpu_command_give_bytes(VgpuCommandCall *call, const void *bytes, gsize length,
                                         guint64 offset, guint64 room);

/* commands-buffer.c */
enum vgpu_result vgpu_command_buffer_create(VgpuCommandCall *call);
enum vgpu_result vgpu_command_buffer_write(VgpuCommandCall *call);
enum vgpu_result vgpu_command_buffer_read(VgpuCommandCall *call);
enum vgpu_result vgpu_command_buffer_copy(VgpuCommandCall *call);
enum vgpu_result vgpu_command_buffer_fill(VgpuCommandCall *call);

/* commands-program.c */
enum vgpu_result vgpu_command_program_create(VgpuCommandCall *call);
enum vgpu_result vgpu_command_program_build(VgpuCommandCall *call);
enum vgpu_result vgpu_command_program_log(VgpuCommandCall *call);
enum vgpu_result vgpu_command_program_binary(VgpuCommandCall *call);

/* commands-kernel.c */
enum vgpu_result vgpu_command_kernel_create(VgpuCommandCall *call);
enum vgpu_result vgpu_command_kernel_arg(VgpuCommandCall *call);
enum vgpu_result vgpu_command_launch(VgpuCommandCall *call);
/* A copy of a text of the arena, NUL-terminated, g_free()d; NULL with @result set. */
char *vgpu_command_take_text(VgpuCommandCall *call, guint64 offset, guint64 length,
                             enum vgpu_result *result);
