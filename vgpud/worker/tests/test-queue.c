/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of a queue, with a guest that does as it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "queue-fixture.h"

#define N VGPU_QUEUE_ENTRIES

static void test_nobody(void **state)
{
    QueueFixture *f = *state;

    queue_assert_nothing(f);
    f->guest->command_tail = 3; /* without a session it means nothing */
    queue_assert_nothing(f);
    assert_true(vgpu_queue_park(&f->queue));
    vgpu_queue_unpark(&f->queue);
    vgpu_queue_flush(&f->queue);
    vgpu_queue_break(&f->queue, VGPU_RESULT_QUARANTINED);
    static const struct vgpu_queue_host nothing;
    assert_memory_equal(f->host, &nothing, sizeof(nothing));
    assert_int_equal(queue_wake_ups(f), 0);
}

static void test_session(void **state)
{
    QueueFixture *f = *state;

    memset(f->host, 0xa5, sizeof(*f->host)); /* of the former owner */
    queue_store_session(f, QUEUE_SESSION);
    assert_true(vgpu_queue_ready(&f->queue));
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    assert_int_equal(f->host->session, 0xa5a5a5a5); /* not before all has been dropped */
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    assert_int_equal(queue_wake_ups(f), 0);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(queue_wake_ups(f), 1); /* also of a guest that has not parked */
    assert_int_equal(f->host->command_head, 0);
    assert_int_equal(f->host->completion_tail, 0);
    assert_int_equal(f->host->parked, 0);
    assert_int_equal(f->host->session, QUEUE_SESSION);
    assert_int_equal(f->host->broken, 0);
    queue_assert_nothing(f);
}

/* From one owner to the next one, with and without 0 between them; nothing of the former is left.
 */
static void test_sessions(void **state)
{
    QueueFixture *f = *state;

    for (guint32 session = QUEUE_SESSION + 1; session < QUEUE_SESSION + 8; session++) {
        queue_submit(f, 1, 0);
        queue_submit(f, 2, VGPU_COMMAND_ANSWER);
        queue_submit(f, 3, VGPU_COMMAND_ANSWER);
        queue_serve(f, 1, VGPU_RESULT_INVALID); /* a failure that is never told */
        if (session % 2 == 0) {
            queue_fetch(f, 2); /* under way when the owner goes */
            queue_store_session(f, 0);
            assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
            vgpu_queue_begin(&f->queue);
            assert_int_equal(f->host->session, 0);
            assert_int_equal(queue_wake_ups(f), 1);
            queue_submit(f, 4, VGPU_COMMAND_ANSWER); /* from nobody */
            queue_assert_nothing(f);
        }
        queue_begin_session(f, session);
        queue_assert_nothing(f);
        queue_submit(f, 5, VGPU_COMMAND_ANSWER);
        queue_serve(f, 5, VGPU_RESULT_OK);
        vgpu_queue_flush(&f->queue);
        const struct vgpu_completion completion = queue_collect(f);
        assert_int_equal(completion.tag, 5);
        assert_int_equal(completion.first, VGPU_RESULT_OK);
    }
}

/* The number changes again while the former owner's objects are dropped. */
static void test_session_changes_twice(void **state)
{
    QueueFixture *f = *state;

    queue_store_session(f, QUEUE_SESSION + 1);
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    queue_store_session(f, QUEUE_SESSION + 2);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, QUEUE_SESSION + 1); /* the one that all was dropped for */
    assert_true(vgpu_queue_ready(&f->queue));
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, QUEUE_SESSION + 2);

    /* And back to the number that is being left: it began anew. */
    queue_store_session(f, QUEUE_SESSION + 3);
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    queue_store_session(f, QUEUE_SESSION + 2);
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(queue_next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, QUEUE_SESSION + 2);
    queue_assert_nothing(f);
}

/* A new worker: what it finds is another's. */
static void test_found_session(void **state)
{
    QueueFixture *f = *state;
    VgpuQueue later;
    struct vgpu_command command;

    queue_submit(f, 1, VGPU_COMMAND_ANSWER);
    const struct vgpu_queue_host before = *f->host;
    vgpu_queue_init(&later, f->slot, QUEUE_SIZE, f->wake);
    assert_false(vgpu_queue_ready(&later));
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_NOTHING);
    assert_true(vgpu_queue_park(&later));
    vgpu_queue_unpark(&later);
    assert_memory_equal(f->host, &before, sizeof(before));
    assert_int_equal(queue_wake_ups(f), 0);

    queue_store_session(f, 0);
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&later);
    assert_int_equal(f->host->session, 0);
    queue_store_session(f, QUEUE_SESSION + 1);
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&later);
    queue_submit(f, 2, VGPU_COMMAND_ANSWER);
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_COMMAND);
    assert_int_equal(command.tag, 2);
}

