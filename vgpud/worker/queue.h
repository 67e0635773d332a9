/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker's side of one queue: a slot of the shared memory, see vgpu-queue.h.
 *
 *     for (;;) {
 *         while ((next = vgpu_queue_next(queue, &command)) != VGPU_QUEUE_NEXT_NOTHING) {
 *             if (next == VGPU_QUEUE_NEXT_COMMAND)
 *                 carry it out, then vgpu_queue_complete()
 *             else
 *                 drop all that the owner had; for _SESSION also vgpu_queue_begin()
 *         }
 *         unless (vgpu_spin_until(spin, ready, queue)): ready is vgpu_queue_ready()
 *             if (vgpu_queue_park(queue))
 *                 sleep until the doorbell's eventfd is readable, then read it
 *             vgpu_queue_unpark(queue)
 *     }
 *
 * The guest can write every byte of the slot at any time. What is read from it is copied once and
 * checked; what this side wrote is kept here and never read back. Nothing here waits, allocates or
 * grows with what a guest does.
 *
 * A guest that does not take its completions is not served further once the ring has no room left
 * for those that it is owed: nothing more is fetched until it rings after having taken some.
 *
 * One thread at a time.
 */
#pragma once

#include <glib.h>

#include "vgpu-ring.h"

/* Completed commands that may wait for vgpu_queue_flush(); more are shown by themselves. */
#define VGPU_QUEUE_BATCH 16u

typedef struct {
    guint8 *slot;
    gsize arena_size;  /* bytes */
    int wake;          /* eventfd: the queue's interrupt; borrowed */
    guint32 session;   /* the number that was answered last; 0: nobody owns the queue */
    guint32 wanted;    /* the number that vgpu_queue_next() has reported */
    guint32 completed; /* commands completed, of commands.next that were fetched */
    guint32 owed;      /* completions of commands that were fetched and are not completed */
    guint32 first;     /* enum vgpu_result: the first failure that was not told yet; 0 */
    guint32 first_tag;
    gboolean serving; /* there is a session, begun here and not broken */
    VgpuRingConsumer commands;
    VgpuRingProducer completions;
} VgpuQueue;

typedef enum {
    VGPU_QUEUE_NEXT_NOTHING = 0, /* no command, no room for a completion, or no session */
    VGPU_QUEUE_NEXT_COMMAND = 1,
    VGPU_QUEUE_NEXT_SESSION = 2, /* the owner has gone or is another: drop all that it had, then
                                    vgpu_queue_begin(). Reported until that is called. */
    VGPU_QUEUE_NEXT_BROKEN = 3,  /* indices that cannot be; the guest has been told. Drop all that
                                    the owner had: no more commands until a SESSION. Reported once.
                                  */
} VgpuQueueNext;

/*
 * vgpu_queue_init:
 * @slot: @size bytes of mapped shared memory, page-aligned, of at least VGPU_QUEUE_ARENA +
 * VGPU_QUEUE_ARENA_MIN; borrowed. @wake: an eventfd, borrowed, or -1: wake nobody. A session that
 * is there already was another worker's: it is left alone, and lost. To be called before the worker
 * says VGPU_CHANNEL_READY.
 */
void vgpu_queue_init(VgpuQueue *queue, void *slot, gsize size, int wake);

/* Whether vgpu_queue_next() would not say NOTHING: a few loads, for spinning. */
gboolean vgpu_queue_ready(VgpuQueue *queue);

/*
 * vgpu_queue_next:
 * What is to be done next. Only after COMMAND is there something in @command: a copy, of which
 * nothing has been checked. When it has NOTHING, what was completed has been flushed.
 */
VgpuQueueNext vgpu_queue_next(VgpuQueue *queue, struct vgpu_command *command);

/* TRUE when the owner has gone or is another: vgpu_queue_next() will say SESSION, and what was
 * fetched and not carried out is dropped. */
gboolean vgpu_queue_is_left(const VgpuQueue *queue);

/*
 * vgpu_queue_begin:
 * Answers the SESSION that was reported: the queue is its owner's, or nobody's. Wakes the guest.
 * Commands fetched before must not be completed any more.
 */
void vgpu_queue_begin(VgpuQueue *queue);

/* As vgpu_queue_begin(), but the session is broken from its beginning, for @why, if it is one. */
void vgpu_queue_refuse(VgpuQueue *queue, enum vgpu_result why);

/*
 * vgpu_queue_complete:
 * A command has ended, with @result for the guest where it gives one and the time it took on the
 * device (0: not known). To be called once for each command, in the order in which they were
 * fetched; more than one may be under way. A command that wants no answer gets none, but its
 * failure is kept for the next completion if it is the first. The command's entry and the bytes of
 * the arena are the guest's again, at the latest by vgpu_queue_flush(). After BROKEN it has no
 * effect.
 */
void vgpu_queue_complete(VgpuQueue *queue, const struct vgpu_command *command,
                         enum vgpu_result status, guint64 result, guint64 elapsed_ns);

/*
 * vgpu_queue_fail:
 * The command @tag has failed after it was completed, or wants no answer: the next completion says
 * so, if this is the first failure since the last one.
 */
void vgpu_queue_fail(VgpuQueue *queue, guint32 tag, enum vgpu_result status);

/*
 * vgpu_queue_flush:
 * Shows the guest what was completed, and wakes it if it sleeps. vgpu_queue_next() does so when
 * there is nothing more to fetch. To be called before anything that may take long.
 */
void vgpu_queue_flush(VgpuQueue *queue);

/* Stops serving the session, for @why; the guest is told and woken. As after BROKEN, which is not
 * reported then. Without effect when there is no session. */
void vgpu_queue_break(VgpuQueue *queue, enum vgpu_result why);

/*
 * vgpu_queue_park:
 * Asks the guest to ring at the next command. Returns whether the worker may sleep: nothing has
 * come in the meantime. It wakes by the doorbell, and vgpu_queue_unpark() follows in either case. A
 * doorbell may ring without cause, and does so for each change of session.
 */
gboolean vgpu_queue_park(VgpuQueue *queue);
void vgpu_queue_unpark(VgpuQueue *queue);

/*
 * vgpu_queue_arena:
 * @length bytes at @offset of the arena, or NULL: VGPU_RESULT_OUT_OF_RANGE. Any alignment. The
 * guest may change them at any time: what must not change between check and use is copied first.
 * To be used until the command's completion.
 */
guint8 *vgpu_queue_arena(const VgpuQueue *queue, guint64 offset, guint64 length);
