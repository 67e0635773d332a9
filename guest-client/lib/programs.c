/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs, kernels, launches, events. */
#include "context.h"

#include <inttypes.h>
#include <string.h>

/* Whether @length bytes at @from can be taken along. */
static int check_size(VgpuContext *context, const void *from, size_t length, const char *what)
{
    if (length == 0 || from == NULL)
        return vgpu_fail(VGPU_E_INVALID, "%s of 0 bytes", what);
    if (length > vgpu_queue_most(context))
        return vgpu_fail(VGPU_E_TOO_LARGE, "%s of %zu bytes: this queue carries up to %zu", what,
                         length, vgpu_queue_most(context));
    return VGPU_OK;
}

static int create_program(VgpuContext *context, enum vgpu_program_kind kind, const void *code_bytes,
                          size_t length, VgpuProgram *program)
{
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_PROGRAM_CREATE, .arg = {kind, 0, length}},
        .from = code_bytes,
        .length = length,
        .arena_arg = 1,
    };

    *program = 0;
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = check_size(context, code_bytes, length, "a program");
    if (code == VGPU_OK)
        code = vgpu_call_mint(context, VGPU_KIND_PROGRAM, &submission.command.handle);
    if (code == VGPU_OK)
        code = vgpu_queue_submit(context, &submission);
    if (code == VGPU_OK)
        *program = submission.command.handle;
    return vgpu_context_leave(context, code);
}

int vgpu_program_from_source(VgpuContext *context, const char *source, VgpuProgram *program)
{
    return create_program(context, VGPU_PROGRAM_SOURCE, source, source != NULL ? strlen(source) : 0,
                          program);
}

int vgpu_program_from_spirv(VgpuContext *context, const void *code, size_t length,
                            VgpuProgram *program)
{
    return create_program(context, VGPU_PROGRAM_SPIRV, code, length, program);
}

int vgpu_program_from_binary(VgpuContext *context, const void *code, size_t length,
                             VgpuProgram *program)
{
    return create_program(context, VGPU_PROGRAM_BINARY, code, length, program);
}

/* With the context locked. */
static int build(VgpuContext *context, VgpuProgram program, const char *options,
                 VgpuSubmission *submission)
{
    size_t length = options != NULL ? strlen(options) : 0;

    *submission = (VgpuSubmission){
        .command = {.opcode = VGPU_CMD_PROGRAM_BUILD, .handle = program, .arg = {0, length}},
        .from = length > 0 ? options : NULL,
        .length = length,
    };
    int code = vgpu_call_check(context, VGPU_KIND_PROGRAM, program);
    return code != VGPU_OK || length == 0 ? code
                                          : check_size(context, options, length, "build options");
}

int vgpu_program_build(VgpuContext *context, VgpuProgram program, const char *options)
{
    VgpuSubmission submission;

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = build(context, program, options, &submission);
    if (code == VGPU_OK)
        code = vgpu_call(context, &submission, NULL);
    return vgpu_context_leave(context, code);
}

int vgpu_program_build_async(VgpuContext *context, VgpuProgram program, const char *options,
                             VgpuTicket *ticket)
{
    VgpuSubmission submission;

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = build(context, program, options, &submission);
    if (code == VGPU_OK)
        code = vgpu_call_async(context, &submission, ticket);
    return vgpu_context_leave(context, code);
}

/* Log or binary; at most what the arena holds comes back. @whole gets the length of all. */
static int fetch(VgpuContext *context, uint16_t opcode, VgpuProgram program, void *to, size_t size,
                 uint64_t *whole)
{
    if (to == NULL && size > 0)
        return vgpu_fail(VGPU_E_INVALID, "no memory for the answer");
    if (size > vgpu_queue_most(context))
        size = vgpu_queue_most(context);
    VgpuSubmission submission = {
        .command = {.opcode = opcode, .handle = program, .arg = {0, size}},
        .to = size > 0 ? to : NULL,
        .length = size,
        .length_is_result = true,
    };
    int code = vgpu_call_check(context, VGPU_KIND_PROGRAM, program);
    return code != VGPU_OK ? code : vgpu_call(context, &submission, whole);
}

int vgpu_program_log(VgpuContext *context, VgpuProgram program, char *text, size_t size,
                     size_t *length)
{
    uint64_t whole = 0;

    if (size > 0 && text == NULL)
        return vgpu_fail(VGPU_E_INVALID, "no memory for the log");
    if (size > 0)
        text[0] = '\0';
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = fetch(context, VGPU_CMD_PROGRAM_LOG, program, text, size > 0 ? size - 1 : 0, &whole);
    size_t most = vgpu_queue_most(context);
    vgpu_context_leave(context, code);
    if (code != VGPU_OK)
        return code;
    if (length != NULL)
        *length = (size_t)whole;
    if (size > 0) {
        size_t got = size - 1 < most ? size - 1 : most;
        text[whole < got ? whole : got] = '\0';
    }
    return VGPU_OK;
}

int vgpu_program_binary(VgpuContext *context, VgpuProgram program, void *code_bytes, size_t size,
                        size_t *length)
{
    uint64_t whole = 0;

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = fetch(context, VGPU_CMD_PROGRAM_BINARY, program, code_bytes, size, &whole);
    if (code == VGPU_OK && size >= whole && whole > vgpu_queue_most(context))
        code = vgpu_fail(VGPU_E_TOO_LARGE,
                         "a binary of %" PRIu64 " bytes: this queue carries up to %zu", whole,
                         vgpu_queue_most(context));
    if (code == VGPU_OK && length != NULL)
        *length = (size_t)whole;
    return vgpu_context_leave(context, code);
}