static void test_commands(void **state)
{
    QueueFixture *f = *state;

    for (guint32 i = 0; i < 5 * N; i += 3) {
        queue_put(f, i, VGPU_COMMAND_ANSWER);
        queue_put(f, i + 1, 0);
        queue_submit(f, i + 2, VGPU_COMMAND_ANSWER);
        assert_true(vgpu_queue_ready(&f->queue));
        queue_serve(f, i, VGPU_RESULT_TIMEOUT);
        queue_serve(f, i + 1, VGPU_RESULT_OK);
        queue_serve(f, i + 2, VGPU_RESULT_OK);
        queue_assert_nothing(f); /* flushes */
        assert_int_equal(f->host->command_head, i + 3);
        const struct vgpu_completion one = queue_collect(f), two = queue_collect(f);
        assert_int_equal(one.tag, i);
        assert_int_equal(one.status, VGPU_RESULT_TIMEOUT);
        assert_true(one.result == 100 + i);
        assert_true(one.elapsed_ns == 200 + i);
        assert_int_equal(one.first, VGPU_RESULT_OK); /* not its own */
        assert_int_equal(two.tag, i + 2);
        assert_int_equal(two.status, VGPU_RESULT_OK);
        assert_int_equal(two.first, VGPU_RESULT_OK);
        assert_int_equal(vgpu_ring_available(&f->completions), 0);
    }
}

