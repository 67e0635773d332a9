/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tickets for callers, and what all calls are made of. */
#include "context.h"

int vgpu_call_ticket(VgpuContext *context, VgpuTicketState **ticket)
{
    *ticket = vgpu_tickets_take(&context->tickets);
    if (*ticket == NULL)
        return vgpu_fail(VGPU_E_LIMIT, "%u tickets have not been waited for", VGPU_TICKETS);
    return VGPU_OK;
}

int vgpu_call_result(VgpuContext *context, VgpuTicketState *ticket, uint64_t *result)
{
    int code = ticket->code;

    if (result != NULL)
        *result = ticket->result;
    if (code == VGPU_E_LOST)
        vgpu_fail(code, "%s", context->lost_text);
    else if (code != VGPU_OK)
        vgpu_fail(code, "%s%s: %s", ticket->earlier ? "before this call: " : "",
                  vgpu_command_text(ticket->opcode), vgpu_error_text(code));
    vgpu_ticket_drop(&context->tickets, ticket);
    return code;
}

int vgpu_call(VgpuContext *context, VgpuSubmission *submission, uint64_t *result)
{
    int code = vgpu_call_ticket(context, &submission->ticket);
    if (code != VGPU_OK)
        return code;
    code = vgpu_queue_submit(context, submission);
    vgpu_ticket_close(&context->tickets, submission->ticket);
    if (code != VGPU_OK) {
        vgpu_ticket_drop(&context->tickets, submission->ticket);
        return code;
    }
    vgpu_queue_wait(context, submission->ticket, UINT64_MAX);
    return vgpu_call_result(context, submission->ticket, result);
}

int vgpu_call_async(VgpuContext *context, VgpuSubmission *submission, VgpuTicket *ticket)
{
    int code = vgpu_call_ticket(context, &submission->ticket);
    if (code != VGPU_OK)
        return code;
    code = vgpu_queue_submit(context, submission);
    vgpu_ticket_close(&context->tickets, submission->ticket);
    if (code != VGPU_OK)
        vgpu_ticket_drop(&context->tickets, submission->ticket);
    else
        *ticket = vgpu_tickets_name(&context->tickets, submission->ticket);
    return code;
}

int vgpu_call_mint(VgpuContext *context, enum VgpuKind kind, uint64_t *handle)
{
    *handle = vgpu_handles_mint(&context->handles, kind);
    if (*handle == 0)
        return vgpu_fail(VGPU_E_LIMIT, "%u objects have not been released", VGPU_HANDLE_MAX);
    return VGPU_OK;
}

int vgpu_call_check(VgpuContext *context, enum VgpuKind kind, uint64_t handle)
{
    static const char *const names[] = {[VGPU_KIND_NONE] = "object",
                                        [VGPU_KIND_BUFFER] = "buffer",
                                        [VGPU_KIND_PROGRAM] = "program",
                                        [VGPU_KIND_KERNEL] = "kernel",
                                        [VGPU_KIND_EVENT] = "event"};

    if (vgpu_handles_kind(&context->handles, handle) != kind)
        return vgpu_fail(VGPU_E_HANDLE, "0x%llx is no %s of this context",
                         (unsigned long long)handle, names[kind]);
    return VGPU_OK;
}

int vgpu_call_simple(VgpuContext *context, VgpuSubmission *submission, enum VgpuKind kind,
                     VgpuEvent *event)
{
    int code = vgpu_call_check(context, kind, submission->command.handle);
    if (code == VGPU_OK && event != NULL)
        code = vgpu_call_mint(context, VGPU_KIND_EVENT, &submission->command.event);
    if (code != VGPU_OK)
        return code;
    code = vgpu_queue_submit(context, submission);
    if (event != NULL)
        *event = code == VGPU_OK ? submission->command.event : 0;
    return code;
}

/* With VGPU_E_TICKET, and unlocked, when there is none. */
static int find(VgpuContext *context, VgpuTicket name, VgpuTicketState **ticket)
{
    if (!vgpu_context_is_ours(context))
        return vgpu_fail(VGPU_E_FORKED, "%s", vgpu_error_text(VGPU_E_FORKED));
    vgpu_context_lock(context); /* also when all is lost: tickets are done then */
    *ticket = vgpu_tickets_find(&context->tickets, name);
    if (*ticket != NULL)
        return VGPU_OK;
    vgpu_context_unlock(context);
    return vgpu_fail(VGPU_E_TICKET, "no such ticket, or it has been waited for");
}

int vgpu_wait(VgpuContext *context, VgpuTicket name, int timeout_ms)
{
    VgpuTicketState *ticket;

    int code = find(context, name, &ticket);
    if (code != VGPU_OK)
        return code;
    uint64_t deadline =
        timeout_ms < 0 ? UINT64_MAX : vgpu_queue_now() + (uint64_t)timeout_ms * 1000000;
    if (!vgpu_queue_wait(context, ticket, deadline)) {
        vgpu_context_unlock(context);
        return vgpu_fail(VGPU_E_AGAIN, "not done within %d ms", timeout_ms);
    }
    if (vgpu_tickets_find(&context->tickets, name) != ticket) /* another thread was quicker */
        code = vgpu_fail(VGPU_E_TICKET, "another thread has waited for it, or dropped it");
    else
        code = vgpu_call_result(context, ticket, NULL);
    return vgpu_context_leave(context, code);
}

int vgpu_test(VgpuContext *context, VgpuTicket name)
{
    VgpuTicketState *ticket;

    int code = find(context, name, &ticket);
    if (code != VGPU_OK)
        return code;
    if (!vgpu_ticket_is_done(ticket))
        vgpu_queue_take(context);
    code = vgpu_ticket_is_done(ticket) ? vgpu_call_result(context, ticket, NULL)
                                       : vgpu_fail(VGPU_E_AGAIN, "not done yet");
    return vgpu_context_leave(context, code);
}

void vgpu_drop(VgpuContext *context, VgpuTicket name)
{
    VgpuTicketState *ticket;

    if (find(context, name, &ticket) != VGPU_OK)
        return;
    vgpu_ticket_drop(&context->tickets, ticket);
    vgpu_context_unlock(context);
}
