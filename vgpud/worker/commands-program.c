/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands about programs. What compilers read is copied first: it must not change under them. */
#include "commands-private.h"

#include <string.h>

enum vgpu_result vgpu_command_program_create(VgpuCommandCall *call)
{
    const guint64 kind = call->command->arg[0], length = call->command->arg[2];
    VgpuBackend *backend = call->owner->backend;
    VgpuBackendProgram *program;

    if (kind > VGPU_PROGRAM_BINARY || length == 0)
        return VGPU_RESULT_INVALID;
    if ((backend->info.programs & 1u << kind) == 0)
        return VGPU_RESULT_UNSUPPORTED;
    const guint8 *arena = vgpu_queue_arena(call->queue, call->command->arg[1], length);
    if (arena == NULL)
        return VGPU_RESULT_OUT_OF_RANGE;

    g_autofree guint8 *copy = g_try_malloc(length);
    if (copy == NULL)
        return VGPU_RESULT_OUT_OF_MEMORY;
    memcpy(copy, arena, length);
    call->outcome->bytes_in = length;
    enum vgpu_result result = backend->class->program_new(
        backend, (enum vgpu_program_kind)kind, copy, length, &program, &call->outcome->error);
    if (result != VGPU_RESULT_OK)
        return result;

    call->object = g_new0(VgpuObject, 1);
    call->object->kind = VGPU_OBJECT_PROGRAM;
    call->object->program = program;
    return VGPU_RESULT_OK;
}

static VgpuBackendProgram *find(const VgpuCommandCall *call)
{
    const VgpuObject *object =
        vgpu_handles_get(call->owner->handles, call->command->handle, VGPU_OBJECT_PROGRAM);

    return object != NULL ? object->program : NULL;
}

enum vgpu_result vgpu_command_program_build(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    VgpuBackendProgram *program = find(call);
    enum vgpu_result result = VGPU_RESULT_OK;

    if (program == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    char *options = vgpu_command_take_text(call, arg[0], arg[1], &result);
    if (options != NULL)
        call->outcome->build = vgpu_build_new(vgpu_command_class(call), program, options);
    return result;
}

enum vgpu_result vgpu_command_program_log(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    VgpuBackendProgram *program = find(call);
    g_autofree guint8 *log = NULL;
    gsize length = 0;

    if (program == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    enum vgpu_result result =
        vgpu_command_class(call)->program_log(program, &log, &length, &call->outcome->error);
    return result != VGPU_RESULT_OK ? result
                                    : vgpu_command_give_bytes(call, log, length, arg[0], arg[1]);
}

enum vgpu_result vgpu_command_program_binary(VgpuCommandCall *call)
{
    const guint64 *arg = call->command->arg;
    VgpuBackendProgram *program = find(call);
    g_autofree guint8 *binary = NULL;
    gsize length = 0;

    if (program == NULL)
        return VGPU_RESULT_BAD_HANDLE;
    enum vgpu_result result =
        vgpu_command_class(call)->program_binary(program, &binary, &length, &call->outcome->error);
    return result != VGPU_RESULT_OK ? result
                                    : vgpu_command_give_bytes(call, binary, length, arg[0], arg[1]);
}
