/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tickets for callers, and what all calls are made of. */
#include "submit.h"

int vgpu_call_ticket(VgpuContext *context, VgpuTicketState **ticket)
{
    *ticket = vgpu_tickets_take(&context->tickets);
    if (*ticket == NULL)
        return vgpu_fail(VGPU_E_LIMIT, "%u tickets have not been waited for", VGPU_TICKETS);
    return VGPU_OK;
}

/* What has become of a ticket's call, with its text. */
static RARE int tell_failure(const VgpuContext *context, const VgpuTicketState *ticket)
{
    if (ticket->code == VGPU_E_LOST)
        return vgpu_fail(ticket->code, "%s", context->lost_text);
    return vgpu_fail(ticket->code, "%s%s: %s", ticket->earlier ? "before this call: " : "",
                     vgpu_command_text(ticket->opcode), vgpu_error_text(ticket->code));
}

int vgpu_call_result(VgpuContext *context, VgpuTicketState *ticket)
{
    int code = ticket->code != VGPU_OK ? tell_failure(context, ticket) : VGPU_OK;

    vgpu_ticket_drop(&context->tickets, ticket);
    return code;
}

static RARE int submit_later(VgpuContext *context, const struct vgpu_command *command,
                             VgpuTicketState *ticket)
{
    return vgpu_queue_submit(context, &(VgpuSubmission){.command = *command, .ticket = ticket});
}

static inline int submit(VgpuContext *context, const struct vgpu_command *command,
                         VgpuTicketState *ticket)
{
    if (UNLIKELY(!vgpu_submit_bare(context, command, ticket)))
        return submit_later(context, command, ticket);
    return VGPU_OK;
}

/* Waits for a ticket that nobody else has the name of. */
static inline int wait_for(VgpuContext *context, const VgpuTicketState *ticket)
{
    vgpu_queue_wait(context, ticket, UINT64_MAX);
    return ticket->code != VGPU_OK ? tell_failure(context, ticket) : VGPU_OK;
}

int vgpu_call(VgpuContext *context, VgpuSubmission *submission, uint64_t *result)
{
    VgpuTicketState ticket = {.used = true, .closed = true};

    submission->ticket = &ticket;
    int code = vgpu_queue_submit(context, submission);
    if (code == VGPU_OK)
        code = wait_for(context, &ticket);
    if (result != NULL)
        *result = ticket.result;
    return code;
}

int vgpu_call_bare(VgpuContext *context, const struct vgpu_command *command)
{
    VgpuTicketState ticket = {.used = true, .closed = true};

    int code = submit(context, command, &ticket);
    return code == VGPU_OK ? wait_for(context, &ticket) : code;
}

/* All parts of @ticket's call have been submitted, or @code says why not. */
static inline int hand_out(VgpuContext *context, int code, VgpuTicketState *ticket,
                           VgpuTicket *name)
{
    vgpu_ticket_close(&context->tickets, ticket);
    if (code != VGPU_OK)
        vgpu_ticket_drop(&context->tickets, ticket);
    else
        *name = vgpu_tickets_name(&context->tickets, ticket);
    return code;
}

int vgpu_call_async(VgpuContext *context, VgpuSubmission *submission, VgpuTicket *ticket)
{
    int code = vgpu_call_ticket(context, &submission->ticket);
    if (code != VGPU_OK)
        return code;
    code = vgpu_queue_submit(context, submission);
    return hand_out(context, code, submission->ticket, ticket);
}

int vgpu_call_bare_async(VgpuContext *context, const struct vgpu_command *command, VgpuTicket *name)
{
    VgpuTicketState *ticket;

    int code = vgpu_call_ticket(context, &ticket);
    return code == VGPU_OK ? hand_out(context, submit(context, command, ticket), ticket, name)
                           : code;
}

int vgpu_call_unanswered(VgpuContext *context, const struct vgpu_command *command)
{
    return submit(context, command, NULL);
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
    code = submission->length == 0 ? submit(context, &submission->command, NULL)
                                   : vgpu_queue_submit(context, submission);
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

/* Waits with the context locked; another thread may do so, too, and be quicker. */
static RARE int wait_until(VgpuContext *context, VgpuTicket name, const VgpuTicketState *ticket,
                           int timeout_ms)
{
    uint64_t deadline =
        timeout_ms < 0 ? UINT64_MAX : vgpu_queue_now() + (uint64_t)timeout_ms * 1000000;

    if (!vgpu_queue_wait(context, ticket, deadline))
        return vgpu_fail(VGPU_E_AGAIN, "not done within %d ms", timeout_ms);
    if (vgpu_tickets_find(&context->tickets, name) != ticket)
        return vgpu_fail(VGPU_E_TICKET, "another thread has waited for it, or dropped it");
    return VGPU_OK;
}

int vgpu_wait(VgpuContext *context, VgpuTicket name, int timeout_ms)
{
    VgpuTicketState *ticket;

    int code = find(context, name, &ticket);
    if (code != VGPU_OK)
        return code;
    if (!vgpu_ticket_is_done(ticket))
        code = wait_until(context, name, ticket, timeout_ms);
    if (code == VGPU_OK)
        code = vgpu_call_result(context, ticket);
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
    code = vgpu_ticket_is_done(ticket) ? vgpu_call_result(context, ticket)
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
