/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands into the ring, completions out of it, and waiting. */
#include "context.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

/* At least so often, in commands, an answer is asked for: without one a full ring could not be
 * waited for. A quarter of the ring, and likewise of the arena, so that it never runs dry. */
#define ANSWER_EVERY (VGPU_QUEUE_ENTRIES / 4)

/* The bytes of one part of a large copy: an eighth of the arena lets both sides work at the same
 * time; more than this leaves the processor's cache. */
#define MAX_CHUNK (256u << 10)

#define QUICK_LOOKS 1000 /* a microsecond, where CPUs are not emulated; there some five */

/* A tag: an answer's index with its turn, or what a command without answer was. */
#define TAG_UNANSWERED 0x80000000u
#define TAG_OPCODE     0x0000ffffu

uint64_t vgpu_queue_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

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

/* The driver's word or the host's, so a plain look is enough; false: all is well. */
static bool is_lost(VgpuContext *context)
{
    return atomic_load_explicit(VGPU_RING_GUEST_WORD(context->node.slot, lost),
                                memory_order_relaxed) != 0 ||
           atomic_load_explicit(VGPU_RING_HOST_WORD(context->node.slot, broken),
                                memory_order_relaxed) != 0;
}

static int lose(VgpuContext *context)
{
    uint32_t broken = atomic_load(VGPU_RING_HOST_WORD(context->node.slot, broken));

    if (broken == 0)
        return vgpu_context_lose(context, "the host's worker is gone");
    char why[sizeof(context->lost_text)];
    snprintf(why, sizeof(why), "the host's worker has ended this session: %s",
             vgpu_error_text((int)broken));
    return vgpu_context_lose(context, why);
}

/*
 * Whether a failure is none to be told of. Only handles that were created here are released, so one
 * that the host does not know was not created: that has been told, or will be.
 */
static bool is_no_news(uint32_t opcode, uint32_t result)
{
    return opcode == VGPU_CMD_RELEASE && result == VGPU_RESULT_BAD_HANDLE;
}

/* Books one completion. Returns false if there is no command that it belongs to. */
static bool book(VgpuContext *context, const struct vgpu_completion *completion)
{
    uint32_t index = completion->tag % VGPU_QUEUE_ENTRIES;
    VgpuPending pending = context->pending[index];

    if (pending.opcode == 0 || pending.tag != completion->tag)
        return false;
    context->pending[index].opcode = 0;
    context->pending_free[context->pending_free_count++] = (uint16_t)index;

    VgpuTicketState *ticket = pending.ticket;
    size_t length = pending.length;
    if (pending.length_is_result && completion->result < length)
        length = (size_t)completion->result;
    if (pending.to != NULL && completion->status == VGPU_RESULT_OK &&
        (ticket == NULL || !ticket->dropped))
        memcpy(pending.to, pending.from, length);
    if (pending.piece != VGPU_NO_PIECE)
        vgpu_arena_done(&context->arena, pending.piece);

    int first = (int)completion->first;
    uint32_t first_opcode = completion->first_tag & TAG_OPCODE;
    if (ticket == NULL && first == 0 && completion->status != 0) {
        first = (int)completion->status;
        first_opcode = pending.opcode;
    }
    context->failed = context->failed || first != 0 || completion->status != VGPU_RESULT_OK;
    if (context->first == VGPU_OK && first != 0 && !is_no_news(first_opcode, (uint32_t)first)) {
        context->first = first;
        context->first_opcode = first_opcode;
    }
    if (ticket == NULL)
        return true;
    if (context->first != VGPU_OK && !ticket->dropped) {
        vgpu_ticket_failed(ticket, context->first, context->first_opcode, true);
        context->first = VGPU_OK;
    }
    if (completion->status != VGPU_RESULT_OK)
        vgpu_ticket_failed(ticket, (int)completion->status, pending.opcode, false);
    ticket->result = completion->result;
    vgpu_ticket_answered(&context->tickets, ticket);
    return true;
}

