/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands about the device, and about objects of any kind. */
#include "commands-private.h"

#include <string.h>

/* NOP; and FINISH, which comes when all has ended. */
enum vgpu_result vgpu_command_nothing(VgpuCommandCall *call)
{
    (void)call;
    return VGPU_RESULT_OK;
}

enum vgpu_result vgpu_command_give_bytes(VgpuCommandCall *call, const void *bytes, gsize length,
                                         guint64 offset, guint64 room)
{
    guint8 *arena = vgpu_queue_arena(call->queue, offset, room);

    if (arena == NULL)
        return VGPU_RESULT_OUT_OF_RANGE;
    if (length > 0 && room > 0)
        memcpy(arena, bytes, MIN(length, room));
    call->outcome->bytes_out = MIN(length, room);
    call->outcome->result = length;
    return VGPU_RESULT_OK;
}

static guint64 less_of(guint64 value, guint64 limit)
{
    return MIN(value, limit);
}

enum vgpu_result vgpu_command_snapshot(VgpuCommandCall *call)
{
    const VgpuBackendInfo *info = &call->owner->backend->info;
    const guint64 *limit = call->owner->quota->limit;
    const guint64 memory = limit[VGPU_QUOTA_MEMORY];
    gsize length[VGPU_BACKEND_TEXTS];

    for (gsize i = 0; i < VGPU_BACKEND_TEXTS; i++)
        length[i] = strlen(info->texts[i]);
    const struct vgpu_snapshot snapshot = {
        .size = sizeof(snapshot),
        .backend = info->kind,
        .compute_units = info->compute_units,
        .clock_mhz = info->clock_mhz,
        .memory = info->memory,
        .local_memory = info->local_memory,
        .max_buffer = less_of(info->max_buffer, memory),
        .quota_memory = memory == VGPU_QUOTA_UNLIMITED ? 0 : memory,
        .max_group = info->max_group,
        .max_item = {info->max_item[0], info->max_item[1], info->max_item[2]},
        .programs = info->programs,
        .max_handles = (guint32)less_of(VGPU_HANDLE_MAX, limit[VGPU_QUOTA_HANDLES]),
        .name_length = (guint32)length[VGPU_BACKEND_TEXT_NAME],
        .vendor_length = (guint32)length[VGPU_BACKEND_TEXT_VENDOR],
        .version_length = (guint32)length[VGPU_BACKEND_TEXT_VERSION],
        .driver_length = (guint32)length[VGPU_BACKEND_TEXT_DRIVER],
        .extensions_length = (guint32)length[VGPU_BACKEND_TEXT_EXTENSIONS],
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    g_byte_array_append(bytes, (const guint8 *)&snapshot, sizeof(snapshot));
    for (gsize i = 0; i < VGPU_BACKEND_TEXTS; i++)
        g_byte_array_append(bytes, (const guint8 *)info->texts[i], (guint)length[i]);
    return vgpu_command_give_bytes(call, bytes->data, bytes->len, call->command->arg[0],
                                   call->command->arg[1]);
}

enum vgpu_result vgpu_command_release(VgpuCommandCall *call)
{
    VgpuObject *object = vgpu_handles_take(call->owner->handles, call->command->handle);

    if (object == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    vgpu_owner_drop(call->owner, object);
    return VGPU_RESULT_OK;
}

enum vgpu_result vgpu_command_barrier(VgpuCommandCall *call)
{
    if (call->command->event == 0)
        return VGPU_RESULT_OK;
    return vgpu_command_class(call)->barrier(call->owner->queue, &call->event,
                                             &call->outcome->error);
}

enum vgpu_result vgpu_command_event_times(VgpuCommandCall *call)
{
    const struct vgpu_command *command = call->command;
    VgpuObject *object = vgpu_handles_get(call->owner->handles, command->handle, VGPU_OBJECT_EVENT);
    struct vgpu_event_times times;

    if (object == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    guint8 *arena = vgpu_queue_arena(call->queue, command->arg[0], sizeof(times));
    if (arena == NULL)
        return VGPU_RESULT_OUT_OF_RANGE;

    enum vgpu_result result =
        vgpu_command_class(call)->event_times(object->event, &times, &call->outcome->error);
    if (result == VGPU_RESULT_OK) {
        memcpy(arena, &times, sizeof(times));
        call->outcome->bytes_out = sizeof(times);
    }
    return result;
}
