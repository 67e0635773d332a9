/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of a queue against a guest that is right, late, wrong or hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue.h"

#define SIZE    (VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
#define N       VGPU_QUEUE_ENTRIES
#define SESSION 7u

typedef struct {
    guint8 *slot;
    struct vgpu_queue_guest *guest;
    struct vgpu_queue_host *host;
    int wake;
    VgpuQueue queue;
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
} Fixture;

static guint64 wake_ups(Fixture *f)
{
    eventfd_t count;

    return eventfd_read(f->wake, &count) == 0 ? count : 0;
}

/* As the guest's driver does it. */
static void store_session(Fixture *f, guint32 session)
{
    memset(f->guest, 0, offsetof(struct vgpu_queue_guest, session));
    f->guest->session = session;
    f->commands = vgpu_ring_produce_commands(f->slot);
    f->completions = vgpu_ring_consume_completions(f->slot);
}

static VgpuQueueNext next(Fixture *f)
{
    struct vgpu_command command;

    return vgpu_queue_next(&f->queue, &command);
}

static void begin_session(Fixture *f, guint32 session)
{
    store_session(f, session);
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, session);
    assert_int_equal(wake_ups(f), 1);
}

static int setup_bare(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->slot = aligned_alloc(VGPU_QUEUE_PAGE, SIZE);
    memset(f->slot, 0, SIZE);
    f->guest = (void *)(f->slot + VGPU_QUEUE_GUEST);
    f->host = (void *)(f->slot + VGPU_QUEUE_HOST);
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    vgpu_queue_init(&f->queue, f->slot, SIZE, f->wake);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    setup_bare(state);
    begin_session(*state, SESSION);
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    close(f->wake);
    free(f->slot);
    g_free(f);
    return 0;
}

static void put(Fixture *f, guint32 tag, guint16 flags)
{
    const struct vgpu_command command = {.opcode = VGPU_CMD_NOP, .flags = flags, .tag = tag};

    assert_true(vgpu_ring_room(&f->commands, 1) > 0);
    vgpu_ring_put(&f->commands, &command);
}

static void submit(Fixture *f, guint32 tag, guint16 flags)
{
    put(f, tag, flags);
    vgpu_ring_publish(&f->commands);
}

/* Fetches the command @tag. */
static struct vgpu_command fetch(Fixture *f, guint32 tag)
{
    struct vgpu_command command;

    assert_int_equal(vgpu_queue_next(&f->queue, &command), VGPU_QUEUE_NEXT_COMMAND);
    assert_int_equal(command.tag, tag);
    return command;
}

static void serve(Fixture *f, guint32 tag, enum vgpu_result status)
{
    const struct vgpu_command command = fetch(f, tag);

    vgpu_queue_complete(&f->queue, &command, status, 100 + tag, 200 + tag);
}

static struct vgpu_completion collect(Fixture *f)
{
    struct vgpu_completion completion;

    assert_true(vgpu_ring_available(&f->completions) > 0);
    vgpu_ring_take(&f->completions, &completion);
    vgpu_ring_return(&f->completions, f->completions.next);
    return completion;
}

static void assert_nothing(Fixture *f)
{
    assert_false(vgpu_queue_ready(&f->queue));
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_NOTHING);
}

/* The session does not go on: the guest is told, and woken, once. */
static void assert_broken(Fixture *f)
{
    wake_ups(f);
    assert_true(vgpu_queue_ready(&f->queue));
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_BROKEN);
    assert_int_equal(f->host->broken, VGPU_RESULT_BAD_QUEUE);
    assert_int_equal(wake_ups(f), 1);
    assert_nothing(f);
    assert_true(vgpu_queue_park(&f->queue));
    assert_int_equal(wake_ups(f), 0);
}

