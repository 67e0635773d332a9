/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One queue, and a guest that uses it by hand, in one process; for tests with cmocka. */
#pragma once

#include "queue.h"

#define QUEUE_SIZE    (VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
#define QUEUE_SESSION 7u /* the one that queue_setup() begins */

typedef struct {
    guint8 *slot; /* QUEUE_SIZE bytes, zeroed */
    struct vgpu_queue_guest *guest;
    struct vgpu_queue_host *host;
    int wake; /* eventfd */
    VgpuQueue queue;
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
} QueueFixture;

/* A queue of nobody; one with a session. The fixture is in @state. */
int queue_setup_bare(void **state);
int queue_setup(void **state);
int queue_teardown(void **state);

/* How often the guest has been woken since the last call. */
guint64 queue_wake_ups(QueueFixture *f);

/* Empties the guest's page and stores the number, as the guest's driver does. */
void queue_store_session(QueueFixture *f, guint32 session);

/* The same, and the worker answers. */
void queue_begin_session(QueueFixture *f, guint32 session);

/* What the worker finds, where it is not a command that matters. */
VgpuQueueNext queue_next(QueueFixture *f);

/* The guest puts a command; puts and publishes it. There is room. */
void queue_put(QueueFixture *f, guint32 tag, guint16 flags);
void queue_submit(QueueFixture *f, guint32 tag, guint16 flags);

/* The worker fetches the command @tag; fetches and completes it, with 100 + @tag as its result and
 * 200 + @tag as its time. */
struct vgpu_command queue_fetch(QueueFixture *f, guint32 tag);
void queue_serve(QueueFixture *f, guint32 tag, enum vgpu_result status);

/* The guest takes a completion, which is there, and gives it back. */
struct vgpu_completion queue_collect(QueueFixture *f);

/* The worker finds nothing to do. */
void queue_assert_nothing(QueueFixture *f);

/* The worker finds indices that cannot be: the guest is told, and woken, once, and not served. */
void queue_assert_broken(QueueFixture *f);
