/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completions out of the ring, and waiting for them. */
#include "context.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tags.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

#define QUICK_LOOKS 1000 /* a microsecond, where CPUs are not emulated; there some five */

uint64_t vgpu_queue_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

RARE int vgpu_queue_lose(VgpuContext *context)
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

/* The bytes that an answered command brings back. */
static RARE void take_bytes(VgpuContext *context, const VgpuPending *pending,
                            const struct vgpu_completion *completion)
{
    size_t length = pending->length;

    if (pending->length_is_result && completion->result < length)
        length = (size_t)completion->result;
    if (completion->status == VGPU_RESULT_OK &&
        (pending->ticket == NULL || !pending->ticket->dropped))
        memcpy(pending->to, pending->from, length);
    vgpu_arena_done(&context->arena, pending->piece);
}

/* Books what went wrong with an answered command, or with one before that had no answer, or with
 * one that nobody waited for. */
static RARE void book_failure(VgpuContext *context, const VgpuPending *pending, uint32_t opcode,
                              const struct vgpu_completion *completion)
{
    VgpuTicketState *ticket = pending->ticket;
    int first = (int)completion->first;
    uint32_t first_opcode = completion->first_tag & TAG_OPCODE;

    if (ticket == NULL && first == 0 && completion->status != 0) {
        first = (int)completion->status;
        first_opcode = opcode;
    }
    context->failed = context->failed || first != 0 || completion->status != VGPU_RESULT_OK;
    if (context->first == VGPU_OK && first != 0 && !is_no_news(first_opcode, (uint32_t)first)) {
        context->first = first;
        context->first_opcode = first_opcode;
    }
    if (ticket == NULL)
        return;
    if (context->first != VGPU_OK && !ticket->dropped) {
        vgpu_ticket_failed(ticket, context->first, context->first_opcode, true);
        context->first = VGPU_OK;
    }
    if (completion->status != VGPU_RESULT_OK)
        vgpu_ticket_failed(ticket, (int)completion->status, opcode, false);
}

/* Books one completion. Returns false if there is no command that it belongs to. */
static inline bool book(VgpuContext *context, const struct vgpu_completion *completion)
{
    uint32_t index = completion->tag % VGPU_QUEUE_ENTRIES;
    VgpuPending *pending = &context->pending[index];
    uint32_t opcode = pending->opcode;

    if (opcode == 0 || pending->tag != completion->tag)
        return false;
    pending->opcode = 0;
    context->pending_free[context->pending_free_count++] = (uint16_t)index;
    if (pending->to != NULL)
        take_bytes(context, pending, completion);
    if ((completion->status | completion->first | (uint32_t)context->first) != 0)
        book_failure(context, pending, opcode, completion);
    if (pending->ticket != NULL) {
        pending->ticket->result = completion->result;
        vgpu_ticket_answered(&context->tickets, pending->ticket);
    }
    return true;
}

/* There are no completions, or none that can be. */
static RARE void take_none(VgpuContext *context, int available)
{
    if (available == VGPU_RING_BROKEN)
        vgpu_context_lose(context, "the host's completions cannot be understood");
    else if (vgpu_queue_is_lost(context))
        vgpu_queue_lose(context);
}

/* Takes all completions that are there. */
static INLINE void take_here(VgpuContext *context)
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
    else
        take_none(context, available);
    if (available != 0 && context->followers > 0)
        pthread_cond_broadcast(&context->progress);
}

static RARE void take(VgpuContext *context)
{
    take_here(context);
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
        if (vgpu_queue_is_lost(context))
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
static void lead(VgpuContext *context, VgpuPatience *patience, uint64_t deadline)
{
    uint64_t budget = vgpu_patience_budget(patience);
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
        vgpu_patience_learn(patience, budget + waited, !found);
    context->leading = false;
    take(context);
    if (!alive && !context->lost)
        vgpu_queue_lose(context);
    if (context->followers > 0)
        pthread_cond_broadcast(&context->progress); /* one of the others leads */
}

/* What came too late to be found by look(), or will. */
static RARE void progress_later(VgpuContext *context, VgpuPatience *patience, uint64_t deadline)
{
    uint32_t before = context->completions.next;

    if (context->leading) {
        follow(context, deadline);
        return;
    }
    take(context);
    if (context->completions.next == before && !context->lost)
        lead(context, patience, deadline);
}

static INLINE void progress(VgpuContext *context, VgpuPatience *patience, uint64_t deadline)
{
    if (!context->leading && patience->setting != 0 && look(context))
        take_here(context);
    else
        progress_later(context, patience, deadline);
}

void vgpu_queue_progress(VgpuContext *context, VgpuPatience *patience, uint64_t deadline)
{
    progress(context, patience, deadline);
}

bool vgpu_queue_wait(VgpuContext *context, const VgpuTicketState *ticket, uint64_t deadline)
{
    while (!vgpu_ticket_is_done(ticket)) {
        if (deadline != UINT64_MAX && vgpu_queue_now() >= deadline)
            return false;
        progress(context, &context->patience, deadline);
    }
    return true;
}