static void test_nobody(void **state)
{
    Fixture *f = *state;

    assert_nothing(f);
    f->guest->command_tail = 3; /* without a session it means nothing */
    assert_nothing(f);
    assert_true(vgpu_queue_park(&f->queue));
    vgpu_queue_unpark(&f->queue);
    vgpu_queue_flush(&f->queue);
    vgpu_queue_break(&f->queue, VGPU_RESULT_QUARANTINED);
    static const struct vgpu_queue_host nothing;
    assert_memory_equal(f->host, &nothing, sizeof(nothing));
    assert_int_equal(wake_ups(f), 0);
}

static void test_session(void **state)
{
    Fixture *f = *state;

    memset(f->host, 0xa5, sizeof(*f->host)); /* of the former owner */
    store_session(f, SESSION);
    assert_true(vgpu_queue_ready(&f->queue));
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    assert_int_equal(f->host->session, 0xa5a5a5a5); /* not before all has been dropped */
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    assert_int_equal(wake_ups(f), 0);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(wake_ups(f), 1); /* also of a guest that has not parked */
    assert_int_equal(f->host->command_head, 0);
    assert_int_equal(f->host->completion_tail, 0);
    assert_int_equal(f->host->parked, 0);
    assert_int_equal(f->host->session, SESSION);
    assert_int_equal(f->host->broken, 0);
    assert_nothing(f);
}

/* From one owner to the next one, with and without 0 between them; nothing of the former is left.
 */
static void test_sessions(void **state)
{
    Fixture *f = *state;

    for (guint32 session = SESSION + 1; session < SESSION + 8; session++) {
        submit(f, 1, 0);
        submit(f, 2, VGPU_COMMAND_ANSWER);
        submit(f, 3, VGPU_COMMAND_ANSWER);
        serve(f, 1, VGPU_RESULT_INVALID); /* a failure that is never told */
        if (session % 2 == 0) {
            fetch(f, 2); /* under way when the owner goes */
            store_session(f, 0);
            assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
            vgpu_queue_begin(&f->queue);
            assert_int_equal(f->host->session, 0);
            assert_int_equal(wake_ups(f), 1);
            submit(f, 4, VGPU_COMMAND_ANSWER); /* from nobody */
            assert_nothing(f);
        }
        begin_session(f, session);
        assert_nothing(f);
        submit(f, 5, VGPU_COMMAND_ANSWER);
        serve(f, 5, VGPU_RESULT_OK);
        vgpu_queue_flush(&f->queue);
        const struct vgpu_completion completion = collect(f);
        assert_int_equal(completion.tag, 5);
        assert_int_equal(completion.first, VGPU_RESULT_OK);
    }
}

/* The number changes again while the former owner's objects are dropped. */
static void test_session_changes_twice(void **state)
{
    Fixture *f = *state;

    store_session(f, SESSION + 1);
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    store_session(f, SESSION + 2);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, SESSION + 1); /* the one that all was dropped for */
    assert_true(vgpu_queue_ready(&f->queue));
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, SESSION + 2);

    /* And back to the number that is being left: it began anew. */
    store_session(f, SESSION + 3);
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    store_session(f, SESSION + 2);
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(next(f), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&f->queue);
    assert_int_equal(f->host->session, SESSION + 2);
    assert_nothing(f);
}

/* A new worker: what it finds is another's. */
static void test_found_session(void **state)
{
    Fixture *f = *state;
    VgpuQueue later;
    struct vgpu_command command;

    submit(f, 1, VGPU_COMMAND_ANSWER);
    const struct vgpu_queue_host before = *f->host;
    vgpu_queue_init(&later, f->slot, SIZE, f->wake);
    assert_false(vgpu_queue_ready(&later));
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_NOTHING);
    assert_true(vgpu_queue_park(&later));
    vgpu_queue_unpark(&later);
    assert_memory_equal(f->host, &before, sizeof(before));
    assert_int_equal(wake_ups(f), 0);

    store_session(f, 0);
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&later);
    assert_int_equal(f->host->session, 0);
    store_session(f, SESSION + 1);
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_SESSION);
    vgpu_queue_begin(&later);
    submit(f, 2, VGPU_COMMAND_ANSWER);
    assert_int_equal(vgpu_queue_next(&later, &command), VGPU_QUEUE_NEXT_COMMAND);
    assert_int_equal(command.tag, 2);
}

