/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands into the ring. */
#include "submit.h"

#include <string.h>
#include <time.h>

/* The bytes of one part of a large copy: an eighth of the arena lets both sides work at the same
 * time; more than this leaves the processor's cache. */
#define MAX_CHUNK (128u << 10)

/* An answer is asked for at least so often, in bytes, so that the arena never runs dry. */
#define ANSWER_BYTES(context) ((context)->arena.size / 4)

#define LOOK_AT_INDEX VGPU_QUEUE_ENTRIES /* so much room is known only of an empty ring */

void vgpu_queue_begin(VgpuContext *context)
{
    context->commands = vgpu_ring_produce_commands(context->node.slot);
    context->completions = vgpu_ring_consume_completions(context->node.slot);
    context->arena_memory = (uint8_t *)context->node.slot + VGPU_QUEUE_ARENA;
    vgpu_arena_init(&context->arena, context->node.info.slot_size - VGPU_QUEUE_ARENA);
    context->chunk = context->arena.size / 8 < MAX_CHUNK ? context->arena.size / 8 : MAX_CHUNK;
    context->chunk = context->chunk / VGPU_ARENA_ALIGN * VGPU_ARENA_ALIGN;
    context->pending_free_count = 0;
    for (uint32_t i = VGPU_QUEUE_ANSWERS; i-- > 0;)
        context->pending_free[context->pending_free_count++] = (uint16_t)i;
    memset(context->pending, 0, sizeof(context->pending));
    context->unanswered = 0;
    context->unanswered_bytes = 0;
    context->first = VGPU_OK;
    context->failed = false;
}

size_t vgpu_queue_most(const VgpuContext *context)
{
    return context->arena.size;
}

/* Room for one command and its bytes, now. @answer: it wants one. */
static bool reserve(VgpuContext *context, const VgpuSubmission *submission, bool answer,
                    uint64_t *offset, uint32_t *piece)
{
    if (answer && context->pending_free_count == 0)
        return false;
    int room = vgpu_ring_room(&context->commands, submission->length > 0 ? LOOK_AT_INDEX : 1);
    if (room == VGPU_RING_BROKEN) {
        vgpu_context_lose(context, "the host's index in the ring cannot be");
        return false;
    }
    vgpu_arena_retire(&context->arena, context->commands.seen);
    return room > 0 && (submission->length == 0 ||
                        vgpu_arena_take(&context->arena, submission->length, context->commands.next,
                                        submission->to != NULL, offset, piece));
}

/* Submits where there is room. */
static void put(VgpuContext *context, VgpuSubmission *submission, bool answer, uint64_t offset,
                uint32_t piece)
{
    struct vgpu_command *command = &submission->command;
    uint32_t tag = TAG_UNANSWERED | command->opcode;

    if (submission->length > 0) {
        command->arg[submission->arena_arg] = offset;
        if (submission->from != NULL)
            memcpy(context->arena_memory + offset, submission->from, submission->length);
    }
    context->unanswered++;
    context->unanswered_bytes += submission->length;
    if (answer) {
        VgpuPending *pending =
            vgpu_submit_expect(context, command->opcode, submission->ticket, submission->to, &tag);
        pending->piece = piece;
        pending->from = context->arena_memory + offset;
        pending->length = submission->length;
        pending->length_is_result = submission->length_is_result;
    }
    vgpu_submit_put(context, command, answer, tag);
}

/* The ring or the arena is full. */
static void wait_for_room(VgpuContext *context)
{
    const struct vgpu_command marker = {.opcode = VGPU_CMD_NOP};
    uint32_t tag;

    if (context->pending_free_count < VGPU_QUEUE_ANSWERS) {
        vgpu_queue_progress(context, &context->room_patience, UINT64_MAX);
        return;
    }
    /* Nothing can be slept on. What was submitted since the last answer gets one of its own. */
    if (context->unanswered > 0 && vgpu_ring_room(&context->commands, 1) > 0) {
        vgpu_submit_expect(context, marker.opcode, NULL, NULL, &tag);
        vgpu_submit_put(context, &marker, true, tag);
        return;
    }
    /* Every answer has come: the host has got that far and is about to say so in its index. */
    const struct timespec nap = {.tv_nsec = 20000};
    vgpu_context_unlock(context);
    nanosleep(&nap, NULL);
    vgpu_context_lock(context);
    vgpu_queue_take(context);
}

int vgpu_queue_submit(VgpuContext *context, VgpuSubmission *submission)
{
    const uint32_t session = context->session;
    uint64_t offset = 0;
    uint32_t piece = 0;
    bool answer;

    if (!context->lost && vgpu_queue_is_lost(context))
        vgpu_queue_lose(context);
    for (;;) {
        if (context->lost)
            return vgpu_fail(VGPU_E_LOST, "%s", context->lost_text);
        if (context->session != session)
            return vgpu_fail(VGPU_E_LOST, "the context was opened anew meanwhile");
        answer = submission->ticket != NULL ||
                 vgpu_submit_asks(context, submission->command.opcode) ||
                 context->unanswered_bytes + submission->length > ANSWER_BYTES(context);
        if (reserve(context, submission, answer, &offset, &piece))
            break;
        if (!context->lost)
            wait_for_room(context);
    }
    put(context, submission, answer, offset, piece);
    return VGPU_OK;
}
