/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands that take no bytes along and bring none back, which most are: into the ring by as few
 * instructions as can be. With the context locked. All others, and these when there is no room, go
 * by vgpu_queue_submit().
 */
#ifndef SUBMIT_H
#define SUBMIT_H

#include "context.h"
#include "tags.h"

/* At least so often, in commands, an answer is asked for: without one a full ring could not be
 * waited for. Half of it: who was asleep then puts as many into it at once, while the host works on
 * the other half. */
#define ANSWER_EVERY (VGPU_QUEUE_ENTRIES / 2)

/* Whether a command without a ticket gets an answer all the same. Such a release gets one for
 * itself: among others it would hide the next failure. */
static inline bool vgpu_submit_asks(const VgpuContext *context, uint32_t opcode)
{
    return context->unanswered + 1 >= ANSWER_EVERY ||
           (context->failed && opcode == VGPU_CMD_RELEASE);
}

/* Notes the answer that is to come, and where its bytes belong: @to, of which the caller tells the
 * rest. Sets its tag. */
static inline VgpuPending *vgpu_submit_expect(VgpuContext *context, uint32_t opcode,
                                              VgpuTicketState *ticket, void *to, uint32_t *tag)
{
    uint32_t index = context->pending_free[--context->pending_free_count];
    VgpuPending *pending = &context->pending[index];

    *tag = (++context->turn * VGPU_QUEUE_ENTRIES + index) & ~TAG_UNANSWERED;
    pending->ticket = ticket;
    pending->tag = *tag;
    pending->opcode = opcode;
    pending->to = to;
    if (ticket != NULL)
        ticket->parts++;
    context->unanswered = 0;
    context->unanswered_bytes = 0;
    return pending;
}

/* Puts a command, but for its flags and tag, into the ring, where there is room, and shows it to
 * the host. */
static inline void vgpu_submit_put(VgpuContext *context, const struct vgpu_command *command,
                                   bool answer, uint32_t tag)
{
    const uint64_t flags = answer ? VGPU_COMMAND_ANSWER : 0;

    vgpu_ring_put_headed(&context->commands, command->opcode | flags << 16 | (uint64_t)tag << 32,
                         command);
    if (UNLIKELY(vgpu_ring_publish(&context->commands)))
        vgpu_node_ring(&context->node);
}

/* False, and nothing is done: there is no room that is known of, or the session is lost. @ticket:
 * NULL if no answer is wanted. */
static inline bool vgpu_submit_bare(VgpuContext *context, const struct vgpu_command *command,
                                    VgpuTicketState *ticket)
{
    const bool answer = ticket != NULL || vgpu_submit_asks(context, command->opcode);
    uint32_t tag = TAG_UNANSWERED | command->opcode;

    if (UNLIKELY(context->lost || vgpu_queue_is_lost(context) ||
                 (answer && context->pending_free_count == 0) ||
                 context->commands.next - context->commands.seen == VGPU_QUEUE_ENTRIES))
        return false;
    /* Pieces must not be left behind by half of all positions. */
    if (context->arena.count > 0)
        vgpu_arena_retire(&context->arena, context->commands.seen);
    context->unanswered++;
    if (answer)
        vgpu_submit_expect(context, command->opcode, ticket, NULL, &tag);
    vgpu_submit_put(context, command, answer, tag);
    return true;
}

#endif