static void test_commands(void **state)
{
    Fixture *f = *state;

    for (guint32 i = 0; i < 5 * N; i += 3) {
        put(f, i, VGPU_COMMAND_ANSWER);
        put(f, i + 1, 0);
        submit(f, i + 2, VGPU_COMMAND_ANSWER);
        assert_true(vgpu_queue_ready(&f->queue));
        serve(f, i, VGPU_RESULT_TIMEOUT);
        serve(f, i + 1, VGPU_RESULT_OK);
        serve(f, i + 2, VGPU_RESULT_OK);
        assert_nothing(f); /* flushes */
        assert_int_equal(f->host->command_head, i + 3);
        const struct vgpu_completion one = collect(f), two = collect(f);
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
    Fixture *f = *state;

    put(f, 1, 0);
    put(f, 2, 0);
    put(f, 3, 0);
    put(f, 4, VGPU_COMMAND_ANSWER);
    submit(f, 5, VGPU_COMMAND_ANSWER);
    serve(f, 1, VGPU_RESULT_OK);
    serve(f, 2, VGPU_RESULT_BAD_HANDLE);
    serve(f, 3, VGPU_RESULT_QUOTA);
    serve(f, 4, VGPU_RESULT_OK);
    serve(f, 5, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    struct vgpu_completion completion = collect(f);
    assert_int_equal(completion.status, VGPU_RESULT_OK);
    assert_int_equal(completion.first, VGPU_RESULT_BAD_HANDLE);
    assert_int_equal(completion.first_tag, 2);
    completion = collect(f);
    assert_int_equal(completion.first, VGPU_RESULT_OK); /* told once */
    assert_int_equal(completion.first_tag, 0);
}

/* Nothing is shown or given back before a flush; a full batch flushes by itself. */
static void test_batch(void **state)
{
    Fixture *f = *state;

    for (guint32 i = 0; i <= VGPU_QUEUE_BATCH; i++)
        put(f, i, VGPU_COMMAND_ANSWER);
    vgpu_ring_publish(&f->commands);
    vgpu_ring_park(&f->completions);
    for (guint32 i = 0; i < VGPU_QUEUE_BATCH - 1; i++)
        serve(f, i, VGPU_RESULT_OK);
    assert_int_equal(f->host->command_head, 0);
    assert_int_equal(f->host->completion_tail, 0);
    assert_int_equal(wake_ups(f), 0);
    serve(f, VGPU_QUEUE_BATCH - 1, VGPU_RESULT_OK);
    assert_int_equal(f->host->command_head, VGPU_QUEUE_BATCH);
    assert_int_equal(f->host->completion_tail, VGPU_QUEUE_BATCH);
    assert_int_equal(f->guest->parked, 0);
    assert_int_equal(wake_ups(f), 1);
    serve(f, VGPU_QUEUE_BATCH, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    assert_int_equal(f->host->completion_tail, VGPU_QUEUE_BATCH + 1);
    assert_int_equal(wake_ups(f), 0); /* not parked any more */
}

/* Bytes of the arena belong to the worker while their commands are under way. */
static void test_under_way(void **state)
{
    Fixture *f = *state;
    struct vgpu_command commands[3];

    for (guint32 i = 0; i < 3; i++)
        submit(f, i, i == 1 ? 0 : VGPU_COMMAND_ANSWER);
    for (guint32 i = 0; i < 3; i++)
        commands[i] = fetch(f, i);
    assert_nothing(f);
    assert_int_equal(f->host->command_head, 0);
    vgpu_queue_complete(&f->queue, &commands[0], VGPU_RESULT_OK, 0, 0);
    vgpu_queue_complete(&f->queue, &commands[1], VGPU_RESULT_OK, 0, 0);
    assert_nothing(f);
    assert_int_equal(f->host->command_head, 2);
    assert_int_equal(f->host->completion_tail, 1);
    vgpu_queue_complete(&f->queue, &commands[2], VGPU_RESULT_OK, 0, 0);
    assert_true(vgpu_queue_park(&f->queue)); /* flushes, too: nobody else will */
    assert_int_equal(f->host->completion_tail, 2);
}

static void test_park(void **state)
{
    Fixture *f = *state;

    assert_true(vgpu_queue_park(&f->queue));
    assert_int_equal(f->host->parked, 1);
    put(f, 1, 0);
    assert_true(vgpu_ring_publish(&f->commands)); /* the guest rings */
    vgpu_queue_unpark(&f->queue);
    serve(f, 1, VGPU_RESULT_OK);
    submit(f, 2, 0);
    assert_false(vgpu_queue_park(&f->queue)); /* the second look */
    vgpu_queue_unpark(&f->queue);
    assert_int_equal(f->host->parked, 0);
    serve(f, 2, VGPU_RESULT_OK);
    store_session(f, 0);
    assert_false(vgpu_queue_park(&f->queue));
}

/* The guest takes nothing: no command is fetched that might want an answer too many. */
static void test_not_drained(void **state)
{
    Fixture *f = *state;
    guint32 tag = 0;

    for (; tag < N - 2; tag++) {
        submit(f, tag, VGPU_COMMAND_ANSWER);
        serve(f, tag, VGPU_RESULT_OK);
    }
    vgpu_queue_flush(&f->queue);
    submit(f, tag, VGPU_COMMAND_ANSWER);
    submit(f, tag + 1, VGPU_COMMAND_ANSWER);
    submit(f, tag + 2, 0);
    const struct vgpu_command one = fetch(f, tag); /* two are free; they are owed now */
    const struct vgpu_command two = fetch(f, tag + 1);
    assert_nothing(f);
    assert_true(vgpu_queue_park(&f->queue)); /* it does not spin on what it may not fetch */
    vgpu_queue_complete(&f->queue, &one, VGPU_RESULT_OK, 0, 0);
    vgpu_queue_complete(&f->queue, &two, VGPU_RESULT_OK, 0, 0);
    assert_nothing(f);
    assert_int_equal(f->host->completion_tail, N);

    collect(f); /* one is free: whatever the next command is, it can be answered */
    assert_true(vgpu_queue_ready(&f->queue));
    serve(f, tag + 2, VGPU_RESULT_OK);
    for (guint32 i = 1; i < N; i++)
        assert_int_equal(collect(f).tag, i);
}

/* Nobody is stopped who has at most VGPU_QUEUE_ANSWERS of them to come. */
static void test_answers_allowed(void **state)
{
    Fixture *f = *state;

    for (guint32 i = 0; i < VGPU_QUEUE_ANSWERS; i++)
        submit(f, i, VGPU_COMMAND_ANSWER);
    for (guint32 i = 0; i < VGPU_QUEUE_ANSWERS; i++)
        serve(f, i, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    for (guint32 i = 0; i < 3 * N; i++) {
        submit(f, i, 0);
        serve(f, i, VGPU_RESULT_OK);
        vgpu_queue_flush(&f->queue);
    }
}

static void test_bad_tail(void **state)
{
    Fixture *f = *state;
    static const guint32 bad[] = {N + 1, 0x80000000, 0xffffffff, 0x7fffffff, 2};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        if (bad[i] == 2) { /* backwards, by one */
            for (guint32 tag = 0; tag < 3; tag++)
                submit(f, tag, 0);
            for (guint32 tag = 0; tag < 3; tag++)
                serve(f, tag, VGPU_RESULT_OK);
        }
        f->guest->command_tail = bad[i];
        assert_broken(f);
        f->guest->command_tail = 0; /* making it good does not help */
        assert_nothing(f);
        begin_session(f, SESSION + 1 + i);
        submit(f, i, 0);
        serve(f, i, VGPU_RESULT_OK);
        begin_session(f, SESSION + 100 + i);
    }
}

/* The tail goes too far while commands are under way: their entries are not the guest's yet. */
static void test_bad_tail_under_way(void **state)
{
    Fixture *f = *state;

    for (guint32 tag = 0; tag < N; tag++)
        submit(f, tag, 0);
    struct vgpu_command command = fetch(f, 0);
    for (guint32 tag = 1; tag < N; tag++)
        fetch(f, tag);
    f->guest->command_tail = N + 1;
    assert_broken(f);
    vgpu_queue_complete(&f->queue, &command, VGPU_RESULT_OK, 0, 0); /* of no effect */
    vgpu_queue_flush(&f->queue);
    assert_int_equal(f->host->command_head, 0);
}

/* Completions are looked at when they are needed: a bad index is found then, not before. */
static void test_bad_head(void **state)
{
    Fixture *f = *state;
    static const guint32 bad[] = {N + 1, 0x80000000, 0xffffffff, N + 100};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        f->guest->completion_head = bad[i];
        for (guint32 tag = 0; tag < N; tag++) {
            submit(f, tag, VGPU_COMMAND_ANSWER);
            serve(f, tag, VGPU_RESULT_OK);
        }
        submit(f, N, 0);
        assert_broken(f);
        assert_int_equal(f->host->completion_tail, N); /* what was done has been shown */
        begin_session(f, SESSION + 1 + i);
    }
}

static void test_break(void **state)
{
    Fixture *f = *state;

    submit(f, 1, VGPU_COMMAND_ANSWER);
    submit(f, 2, VGPU_COMMAND_ANSWER);
    serve(f, 1, VGPU_RESULT_OK);
    vgpu_queue_break(&f->queue, VGPU_RESULT_QUARANTINED);
    assert_int_equal(f->host->broken, VGPU_RESULT_QUARANTINED);
    assert_int_equal(f->host->completion_tail, 1);
    assert_int_equal(wake_ups(f), 1);
    assert_nothing(f);
    vgpu_queue_break(&f->queue, VGPU_RESULT_INVALID); /* the first counts */
    assert_int_equal(f->host->broken, VGPU_RESULT_QUARANTINED);
    assert_int_equal(wake_ups(f), 0);
    begin_session(f, SESSION + 1);
    assert_int_equal(f->host->broken, 0);
}

/* A guest that writes into the host's page harms nobody but itself. */
static void test_host_page_overwritten(void **state)
{
    Fixture *f = *state;

    submit(f, 1, VGPU_COMMAND_ANSWER);
    serve(f, 1, VGPU_RESULT_OK);
    memset(f->host, 0xff, VGPU_QUEUE_PAGE);
    assert_nothing(f);
    assert_int_equal(f->host->command_head, 1);
    assert_int_equal(f->host->completion_tail, 1);
    assert_true(vgpu_queue_park(&f->queue));
    vgpu_queue_unpark(&f->queue);
    submit(f, 2, VGPU_COMMAND_ANSWER);
    serve(f, 2, VGPU_RESULT_OK);
    vgpu_queue_flush(&f->queue);
    assert_int_equal(f->host->completion_tail, 2);
}

/* Any page of a guest: it ends, and gives commands only of a ring's length, then nothing. */
static void test_random_pages(void **state)
{
    Fixture *f = *state;
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

static void test_arena(void **state)
{
    Fixture *f = *state;
    const guint64 size = SIZE - VGPU_QUEUE_ARENA, most = G_MAXUINT64;
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
        cmocka_unit_test_setup_teardown(test_nobody, setup_bare, teardown),
        cmocka_unit_test_setup_teardown(test_session, setup_bare, teardown),
        cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_changes_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_found_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_park, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_drained, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_tail_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_break, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_page_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arena, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
