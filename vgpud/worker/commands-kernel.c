/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands about kernels: their arguments, and what they are launched over. */
#include "commands-private.h"

#include <string.h>

/* Bytes of a kernel's name or of a build's options: far beyond what people write. */
#define MAX_TEXT 4096u

char *vgpu_command_take_text(VgpuCommandCall *call, guint64 offset, guint64 length,
                             enum vgpu_result *result)
{
    const guint8 *arena = vgpu_queue_arena(call->queue, offset, length);

    *result = arena == NULL ? VGPU_RESULT_OUT_OF_RANGE : VGPU_RESULT_INVALID;
    if (arena == NULL || length > MAX_TEXT)
        return NULL;

    g_autofree char *text = g_malloc0(length + 1);
    memcpy(text, arena, length);
    if (strlen(text) != length)
        return NULL;
    call->outcome->bytes_in = length;
    *result = VGPU_RESULT_OK;
    return g_steal_pointer(&text);
}

enum vgpu_result vgpu_command_kernel_create(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    VgpuObject *program = vgpu_handles_get(call->owner->handles, arg[0], VGPU_OBJECT_PROGRAM);
    VgpuBackendKernel *kernel;
    enum vgpu_result result;
    guint arguments;

    if (program == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    g_autofree char *name = vgpu_command_take_text(call, arg[1], arg[2], &result);
    if (name == NULL)
        return result;
    result = vgpu_command_class(call)->kernel_new(program->program, name, &kernel, &arguments,
                                                  &call->outcome->error);
    if (result != VGPU_RESULT_OK)
        return result;

    call->object = g_new0(VgpuObject, 1);
    call->object->kind = VGPU_OBJECT_KERNEL;
    call->object->kernel = kernel;
    call->object->made_from = program;
    program->kernels++;
    call->object->argument_count = arguments;
    call->object->arguments = g_new0(VgpuObjectArgument, arguments);
    return VGPU_RESULT_OK;
}

static VgpuObject *find(const VgpuCommandCall *call)
{
    return vgpu_handles_get(call->owner->handles, call->command->handle, VGPU_OBJECT_KERNEL);
}

static enum vgpu_result take_buffer(const VgpuCommandCall *call, VgpuBackendArgument *argument,
                                    VgpuObjectArgument *kept)
{
    const guint64 handle = call->command->arg[2];
    const VgpuObject *object = vgpu_handles_get(call->owner->handles, handle, VGPU_OBJECT_BUFFER);

    if (call->command->arg[3] != 0)
        return VGPU_RESULT_INVALID;
    if (object == NULL && handle != 0)
        return VGPU_RESULT_BAD_HANDLE;
    argument->buffer = object != NULL ? object->buffer : NULL;
    kept->buffer = handle;
    return VGPU_RESULT_OK;
}

static enum vgpu_result take_local(const VgpuCommandCall *call, VgpuBackendArgument *argument,
                                   VgpuObjectArgument *kept)
{
    const guint64 length = call->command->arg[3];

    if (call->command->arg[2] != 0)
        return VGPU_RESULT_INVALID;
    if (length == 0 || length > call->owner->backend->info.local_memory)
        return VGPU_RESULT_BAD_ARGUMENT;
    argument->length = length;
    kept->local = length;
    return VGPU_RESULT_OK;
}

/* @copy has VGPU_ARGUMENT_MAX bytes. */
static enum vgpu_result take_value(VgpuCommandCall *call, VgpuBackendArgument *argument,
                                   guint8 *copy)
{
    const guint64 *arg = call->command->arg;
    const gboolean in_arena = argument->kind == VGPU_ARGUMENT_ARENA;
    const guint8 *value = (const guint8 *)&arg[2];

    if (arg[3] == 0 || arg[3] > (in_arena ? VGPU_ARGUMENT_MAX : sizeof(arg[2])))
        return VGPU_RESULT_BAD_ARGUMENT;
    if (in_arena)
        value = vgpu_queue_arena(call->queue, arg[2], arg[3]);
    if (value == NULL)
        return VGPU_RESULT_OUT_OF_RANGE;
    memcpy(copy, value, arg[3]);
    call->outcome->bytes_in = in_arena ? arg[3] : 0;
    argument->value = copy;
    argument->length = arg[3];
    return VGPU_RESULT_OK;
}

enum vgpu_result vgpu_command_kernel_arg(VgpuCommandCall *call)
{
    const guint64 index = call->command->arg[0], kind = call->command->arg[1];
    VgpuObject *object = find(call);
    VgpuBackendArgument argument = {.kind = (enum vgpu_argument_kind)kind};
    VgpuObjectArgument kept = {0};
    guint8 copy[VGPU_ARGUMENT_MAX];
    enum vgpu_result result;

    if (object == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    if (kind > VGPU_ARGUMENT_ARENA || index >= object->argument_count)
        return VGPU_RESULT_BAD_ARGUMENT;
    if (kind == VGPU_ARGUMENT_BUFFER)
        result = take_buffer(call, &argument, &kept);
    else if (kind == VGPU_ARGUMENT_LOCAL)
        result = take_local(call, &argument, &kept);
    else
        result = take_value(call, &argument, copy);

    if (result == VGPU_RESULT_OK)
        result = vgpu_command_class(call)->kernel_argument(object->kernel, (guint)index, &argument,
                                                           &call->outcome->error);
    if (result == VGPU_RESULT_OK)
        object->arguments[index] = kept;
    return result;
}

/* A kernel does not keep its buffers: one that has been released must not be used. */
static enum vgpu_result check_arguments(const VgpuCommandCall *call, const VgpuObject *kernel)
{
    guint64 local = 0;

    for (guint i = 0; i < kernel->argument_count; i++) {
        const VgpuObjectArgument *argument = &kernel->arguments[i];

        if (argument->buffer != 0 &&
            vgpu_handles_get(call->owner->handles, argument->buffer, VGPU_OBJECT_BUFFER) == NULL)
            return VGPU_RESULT_BAD_ARGUMENT;
        /* Each is at most the device's local memory, and there are not many: no sum wraps. */
        local += argument->local;
    }
    return local <= call->owner->backend->info.local_memory ? VGPU_RESULT_OK
                                                            : VGPU_RESULT_BAD_LAUNCH;
}

/*
 * Whether there are more groups than a device ends with in any deadline. Drivers count them in 32
 * bits: PoCL aborts where that wraps. Where it chooses their size, they are as large as can be.
 */
static gboolean are_too_many(const VgpuBackendLaunch *launch, const VgpuBackendInfo *info)
{
    const gboolean chosen = launch->local[0] != 0;
    guint64 groups = 1;

    for (guint i = 0; i < launch->dimensions; i++) {
        const guint64 size = chosen ? launch->local[i] : 1;

        if (!g_uint64_checked_mul(&groups, groups, (launch->global[i] + size - 1) / size))
            return TRUE;
    }
    return groups / (chosen ? 1 : MAX(info->max_group, 1)) > G_MAXINT32;
}

static gboolean check_sizes(const VgpuBackendLaunch *launch, const VgpuBackendInfo *info)
{
    const gboolean chosen = launch->local[0] != 0;
    guint64 group = 1;

    for (guint i = 0; i < launch->dimensions; i++) {
        if (launch->global[i] == 0 || (launch->local[i] != 0) != chosen)
            return FALSE;
        if (!chosen)
            continue;
        /* 32 bits times what is below max_group's, which is far below 2^32. */
        group *= launch->local[i];
        if (launch->local[i] > info->max_item[i] || group > info->max_group)
            return FALSE;
    }
    return !are_too_many(launch, info);
}

enum vgpu_result vgpu_command_launch(VgpuCommandCall *call)
{
    const struct vgpu_command *command = call->command;
    const VgpuObject *kernel = find(call);
    VgpuBackendLaunch launch = {.dimensions = command->launch.dimensions};

    if (kernel == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    if (launch.dimensions < 1 || launch.dimensions > 3)
        return VGPU_RESULT_BAD_LAUNCH;
    for (guint i = 0; i < launch.dimensions; i++) {
        launch.offset[i] = command->launch.offset[i];
        launch.global[i] = command->launch.global[i];
        launch.local[i] = command->launch.local[i];
    }
    if (!check_sizes(&launch, &call->owner->backend->info))
        return VGPU_RESULT_BAD_LAUNCH;

    enum vgpu_result result = check_arguments(call, kernel);
    if (result != VGPU_RESULT_OK)
        return result;
    return vgpu_command_class(call)->launch(call->owner->queue, kernel->kernel, &launch,
                                            &call->event, &call->outcome->error);
}
