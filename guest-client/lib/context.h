/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library's files share: a context and the ways into its queue.
 *
 * One mutex guards everything but the sleep. Of the threads that wait, one at a time leads: it
 * leaves the mutex, polls and sleeps on the device; the others sleep on `progress`. While there is
 * a leader nobody else takes completions, since the driver lets a reader sleep as long as the ring
 * is empty. Whoever waits has its answers copied by the one who takes them.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <pthread.h>
#include <stdbool.h>

#include "arena.h"
#include "error.h"
#include "handles.h"
#include "node.h"
#include "patience.h"
#include "tickets.h"
#include "vgpu-pci.h"
#include "vgpu-ring.h"

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define VGPU_IS_ALONE (__libc_single_threaded != 0)
#else
#define VGPU_IS_ALONE false
#endif

/* Part of what each call goes through, and out of its way. */
#define INLINE      inline __attribute__((always_inline))
#define RARE        __attribute__((noinline))
#define UNLIKELY(x) __builtin_expect((x), 0)

/* An answer that is to come. Its command's tag is its index, and its turn above that. */
typedef struct VgpuPending {
    VgpuTicketState *ticket; /* NULL: nobody asks for it, it only tells how far the worker is */
    uint32_t tag;
    uint32_t opcode;
    void *to;              /* where bytes belong that it brings back; NULL: it brings none, and the
                              rest is not set */
    uint32_t piece;        /* of the arena */
    const uint8_t *from;   /* in the arena: what the host has written there */
    size_t length;         /* bytes */
    bool length_is_result; /* only as many as the result says, if that is less */
} VgpuPending;

struct VgpuContext {
    const uint8_t *guard; /* a page that reads 0 in a forked child */
    VgpuContextInfo info;
    char *device; /* what vgpu_open() was asked for; NULL */

    pthread_mutex_t lock;
    bool by_mutex;           /* `lock` is locked: the process had other threads when it was */
    pthread_cond_t progress; /* completions were taken, the leader has gone, all is lost */
    unsigned int followers;  /* threads that sleep on `progress` */
    bool leading;            /* a thread polls or sleeps outside the mutex */
    bool lost;
    _Atomic uint32_t session; /* counts vgpu_reopen() */
    char lost_text[128];
    VgpuPatience patience, room_patience; /* of waits for an answer, and for room */

    VgpuPci pci;   /* with VGPU_TRANSPORT_REGISTERS */
    VgpuNode node; /* with VGPU_TRANSPORT_QUEUE, as all below */
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
    VgpuArena arena;
    uint8_t *arena_memory;
    size_t chunk; /* bytes of one part of a large copy */
    VgpuHandles handles;
    VgpuTickets tickets;
    VgpuPending pending[VGPU_QUEUE_ENTRIES];
    uint16_t pending_free[VGPU_QUEUE_ENTRIES];
    uint32_t pending_free_count;
    uint32_t turn;             /* of the next tag */
    uint32_t unanswered;       /* commands since the last one that wants an answer */
    uint64_t unanswered_bytes; /* of the arena, in them */
    int first;                 /* a failure that came with an answer nobody waits for */
    uint32_t first_opcode;
    bool failed; /* something in this session has */

    VgpuDeviceInfo device_info; /* once device_texts is set */
    char *device_texts;         /* one allocation */
    pthread_mutex_t adder_lock; /* vgpu_vector_add()'s; taken before `lock` */
    VgpuKernel adder;           /* once made in session adder_session */
    VgpuBuffer adder_buffer;
    uint32_t adder_session;
};

/* A command on its way. */
typedef struct VgpuSubmission {
    struct vgpu_command command; /* but for flags and tag */
    VgpuTicketState *ticket;     /* wants the answer; NULL: none is wanted */
    const void *from;            /* bytes that the command takes along; NULL */
    void *to;                    /* where bytes go that it brings back; NULL */
    size_t length;               /* of either */
    unsigned int arena_arg;      /* the index in arg[] where their place in the arena belongs */
    bool length_is_result;       /* as in VgpuPending */
} VgpuSubmission;

/*
 * vgpu_context_lock:
 * Takes the mutex, but not in a process of one thread: it and its release are a fifth of a call's
 * instructions. No thread begins between lock and unlock, since this one would have to make it.
 */