int vgpu_kernel_create(VgpuContext *context, VgpuProgram program, const char *name,
                       VgpuKernel *kernel)
{
    size_t length = name != NULL ? strlen(name) : 0;
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_KERNEL_CREATE, .arg = {program, 0, length}},
        .from = name,
        .length = length,
        .arena_arg = 1,
    };

    *kernel = 0;
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = vgpu_call_check(context, VGPU_KIND_PROGRAM, program);
    if (code == VGPU_OK)
        code = check_size(context, name, length, "a kernel's name");
    if (code == VGPU_OK)
        code = vgpu_call_mint(context, VGPU_KIND_KERNEL, &submission.command.handle);
    if (code == VGPU_OK)
        code = vgpu_queue_submit(context, &submission);
    if (code == VGPU_OK)
        *kernel = submission.command.handle;
    return vgpu_context_leave(context, code);
}

static int set_arg(VgpuContext *context, VgpuSubmission *submission)
{
    submission->command.opcode = VGPU_CMD_KERNEL_ARG;
    return vgpu_context_leave(context,
                              vgpu_call_simple(context, submission, VGPU_KIND_KERNEL, NULL));
}

int vgpu_kernel_arg(VgpuContext *context, VgpuKernel kernel, uint32_t index, const void *value,
                    size_t length)
{
    VgpuSubmission submission = {
        .command = {.handle = kernel, .arg = {index, VGPU_ARGUMENT_ARENA, 0, length}},
    };

    if (value == NULL || length == 0 || length > VGPU_ARGUMENT_MAX)
        return vgpu_fail(VGPU_E_ARGUMENT, "an argument of %zu bytes: 1 to %u can be",
                         value != NULL ? length : 0, VGPU_ARGUMENT_MAX);
    if (length <= sizeof(submission.command.arg[2])) {
        submission.command.arg[1] = VGPU_ARGUMENT_INLINE;
        memcpy(&submission.command.arg[2], value, length);
    } else {
        submission.from = value;
        submission.length = length;
        submission.arena_arg = 2;
    }
    int code = vgpu_context_enter_queue(context);
    return code != VGPU_OK ? code : set_arg(context, &submission);
}

int vgpu_kernel_arg_buffer(VgpuContext *context, VgpuKernel kernel, uint32_t index,
                           VgpuBuffer buffer)
{
    VgpuSubmission submission = {
        .command = {.handle = kernel, .arg = {index, VGPU_ARGUMENT_BUFFER, buffer}},
    };

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    if (buffer != 0)
        code = vgpu_call_check(context, VGPU_KIND_BUFFER, buffer);
    return code != VGPU_OK ? vgpu_context_leave(context, code) : set_arg(context, &submission);
}

int vgpu_kernel_arg_local(VgpuContext *context, VgpuKernel kernel, uint32_t index, size_t length)
{
    VgpuSubmission submission = {
        .command = {.handle = kernel, .arg = {index, VGPU_ARGUMENT_LOCAL, 0, length}},
    };

    int code = vgpu_context_enter_queue(context);
    return code != VGPU_OK ? code : set_arg(context, &submission);
}

/* @from (NULL: 0s) into 32-bit words; false: too large for them. */
static bool sizes(uint32_t *to, const size_t *from, unsigned int count)
{
    for (unsigned int i = 0; i < count && from != NULL; i++) {
        if (from[i] > UINT32_MAX)
            return false;
        to[i] = (uint32_t)from[i];
    }
    return true;
}

int vgpu_launch(VgpuContext *context, VgpuKernel kernel, unsigned int dimensions,
                const size_t *offset, const size_t *global, const size_t *local, VgpuEvent *event)
{
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_LAUNCH, .handle = kernel},
    };

    if (dimensions < 1 || dimensions > 3)
        return vgpu_fail(VGPU_E_LAUNCH, "%u dimensions: 1 to 3 can be", dimensions);
    submission.command.launch.dimensions = dimensions;
    if (!sizes(submission.command.launch.offset, offset, dimensions) ||
        !sizes(submission.command.launch.global, global, dimensions) ||
        !sizes(submission.command.launch.local, local, dimensions))
        return vgpu_fail(VGPU_E_LAUNCH, "a size above 4294967295");
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = vgpu_call_simple(context, &submission, VGPU_KIND_KERNEL, event);
    return vgpu_context_leave(context, code);
}

int vgpu_event_times(VgpuContext *context, VgpuEvent event, VgpuEventTimes *times)
{
    struct vgpu_event_times answer = {0};
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_EVENT_TIMES, .handle = event},
        .to = &answer,
        .length = sizeof(answer),
    };

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = vgpu_call_check(context, VGPU_KIND_EVENT, event);
    if (code == VGPU_OK)
        code = vgpu_call(context, &submission, NULL);
    if (code == VGPU_OK)
        *times = (VgpuEventTimes){answer.queued, answer.submitted, answer.started, answer.ended};
    return vgpu_context_leave(context, code);
}