/* Takes all completions that are there. */
static void take(VgpuContext *context)
{
    int available = vgpu_ring_available(&context->completions);

    for (int left = available; left > 0; left--) {
        struct vgpu_completion completion;

        vgpu_ring_take(&context->completions, &completion);
        if (!book(context, &completion)) {
            available = VGPU_RING_BROKEN;
            break;
        }
    }
    if (available > 0)
        vgpu_ring_return(&context->completions, context->completions.next);
    if (available == VGPU_RING_BROKEN)
        vgpu_context_lose(context, "the host's completions cannot be understood");
    else if (available == 0 && is_lost(context))
        lose(context);
    if (available != 0 && context->followers > 0)
        pthread_cond_broadcast(&context->progress);
}

void vgpu_queue_take(VgpuContext *context)
{
    if (!context->leading && !context->lost)
        take(context);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static bool has_come(const VgpuContext *context)
{
    return atomic_load_explicit(context->completions.tail, memory_order_acquire) !=
           context->completions.next;
}

/* The first looks, with the context locked: an answer to something short comes within them. They
 * read no clock, and do not pause, which costs an emulated CPU far more than a look. */
static bool look(const VgpuContext *context)
{
    for (unsigned int i = 0; i < QUICK_LOOKS; i++) {
        if (has_come(context))
            return true;
    }
    return false;
}

/* Polls for a completion, for @budget nanoseconds. Returns whether there is one, or the session is
 * lost. */
static bool poll_for(VgpuContext *context, uint64_t budget)
{
    if (budget == 0)
        return false;
    const uint64_t begin = vgpu_queue_now();
    do {
        for (unsigned int i = 0; i < 32; i++) {
            if (has_come(context))
                return true;
            relax();
        }
        if (is_lost(context))
            return true;
    } while (vgpu_queue_now() - begin < budget);
    return false;
}

static void follow(VgpuContext *context, uint64_t deadline)
{
    const struct timespec time = {.tv_sec = (time_t)(deadline / NS_PER_S),
                                  .tv_nsec = (long)(deadline % NS_PER_S)};

    context->followers++;
    if (deadline == UINT64_MAX)
        pthread_cond_wait(&context->progress, &context->lock);
    else
        pthread_cond_timedwait(&context->progress, &context->lock, &time);
    context->by_mutex = true;
    context->followers--;
}

/* Milliseconds until @deadline, rounded up; -1 without one. */
static int left_ms(uint64_t deadline)
{
    uint64_t now = vgpu_queue_now();

    if (deadline == UINT64_MAX)
        return -1;
    uint64_t ms = deadline <= now ? 0 : (deadline - now) / NS_PER_MS + 1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* Polls, then sleeps, then takes what has come. Something may have changed; look again. */
static void lead(VgpuContext *context, uint64_t deadline)
{
    uint64_t budget = vgpu_patience_budget(&context->patience);
    uint64_t waited = 0;
    bool alive = true;

    context->leading = true;
    vgpu_context_unlock(context);
    if (deadline != UINT64_MAX) {
        uint64_t now = vgpu_queue_now();
        budget = deadline <= now ? 0 : deadline - now < budget ? deadline - now : budget;
    }
    bool found = poll_for(context, budget);
    if (!found) {
        uint64_t begin = vgpu_queue_now();
        alive = vgpu_node_sleep(&context->node, left_ms(deadline));
        waited = vgpu_queue_now() - begin;
    }
    vgpu_context_lock(context);

    if (budget != UINT64_MAX)
        vgpu_patience_learn(&context->patience, budget + waited, !found);
    context->leading = false;
    take(context);
    if (!alive && !context->lost)
        lose(context);
    if (context->followers > 0)
        pthread_cond_broadcast(&context->progress); /* one of the others leads */
}

static void wait_for_progress(VgpuContext *context, uint64_t deadline)
{
    uint32_t before = context->completions.next;

    if (context->leading) {
        follow(context, deadline);
        return;
    }
    if (context->patience.setting != 0)
        look(context);
    take(context);
    if (context->completions.next == before && !context->lost)
        lead(context, deadline);
}

bool vgpu_queue_wait(VgpuContext *context, const VgpuTicketState *ticket, uint64_t deadline)
{
    while (!vgpu_ticket_is_done(ticket)) {
        if (deadline != UINT64_MAX && vgpu_queue_now() >= deadline)
            return false;
        wait_for_progress(context, deadline);
    }
    return true;
}

/* Room for one command and its bytes, now. @answer: it wants one. */
static bool reserve(VgpuContext *context, const VgpuSubmission *submission, bool answer,
                    uint64_t *offset, uint32_t *piece)
{
    *piece = VGPU_NO_PIECE;
    if (answer && context->pending_free_count == 0)
        return false;
    int room = vgpu_ring_room(&context->commands, 1);
    if (room == VGPU_RING_BROKEN) {
        vgpu_context_lose(context, "the host's index in the ring cannot be");
        return false;
    }
    if (submission->length > 0)
        vgpu_ring_room(&context->commands, VGPU_QUEUE_ENTRIES); /* looks at the index */
    /* Also for a command without bytes: pieces must not be left behind by half of all positions. */
    vgpu_arena_retire(&context->arena, context->commands.seen);
    return room > 0 && (submission->length == 0 ||
                        vgpu_arena_take(&context->arena, submission->length, context->commands.next,
                                        submission->to != NULL, offset, piece));
}

/* Notes the answer that is to come. Returns its tag. */
static uint32_t expect(VgpuContext *context, const VgpuSubmission *submission, uint64_t offset,
                       uint32_t piece)
{
    uint32_t index = context->pending_free[--context->pending_free_count];
    uint32_t tag = (++context->turn * VGPU_QUEUE_ENTRIES + index) & ~TAG_UNANSWERED;

    context->pending[index] = (VgpuPending){
        .ticket = submission->ticket,
        .tag = tag,
        .opcode = submission->command.opcode,
        .piece = submission->to != NULL ? piece : VGPU_NO_PIECE,
        .from = context->arena_memory + offset,
        .to = submission->to,
        .length = submission->length,
        .length_is_result = submission->length_is_result,
    };
    if (submission->ticket != NULL)
        submission->ticket->parts++;
    context->unanswered = 0;
    context->unanswered_bytes = 0;
    return tag;
}

/* Puts a command into the ring, where there is room, and shows it to the host. */
static void put(VgpuContext *context, VgpuSubmission *submission, bool answer, uint64_t offset,
                uint32_t piece)
{
    struct vgpu_command *command = &submission->command;

    if (submission->length > 0) {
        command->arg[submission->arena_arg] = offset;
        if (submission->from != NULL)
            memcpy(context->arena_memory + offset, submission->from, submission->length);
    }
    context->unanswered++;
    context->unanswered_bytes += submission->length;
    command->flags = answer ? VGPU_COMMAND_ANSWER : 0;
    command->tag =
        answer ? expect(context, submission, offset, piece) : TAG_UNANSWERED | command->opcode;
    vgpu_ring_put(&context->commands, command);
    if (vgpu_ring_publish(&context->commands))
        vgpu_node_ring(&context->node);
}

/* The ring or the arena is full. */
static void wait_for_room(VgpuContext *context)
{
    if (context->pending_free_count < VGPU_QUEUE_ANSWERS) {
        wait_for_progress(context, UINT64_MAX);
        return;
    }
    /* Nothing can be slept on. What was submitted since the last answer gets one of its own. */
    if (context->unanswered > 0 && vgpu_ring_room(&context->commands, 1) > 0) {
        VgpuSubmission marker = {.command = {.opcode = VGPU_CMD_NOP}};
        put(context, &marker, true, 0, VGPU_NO_PIECE);
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
    uint32_t piece;
    bool answer;

    if (!context->lost && is_lost(context))
        lose(context);
    for (;;) {
        if (context->lost)
            return vgpu_fail(VGPU_E_LOST, "%s", context->lost_text);
        if (context->session != session)
            return vgpu_fail(VGPU_E_LOST, "the context was opened anew meanwhile");
        /* Such a release gets an answer for itself: among others it would hide the next failure. */
        answer = submission->ticket != NULL || context->unanswered + 1 >= ANSWER_EVERY ||
                 (context->failed && submission->command.opcode == VGPU_CMD_RELEASE) ||
                 context->unanswered_bytes + submission->length > context->arena.size / 4;
        if (reserve(context, submission, answer, &offset, &piece))
            break;
        if (!context->lost)
            wait_for_room(context);
    }
    put(context, submission, answer, offset, piece);
    return VGPU_OK;
}