static inline void vgpu_context_lock(VgpuContext *context)
{
    const bool by_mutex = !VGPU_IS_ALONE;

    if (by_mutex)
        pthread_mutex_lock(&context->lock);
    context->by_mutex = by_mutex;
}

/* Releases it if it was taken, whatever has become of the other threads. */
static inline void vgpu_context_unlock(VgpuContext *context)
{
    if (context->by_mutex)
        pthread_mutex_unlock(&context->lock);
}

/* Locks the context. VGPU_E_FORKED, VGPU_E_LOST (then it is not locked). */
int vgpu_context_enter(VgpuContext *context);

/* The same, for what needs a queue: VGPU_E_UNSUPPORTED. */
int vgpu_context_enter_queue(VgpuContext *context);

/* Unlocks. Returns @code. */
int vgpu_context_leave(VgpuContext *context, int code);

/* Whether this is the process that opened the context. */
bool vgpu_context_is_ours(const VgpuContext *context);

/* Ends the session: all tickets are done, with VGPU_E_LOST. Locked. */
int vgpu_context_lose(VgpuContext *context, const char *why);

/* queue.c and completions.c; all with the context locked, which they leave while they wait. */

/* Begins with an empty queue in context->node. */
void vgpu_queue_begin(VgpuContext *context);

/* Puts a command into the ring, whose tag and the like it fills in; waits for room. VGPU_E_LOST. */
int vgpu_queue_submit(VgpuContext *context, VgpuSubmission *submission);

/* Whether the driver's word or the host's says that all is over. A plain look is enough. */
static inline bool vgpu_queue_is_lost(const VgpuContext *context)
{
    return atomic_load_explicit(VGPU_RING_GUEST_WORD(context->node.slot, lost),
                                memory_order_relaxed) != 0 ||
           atomic_load_explicit(VGPU_RING_HOST_WORD(context->node.slot, broken),
                                memory_order_relaxed) != 0;
}

/* Ends the session as the host's word says. VGPU_E_LOST. */
int vgpu_queue_lose(VgpuContext *context);

/* Waits until something may have changed, at most until @deadline_ns: completions, or the loss of
 * all. @patience: for how long it polls. */
void vgpu_queue_progress(VgpuContext *context, VgpuPatience *patience, uint64_t deadline_ns);

/* Takes the completions that are there, unless another thread sees to that. */
void vgpu_queue_take(VgpuContext *context);

/* Waits until @ticket is done, at most until the monotonic time @deadline_ns (UINT64_MAX: no
 * limit). Returns false when that has come. */
bool vgpu_queue_wait(VgpuContext *context, const VgpuTicketState *ticket, uint64_t deadline_ns);

/* Bytes of the largest piece that is taken along with one command. */
size_t vgpu_queue_most(const VgpuContext *context);

/* Nanoseconds of the monotonic clock. */
uint64_t vgpu_queue_now(void);

/* ticket-calls.c: with the context locked. */

/* A ticket for one call. VGPU_E_LIMIT. */
int vgpu_call_ticket(VgpuContext *context, VgpuTicketState **ticket);

/* What has become of the ticket, with its text; it is gone. */
int vgpu_call_result(VgpuContext *context, VgpuTicketState *ticket);

/* Submits and waits. @result may be NULL. */
int vgpu_call(VgpuContext *context, VgpuSubmission *submission, uint64_t *result);

/* Submits with a ticket for the caller. */
int vgpu_call_async(VgpuContext *context, VgpuSubmission *submission, VgpuTicket *ticket);

/* The same of a command without bytes; and only submits it. */
int vgpu_call_bare(VgpuContext *context, const struct vgpu_command *command);
int vgpu_call_bare_async(VgpuContext *context, const struct vgpu_command *command,
                         VgpuTicket *ticket);
int vgpu_call_unanswered(VgpuContext *context, const struct vgpu_command *command);

/* A new handle in @handle; VGPU_E_LIMIT. */
int vgpu_call_mint(VgpuContext *context, enum VgpuKind kind, uint64_t *handle);

/* VGPU_OK if @handle is of @kind, else VGPU_E_HANDLE. */
int vgpu_call_check(VgpuContext *context, enum VgpuKind kind, uint64_t handle);

/* Checks @kind, submits without an answer; @event, if not NULL, gets a new event. */
int vgpu_call_simple(VgpuContext *context, VgpuSubmission *submission, enum VgpuKind kind,
                     VgpuEvent *event);

#endif
