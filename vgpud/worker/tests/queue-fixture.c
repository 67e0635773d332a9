/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

guint64 queue_wake_ups(QueueFixture *f)
{
    eventfd_t count;

    return eventfd_read(f->wake, &count) == 0 ? count : 0;
}

void queue_store_session(QueueFixture *f, guint32 session)
{
    memset(f->guest, 0, offsetof(struct vgpu_queue_guest, session));
    f->guest->session = session;
    f->commands = vgpu_ring_produce_commands(f->slot);
    f->completions = vgpu_ring_consume_completions(f->slot);
}

VgpuQueueNext queue_next(QueueFixture *f)
{
    struct vgpu_command command;

    return vgpu_queue_next(&f->queue, &command);
}

void queue_begin_session(QueueFixture *f, guint32 session)
{
    queue_store_session(f, session);
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, session);
    assert_int_equal(queue_wake_ups(f), 1);
}

int queue_setup_bare(void **state)
{
    QueueFixture *f = g_new0(QueueFixture, 1);

    f->slot = aligned_alloc(VGPU_QUEUE_PAGE, QUEUE_SIZE);
    memset(f->slot, 0, QUEUE_SIZE);
    f->guest = (void *)(f->slot + VGPU_QUEUE_GUEST);
    f->host = (void *)(f->slot + VGPU_QUEUE_HOST);
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    vgpu_queue_init(&f->queue, f->slot, QUEUE_SIZE, f->wake);
    *state = f;
    return 0;
}

int queue_setup(void **state)
{
    queue_setup_bare(state);
    queue_begin_session(*state, QUEUE_SESSION);
    return 0;
}

int queue_teardown(void **state)
{
    QueueFixture *f = *state;

    close(f->wake);
    free(f->slot);
    g_free(f);
    return 0;
}

void queue_put(QueueFixture *f, guint32 tag, guint16 flags)
{
    const struct vgpu_command command = {.opcode = VGPU_CMD_NOP, .flags = flags, .tag = tag};

    assert_true(vgpu_ring_room(&f->commands, 1) > 0);
    vgpu_ring_put(&f->commands, &command);
}

void queue_submit(QueueFixture *f, guint32 tag, guint16 flags)
{
    queue_put(f, tag, flags);
    vgpu_ring_publish(&f->commands);
}

struct vgpu_command queue_fetch(QueueFixture *f, guint32 tag)
{
    struct vgpu_command command;

    assert_int_equal(vgpu_queue_next(&f->queue, &command), VGPU_QUEUE_NEXT_COMMAND);
    assert_int_equal(command.tag, tag);
    return command;
}

void queue_serve(QueueFixture *f, guint32 tag, enum vgpu_result status)
{
    const struct vgpu_command command = queue_fetch(f, tag);

    vgpu_queue_complete(&f->queue, &command, status, 100 + tag, 200 + tag);
}

struct vgpu_completion queue_collect(QueueFixture *f)
{
    struct vgpu_completion completion;

    assert_true(vgpu_ring_available(&f->completions) > 0);
    vgpu_ring_take(&f->completions, &completion);
    vgpu_ring_return(&f->completions, f->completions.next);
    return completion;
}

void queue_assert_nothing(QueueFixture *f)
{
    assert_false(vgpu_queue_ready(&f->queue));
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_NOTHING);
}

void queue_assert_broken(QueueFixture *f)
{
    queue_wake_ups(f);
    assert_true(vgpu_queue_ready(&f->queue));
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_BROKEN);
    assert_int_equal(f->host->broken, VGPU_RESULT_BAD_QUEUE);
    assert_int_equal(queue_wake_ups(f), 1);
    queue_assert_nothing(f);
    assert_true(vgpu_queue_park(&f->queue));
    assert_int_equal(queue_wake_ups(f), 0);
}