static void test_first_failure(void **state)
{
    QueueFixture *f = *state;

    queue_put(f, 1, 0);
    queue_put(f, 2, 0);
    queue_put(f, 3, 0);
    queue_put(f, 4, VGPU_COMMAND_ANSWER);
    queue_submit(f, 5, VGPU_COMMAND_ANSWER);
    queue_serve(f, 1, VGPU_RESULT_OK);
    queue_serve(f, 2, VGPU_RESULT_BAD_HANDLE);
    queue_serve(f, 3, VGPU_RESULT_QUOTA);
    queue_serve(f, 4, VGPU_RESULT_OK);
    queue_serve(f, 5, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    struct vgpu_completion completion = queue_collect(f);
    assert_int_equal(completion.status, VGPU_RESULT_OK);
    assert_int_equal(completion.first, VGPU_RESULT_BAD_HANDLE);
    assert_int_equal(completion.first_tag, 2);
    completion = queue_collect(f);
    assert_int_equal(completion.first, VGPU_RESULT_OK); /* told once */
    assert_int_equal(completion.first_tag, 0);

    vgpu_queue_fail(&f->queue, 4, VGPU_RESULT_TIMEOUT); /* afterwards */
    vgpu_queue_fail(&f->queue, 5, VGPU_RESULT_EXECUTION_FAILED);
    queue_submit(f, 6, VGPU_COMMAND_ANSWER);
    queue_serve(f, 6, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    completion = queue_collect(f);
    assert_int_equal(completion.first, VGPU_RESULT_TIMEOUT);
    assert_int_equal(completion.first_tag, 4);
}

/* Nothing is shown or given back before a flush; a full batch flushes by itself. */
static void test_batch(void **state)
{
    QueueFixture *f = *state;

    for (guint32 i = 0; i <= VGPU_QUEUE_BATCH; i++)
        queue_put(f, i, VGPU_COMMAND_ANSWER);
    vgpu_ring_publish(&f->commands);
    vgpu_ring_park(&f->completions);
    for (guint32 i = 0; i < VGPU_QUEUE_BATCH - 1; i++)
        queue_serve(f, i, VGPU_RESULT_OK);
    assert_int_equal(f->host->command_head, 0);
    assert_int_equal(f->host->completion_tail, 0);
    assert_int_equal(queue_wake_ups(f), 0);
    queue_serve(f, VGPU_QUEUE_BATCH - 1, VGPU_RESULT_OK);
    assert_int_equal(f->host->command_head, VGPU_QUEUE_BATCH);
    assert_int_equal(f->host->completion_tail, VGPU_QUEUE_BATCH);
    assert_int_equal(f->guest->parked, 0);
    assert_int_equal(queue_wake_ups(f), 1);
    queue_serve(f, VGPU_QUEUE_BATCH, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    assert_int_equal(f->host->completion_tail, VGPU_QUEUE_BATCH + 1);
    assert_int_equal(queue_wake_ups(f), 0); /* not parked any more */
}

/* Bytes of the arena belong to the worker while their commands are under way. */
static void test_under_way(void **state)
{
    QueueFixture *f = *state;
    struct vgpu_command commands[3];

    for (guint32 i = 0; i < 3; i++)
        queue_submit(f, i, i == 1 ? 0 : VGPU_COMMAND_ANSWER);
    for (guint32 i = 0; i < 3; i++)
        commands[i] = queue_fetch(f, i);
    queue_assert_nothing(f);
    assert_int_equal(f->host->command_head, 0);
    vgpu_queue_complete(&f->queue, &commands[0], VGPU_RESULT_OK, 0, 0);
    vgpu_queue_complete(&f->queue, &commands[1], VGPU_RESULT_OK, 0, 0);
    queue_assert_nothing(f);
    assert_int_equal(f->host->command_head, 2);
    assert_int_equal(f->host->completion_tail, 1);
    vgpu_queue_complete(&f->queue, &commands[2], VGPU_RESULT_OK, 0, 0);
    assert_true(vgpu_queue_park(&f->queue)); /* flushes, too: nobody else will */
    assert_int_equal(f->host->completion_tail, 2);
}

static void test_park(void **state)
{
    QueueFixture *f = *state;

    assert_true(vgpu_queue_park(&f->queue));
    assert_int_equal(f->host->parked, 1);
    queue_put(f, 1, 0);
    assert_true(vgpu_ring_publish(&f->commands)); /* the guest rings */
    vgpu_queue_unpark(&f->queue);
    queue_serve(f, 1, VGPU_RESULT_OK);
    queue_submit(f, 2, 0);
    assert_false(vgpu_queue_park(&f->queue)); /* the second look */
    vgpu_queue_unpark(&f->queue);
    assert_int_equal(f->host->parked, 0);
    queue_serve(f, 2, VGPU_RESULT_OK);
    queue_store_session(f, 0);
    assert_false(vgpu_queue_park(&f->queue));
}

static void test_break(void **state)
{
    QueueFixture *f = *state;

    queue_submit(f, 1, VGPU_COMMAND_ANSWER);
    queue_submit(f, 2, VGPU_COMMAND_ANSWER);
    queue_serve(f, 1, VGPU_RESULT_OK);
    vgpu_queue_break(&f->queue, VGPU_RESULT_QUARANTINED);
    assert_int_equal(f->host->broken, VGPU_RESULT_QUARANTINED);
    assert_int_equal(f->host->completion_tail, 1);
    assert_int_equal(queue_wake_ups(f), 1);
    queue_assert_nothing(f);
    vgpu_queue_break(&f->queue, VGPU_RESULT_INVALID); /* the first counts */
    assert_int_equal(f->host->broken, VGPU_RESULT_QUARANTINED);
    assert_int_equal(queue_wake_ups(f), 0);
    queue_begin_session(f, QUEUE_SESSION + 1);
    assert_int_equal(f->host->broken, 0);
}

static void test_arena(void **state)
{
    QueueFixture *f = *state;
    const guint64 size = QUEUE_SIZE - VGPU_QUEUE_ARENA, most = G_MAXUINT64;
    guint8 *arena = f->slot + VGPU_QUEUE_ARENA;

    assert_ptr_equal(vgpu_queue_arena(&f->queue, 0, size), arena);
    assert_ptr_equal(vgpu_queue_arena(&f->queue, 1, size - 1), arena + 1);
    assert_ptr_equal(vgpu_queue_arena(&f->queue, size, 0), arena + size);
    assert_ptr_equal(vgpu_queue_arena(&f->queue, size - 1, 1), arena + size - 1);
    assert_null(vgpu_queue_arena(&f->queue, 0, size + 1));
    assert_null(vgpu_queue_arena(&f->queue, 1, size));
    assert_null(vgpu_queue_arena(&f->queue, size, 1));
    assert_null(vgpu_queue_arena(&f->queue, size + 1, 0));
    assert_null(vgpu_queue_arena(&f->queue, most, 0));
    assert_null(vgpu_queue_arena(&f->queue, most, 1));
    assert_null(vgpu_queue_arena(&f->queue, 1, most));
    assert_null(vgpu_queue_arena(&f->queue, most, most));
    assert_null(vgpu_queue_arena(&f->queue, most - 15, 16));
    assert_null(vgpu_queue_arena(&f->queue, 16, most - 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody, queue_setup_bare, queue_teardown),
        cmocka_unit_test_setup_teardown(test_session, queue_setup_bare, queue_teardown),
        cmocka_unit_test_setup_teardown(test_sessions, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_session_changes_twice, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_found_session, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_commands, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_first_failure, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_batch, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_under_way, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_park, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_break, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_arena, queue_setup, queue_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
