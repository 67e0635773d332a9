/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands about buffers. */
#include "commands-private.h"

enum vgpu_result vgpu_command_buffer_create(VgpuCommandCall *call)
{
    const guint64 length = call->command->arg[0];
    VgpuBackend *backend = call->owner->backend;
    VgpuBackendBuffer *buffer;

    if (length == 0)
        return VGPU_RESULT_INVALID;
    if (length > backend->info.max_buffer)
        return VGPU_RESULT_OUT_OF_MEMORY;
    enum vgpu_result result =
        backend->class->buffer_new(backend, length, &buffer, &call->outcome->error);
    if (result != VGPU_RESULT_OK)
        return result;

    call->object = g_new0(VgpuObject, 1);
    call->object->kind = VGPU_OBJECT_BUFFER;
    call->object->buffer = buffer;
    call->object->length = length;
    return VGPU_RESULT_OK;
}

/* The part of a buffer that a command is about. */
static enum vgpu_result find_range(const VgpuCommandCall *call, guint64 handle, guint64 offset,
                                   guint64 length, VgpuBackendBuffer **buffer)
{
    const VgpuObject *object = vgpu_handles_get(call->owner->handles, handle, VGPU_OBJECT_BUFFER);

    if (object == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    if (length == 0)
        return VGPU_RESULT_INVALID;
    if (!vgpu_command_fits(offset, length, object->length))
        return VGPU_RESULT_OUT_OF_RANGE;
    *buffer = object->buffer;
    return VGPU_RESULT_OK;
}

/* The same, and as much of the arena. */
static enum vgpu_result find_both(const VgpuCommandCall *call, VgpuBackendBuffer **buffer,
                                  guint8 **arena)
{
    const guint64 *arg = call->command->arg;
    enum vgpu_result result = find_range(call, call->command->handle, arg[0], arg[1], buffer);

    if (result != VGPU_RESULT_OK)
        return result;
    *arena = vgpu_queue_arena(call->queue, arg[2], arg[1]);
    return *arena != NULL ? VGPU_RESULT_OK : VGPU_RESULT_OUT_OF_RANGE;
}

/* Of what has ended when the backend returns: needed only where the guest asks for one. */
static VgpuBackendEvent **wanted_event(VgpuCommandCall *call)
{
    return call->command->event != 0 ? &call->event : NULL;
}

enum vgpu_result vgpu_command_buffer_write(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    VgpuBackendBuffer *buffer;
    guint8 *arena;
    enum vgpu_result result = find_both(call, &buffer, &arena);

    if (result != VGPU_RESULT_OK)
        return result;
    call->outcome->bytes_in = arg[1];
    return vgpu_command_class(call)->buffer_write(call->owner->queue, buffer, arg[0], arg[1], arena,
                                                  wanted_event(call), &call->outcome->error);
}

enum vgpu_result vgpu_command_buffer_read(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    VgpuBackendBuffer *buffer;
    guint8 *arena;
    enum vgpu_result result = find_both(call, &buffer, &arena);

    if (result != VGPU_RESULT_OK)
        return result;
    call->outcome->bytes_out = arg[1];
    return vgpu_command_class(call)->buffer_read(call->owner->queue, buffer, arg[0], arg[1], arena,
                                                 wanted_event(call), &call->outcome->error);
}

enum vgpu_result vgpu_command_buffer_copy(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    const guint64 from_offset = arg[1], to_offset = arg[2], length = arg[3];
    VgpuBackendBuffer *to, *from;
    enum vgpu_result result = find_range(call, call->command->handle, to_offset, length, &to);

    if (result == VGPU_RESULT_OK)
        result = find_range(call, arg[0], from_offset, length, &from);
    if (result != VGPU_RESULT_OK)
        return result;
    /* Both lie in the buffer, so no sum wraps. */
    if (to == from && to_offset < from_offset + length && from_offset < to_offset + length)
        return VGPU_RESULT_INVALID;
    return vgpu_command_class(call)->buffer_copy(call->owner->queue, to, to_offset, from,
                                                 from_offset, length, &call->event,
                                                 &call->outcome->error);
}

enum vgpu_result vgpu_command_buffer_fill(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    const guint64 size = arg[3];
    VgpuBackendBuffer *buffer;
    enum vgpu_result result = find_range(call, call->command->handle, arg[0], arg[1], &buffer);

    if (result != VGPU_RESULT_OK)
        return result;
    if ((size != 1 && size != 2 && size != 4 && size != 8) || arg[0] % size != 0 ||
        arg[1] % size != 0)
        return VGPU_RESULT_INVALID;
    /* Little-endian: its first bytes are the pattern. */
    return vgpu_command_class(call)->buffer_fill(call->owner->queue, buffer, arg[0], arg[1],
                                                 &arg[2], size, &call->event,
                                                 &call->outcome->error);
}
