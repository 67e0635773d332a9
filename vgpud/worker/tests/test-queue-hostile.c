/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of a queue, with a guest that is slow, wrong or hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "queue-fixture.h"

#define N VGPU_QUEUE_ENTRIES

/* The guest takes nothing: no command is fetched that might want an answer too many. */
static void test_not_drained(void **state)
{
    QueueFixture *f = *state;
    guint32 tag = 0;

    for (; tag < N - 2; tag++) {
        queue_submit(f, tag, VGPU_COMMAND_ANSWER);
        queue_serve(f, tag, VGPU_RESULT_OK);
    }
    vgpu_queue_flush(&f->queue);
    queue_submit(f, tag, VGPU_COMMAND_ANSWER);
    queue_submit(f, tag + 1, VGPU_COMMAND_ANSWER);
    queue_submit(f, tag + 2, 0);
    const struct vgpu_command one = queue_fetch(f, tag); /* two are free; they are owed now */
    const struct vgpu_command two = queue_fetch(f, tag + 1);
    queue_assert_nothing(f);
    assert_true(vgpu_queue_park(&f->queue)); /* it does not spin on what it may not fetch */
    vgpu_queue_complete(&f->queue, &one, VGPU_RESULT_OK, 0, 0);
    vgpu_queue_complete(&f->queue, &two, VGPU_RESULT_OK, 0, 0);
    queue_assert_nothing(f);
    assert_int_equal(f->host->completion_tail, N);

    queue_collect(f); /* one is free: whatever the next command is, it can be answered */
    assert_true(vgpu_queue_ready(&f->queue));
    queue_serve(f, tag + 2, VGPU_RESULT_OK);
    for (guint32 i = 1; i < N; i++)
        assert_int_equal(queue_collect(f).tag, i);
}

/* Nobody is stopped who has at most VGPU_QUEUE_ANSWERS of them to come. */
static void test_answers_allowed(void **state)
{
    QueueFixture *f = *state;

    for (guint32 i = 0; i < VGPU_QUEUE_ANSWERS; i++)
        queue_submit(f, i, VGPU_COMMAND_ANSWER);
    for (guint32 i = 0; i < VGPU_QUEUE_ANSWERS; i++)
        queue_serve(f, i, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    for (guint32 i = 0; i < 3 * N; i++) {
        queue_submit(f, i, 0);
        queue_serve(f, i, VGPU_RESULT_OK);
        vgpu_queue_flush(&f->queue);
    }
}

static void test_bad_tail(void **state)
{
    QueueFixture *f = *state;
    static const guint32 bad[] = {N + 1, 0x80000000, 0xffffffff, 0x7fffffff, 2};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        if (bad[i] == 2) { /* backwards, by one */
            for (guint32 tag = 0; tag < 3; tag++)
                queue_submit(f, tag, 0);
            for (guint32 tag = 0; tag < 3; tag++)
                queue_serve(f, tag, VGPU_RESULT_OK);
        }
        f->guest->command_tail = bad[i];
        queue_assert_broken(f);
        f->guest->command_tail = 0; /* making it good does not help */
        queue_assert_nothing(f);
        queue_begin_session(f, QUEUE_SESSION + 1 + i);
        queue_submit(f, i, 0);
        queue_serve(f, i, VGPU_RESULT_OK);
        queue_begin_session(f, QUEUE_SESSION + 100 + i);
    }
}

/* The tail goes too far while commands are under way: their entries are not the guest's yet. */
static void test_bad_tail_under_way(void **state)
{
    QueueFixture *f = *state;

    for (guint32 tag = 0; tag < N; tag++)
        queue_submit(f, tag, 0);
    struct vgpu_command command = queue_fetch(f, 0);
    for (guint32 tag = 1; tag < N; tag++)
        queue_fetch(f, tag);
    f->guest->command_tail = N + 1;
    queue_assert_broken(f);
    vgpu_queue_complete(&f->queue, &command, VGPU_RESULT_OK, 0, 0); /* of no effect */
    vgpu_queue_flush(&f->queue);
    assert_int_equal(f->host->command_head, 0);
}

/* Completions are looked at when they are needed: a bad index is found then, not before. */
static void test_bad_head(void **state)
{
    QueueFixture *f = *state;
    static const guint32 bad[] = {N + 1, 0x80000000, 0xffffffff, N + 100};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        f->guest->completion_head = bad[i];
        for (guint32 tag = 0; tag < N; tag++) {
            queue_submit(f, tag, VGPU_COMMAND_ANSWER);
            queue_serve(f, tag, VGPU_RESULT_OK);
        }
        queue_submit(f, N, 0);
        queue_assert_broken(f);
        assert_int_equal(f->host->completion_tail, N); /* what was done has been shown */
        queue_begin_session(f, QUEUE_SESSION + 1 + i);
    }
}

/* A guest that writes into the host's page harms nobody but itself. */
static void test_host_page_overwritten(void **state)
{
    QueueFixture *f = *state;

    queue_submit(f, 1, VGPU_COMMAND_ANSWER);
    queue_serve(f, 1, VGPU_RESULT_OK);
    memset(f->host, 0xff, VGPU_QUEUE_PAGE);
    queue_assert_nothing(f);
    assert_int_equal(f->host->command_head, 1);
    assert_int_equal(f->host->completion_tail, 1);
    assert_true(vgpu_queue_park(&f->queue));
    vgpu_queue_unpark(&f->queue);
    queue_submit(f, 2, VGPU_COMMAND_ANSWER);
    queue_serve(f, 2, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    assert_int_equal(f->host->completion_tail, 2);
}

/* Any page of a guest: it ends, and gives commands only of a ring's length, then nothing. */
static void test_random_pages(void **state)
{
    QueueFixture *f = *state;
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    struct vgpu_command command;

    for (int round = 0; round < 20000; round++) {
        guint32 *word = (guint32 *)(void *)f->guest + 16 * g_rand_int_range(rand, 0, 4);
        *word = g_rand_boolean(rand) ? g_rand_int(rand) : (guint32)g_rand_int_range(rand, 0, 300);
        guint fetched = 0;
        for (VgpuQueueNext what; (what = vgpu_queue_next(&f->queue, &command)) != 0;) {
            if (what == VGPU_QUEUE_NEXT_SESSION) {
                vgpu_queue_begin(&f->queue);
            } else if (what == VGPU_QUEUE_NEXT_COMMAND) {
                assert_true(++fetched <= N);
                vgpu_queue_complete(&f->queue, &command, VGPU_RESULT_INVALID, 0, 0);
            }
        }
        assert_true(vgpu_queue_park(&f->queue));
        vgpu_queue_unpark(&f->queue);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_not_drained, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_answers_allowed, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_bad_tail, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_bad_tail_under_way, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_bad_head, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_host_page_overwritten, queue_setup, queue_teardown),
        cmocka_unit_test_setup_teardown(test_random_pages, queue_setup, queue_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
