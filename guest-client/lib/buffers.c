/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers. Copies go in parts, so that the host works on one while the guest makes the next. */
#include "context.h"

#include <string.h>

int vgpu_buffer_create(VgpuContext *context, uint64_t length, VgpuBuffer *buffer)
{
    *buffer = 0;
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_BUFFER_CREATE, .arg = {length}},
    };
    code = vgpu_call_mint(context, VGPU_KIND_BUFFER, &submission.command.handle);
    if (code == VGPU_OK)
        code = vgpu_queue_submit(context, &submission);
    if (code == VGPU_OK)
        *buffer = submission.command.handle;
    return vgpu_context_leave(context, code);
}

/* A buffer, bytes that can be meant, and a new event where one is wanted. */
static int begin_copy(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, const void *data,
                      size_t length, VgpuEvent *event, uint64_t *new_event)
{
    *new_event = 0;
    int code = vgpu_call_check(context, VGPU_KIND_BUFFER, buffer);
    if (code == VGPU_OK && length == 0)
        code = vgpu_fail(VGPU_E_INVALID, "a copy of 0 bytes");
    if (code == VGPU_OK && data == NULL)
        code = vgpu_fail(VGPU_E_INVALID, "a copy from or to NULL");
    /* The host looks at each part by itself: one behind the wrap would lie in the buffer again. */
    if (code == VGPU_OK && length - 1 > UINT64_MAX - offset)
        code = vgpu_fail(VGPU_E_RANGE, "offset and length are together more than 64 bits");
    if (code == VGPU_OK && event != NULL)
        code = vgpu_call_mint(context, VGPU_KIND_EVENT, new_event);
    return code;
}

/* Makes all parts of a copy between @from or @to and a buffer. */
static int copy_parts(VgpuContext *context, VgpuSubmission *submission, uint64_t offset,
                      const uint8_t *from, uint8_t *to, size_t length, uint64_t event)
{
    for (size_t done = 0; done < length;) {
        size_t part = length - done < context->chunk ? length - done : context->chunk;

        submission->command.arg[0] = offset + done;
        submission->command.arg[1] = part;
        submission->arena_arg = 2;
        submission->length = part;
        submission->from = from != NULL ? from + done : NULL;
        submission->to = to != NULL ? to + done : NULL;
        done += part;
        if (done == length)
            submission->command.event = event;
        int code = vgpu_queue_submit(context, submission);
        if (code != VGPU_OK)
            return code;
    }
    return VGPU_OK;
}

int vgpu_buffer_write(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, const void *data,
                      size_t length, VgpuEvent *event)
{
    uint64_t new_event;
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_BUFFER_WRITE, .handle = buffer},
    };

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = begin_copy(context, buffer, offset, data, length, event, &new_event);
    if (code == VGPU_OK)
        code = copy_parts(context, &submission, offset, data, NULL, length, new_event);
    if (event != NULL)
        *event = new_event;
    return vgpu_context_leave(context, code);
}

/* With the context locked; @ticket is the caller's, closed, unless this fails. */
static int start_read(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, void *data,
                      size_t length, VgpuEvent *event, VgpuTicketState **ticket)
{
    uint64_t new_event;
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_BUFFER_READ, .handle = buffer},
    };

    if (event != NULL)
        *event = 0;
    int code = begin_copy(context, buffer, offset, data, length, event, &new_event);
    if (code != VGPU_OK)
        return code;
    code = vgpu_call_ticket(context, ticket);
    if (code != VGPU_OK) {
        if (vgpu_handles_release(&context->handles, new_event)) /* the host has not heard of it */
            vgpu_handles_reuse(&context->handles, new_event);
        return code;
    }
    submission.ticket = *ticket;
    code = copy_parts(context, &submission, offset, NULL, data, length, new_event);
    vgpu_ticket_close(&context->tickets, *ticket);
    if (code != VGPU_OK)
        vgpu_ticket_drop(&context->tickets, *ticket);
    if (event != NULL)
        *event = new_event;
    return code;
}

int vgpu_buffer_read(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, void *data,
                     size_t length, VgpuEvent *event)
{
    VgpuTicketState *ticket;

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = start_read(context, buffer, offset, data, length, event, &ticket);
    if (code == VGPU_OK) {
        vgpu_queue_wait(context, ticket, UINT64_MAX);
        code = vgpu_call_result(context, ticket);
    }
    return vgpu_context_leave(context, code);
}

int vgpu_buffer_read_async(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, void *data,
                           size_t length, VgpuEvent *event, VgpuTicket *name)
{
    VgpuTicketState *ticket;

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = start_read(context, buffer, offset, data, length, event, &ticket);
    if (code == VGPU_OK)
        *name = vgpu_tickets_name(&context->tickets, ticket);
    return vgpu_context_leave(context, code);
}

int vgpu_buffer_copy(VgpuContext *context, VgpuBuffer to, uint64_t to_offset, VgpuBuffer from,
                     uint64_t from_offset, uint64_t length, VgpuEvent *event)
{
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_BUFFER_COPY,
                    .handle = to,
                    .arg = {from, from_offset, to_offset, length}},
    };

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = vgpu_call_check(context, VGPU_KIND_BUFFER, from);
    if (code == VGPU_OK)
        code = vgpu_call_simple(context, &submission, VGPU_KIND_BUFFER, event);
    return vgpu_context_leave(context, code);
}

int vgpu_buffer_fill(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, uint64_t length,
                     const void *pattern, size_t pattern_length, VgpuEvent *event)
{
    uint64_t bits = 0;

    if (pattern == NULL)
        return vgpu_fail(VGPU_E_INVALID, "no pattern");
    if (pattern_length != 1 && pattern_length != 2 && pattern_length != 4 && pattern_length != 8)
        return vgpu_fail(VGPU_E_INVALID, "a pattern of %zu bytes: 1, 2, 4 or 8 can be",
                         pattern_length);
    memcpy(&bits, pattern, pattern_length);
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_BUFFER_FILL,
                    .handle = buffer,
                    .arg = {offset, length, bits, pattern_length}},
    };
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    code = vgpu_call_simple(context, &submission, VGPU_KIND_BUFFER, event);
    return vgpu_context_leave(context, code);
}

int vgpu_release(VgpuContext *context, uint64_t object)
{
    VgpuSubmission submission = {
        .command = {.opcode = VGPU_CMD_RELEASE, .handle = object},
    };

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    if (!vgpu_handles_release(&context->handles, object)) {
        code = vgpu_call_check(context, VGPU_KIND_BUFFER, object); /* fails, with its text */
    } else {
        /* While this waits for room, another thread may create an object. */
        code = vgpu_queue_submit(context, &submission);
        if (code == VGPU_OK)
            vgpu_handles_reuse(&context->handles, object);
    }
    return vgpu_context_leave(context, code);
}
