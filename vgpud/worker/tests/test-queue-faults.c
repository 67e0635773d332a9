/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole program, and guests whose commands fail: which of that is a fault, and what comes of
 * too many. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "guest.h"
#include "process.h"
#include "worker-exit.h"

#define QUEUES       2u
#define SESSION      7u
#define H(index)     VGPU_HANDLE(index, 1)
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    Share share;
    Process process;
    Guest guest[QUEUES];
    struct vgpu_completion done;
} Fixture;

static void start(Fixture *f, const char *const *options)
{
    process_start_with_queues(&f->process, &f->share, options);
    for (guint i = 0; i < QUEUES; i++) {
        guest_init(&f->guest[i], &f->share, i);
        guest_begin(&f->guest[i], SESSION);
    }
}

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    share_init(&f->share, QUEUES);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    process_clear(&f->process);
    share_clear(&f->share);
    g_free(f);
    return 0;
}

static const struct vgpu_command nop = {.opcode = VGPU_CMD_NOP};
static const struct vgpu_command bad = {
    .opcode = VGPU_CMD_BUFFER_WRITE, .handle = H(9), .arg = {0, 64, 0}};

static enum vgpu_result call(Fixture *f, struct vgpu_command command)
{
    return guest_call(&f->guest[0], command, &f->done);
}

static void submit(Fixture *f, struct vgpu_command command, guint count)
{
    for (guint i = 0; i < count; i++)
        guest_submit(&f->guest[0], command);
}

/* It has ended by itself, and each of its guests has been told. */
static void assert_ended(Fixture *f, VgpuWorkerExit expected)
{
    for (guint i = 0; i < QUEUES; i++)
        while (guest_broken(&f->guest[i]) == VGPU_RESULT_OK)
            guest_sleep(&f->guest[i]);
    for (guint i = 0; i < QUEUES; i++)
        assert_int_equal(guest_broken(&f->guest[i]), VGPU_RESULT_QUARANTINED);
    int status = process_end(&f->process);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void test_past_the_budget(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null", "--error-budget=3"));
    for (guint i = 0; i < 4; i++) {
        assert_int_equal(call(f, nop), VGPU_RESULT_OK);
        assert_int_equal(call(f, bad), VGPU_RESULT_BAD_HANDLE);
    }
    assert_ended(f, VGPU_WORKER_EXIT_INVALID);
}

/* One mistake in a program that looks for answers now and then only. */
static void test_consequences(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null", "--error-budget=3"));
    for (guint i = 0; i < 3; i++) {
        submit(f, bad, 100);
        assert_int_equal(call(f, nop), VGPU_RESULT_OK);
        assert_int_equal(f->done.first, VGPU_RESULT_BAD_HANDLE);
    }
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_OK);
    submit(f, bad, 1);
    assert_ended(f, VGPU_WORKER_EXIT_INVALID);
}

/* What follows from a limit is no fault, either. */
static void test_consequences_of_a_limit(void **state)
{
    const struct vgpu_command huge = {
        .opcode = VGPU_CMD_BUFFER_CREATE, .handle = H(9), .arg = {(guint64)1 << 30}};
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null", "--error-budget=1", "--max-memory-mib=1"));
    for (guint i = 0; i < 10; i++) {
        submit(f, huge, 1);
        submit(f, bad, 100);
        assert_int_equal(call(f, nop), VGPU_RESULT_OK);
        assert_int_equal(f->done.first, VGPU_RESULT_QUOTA);
    }
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_OK);
}

/* A guest that never wants an answer gets no further than others. */
static void test_never_an_answer(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null", "--error-budget=3"));
    for (guint i = 0; i < 4 * (VGPU_QUEUE_ENTRIES + 1); i++) {
        while (vgpu_ring_room(&f->guest[0].commands, 1) <= 0 &&
               guest_broken(&f->guest[0]) == VGPU_RESULT_OK)
            sched_yield();
        if (guest_broken(&f->guest[0]) == VGPU_RESULT_OK)
            submit(f, bad, 1);
    }
    assert_ended(f, VGPU_WORKER_EXIT_INVALID);
}

static void test_broken_sessions(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null", "--error-budget=1"));
    for (guint i = 0; i < 2; i++) {
        guest_begin(&f->guest[0], SESSION + 1 + i);
        atomic_store(VGPU_RING_GUEST_WORD(f->guest[0].slot, command_tail), 0x12345678);
        guest_begin_quietly(&f->guest[1], SESSION + 10 + i); /* rings */
        eventfd_write(f->guest[0].doorbell, 1);
        while (guest_broken(&f->guest[0]) == VGPU_RESULT_OK)
            sched_yield();
    }
    guint32 why = guest_broken(&f->guest[0]);
    assert_true(why == VGPU_RESULT_BAD_QUEUE || why == VGPU_RESULT_QUARANTINED);
    int status = process_end(&f->process);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), VGPU_WORKER_EXIT_INVALID);
}

static void test_device_fails(void **state)
{
    const struct vgpu_command create = {
        .opcode = VGPU_CMD_BUFFER_CREATE, .handle = H(1), .arg = {64}};
    const struct vgpu_command write = {
        .opcode = VGPU_CMD_BUFFER_WRITE, .handle = H(1), .arg = {0, 64, 0}};
    Fixture *f = *state;

    start(f, OPTIONS("--backend=fault", "--device=fail", "--error-budget=1",
                     "--backend-fault-budget=3"));
    assert_int_equal(call(f, create), VGPU_RESULT_OK);
    for (guint i = 0; i < 4; i++)
        assert_int_equal(call(f, write), VGPU_RESULT_EXECUTION_FAILED);
    assert_ended(f, VGPU_WORKER_EXIT_BACKEND);
}

static void test_no_device(void **state)
{
    const struct vgpu_command create = {
        .opcode = VGPU_CMD_BUFFER_CREATE, .handle = H(1), .arg = {64}};
    Fixture *f = *state;

    start(f, OPTIONS("--backend=fault", "--device=open-fail", "--error-budget=1",
                     "--backend-fault-budget=1"));
    for (guint i = 0; i < 10; i++)
        assert_int_equal(call(f, create), VGPU_RESULT_UNAVAILABLE);
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_past_the_budget), TEST(test_consequences),    TEST(test_consequences_of_a_limit),
        TEST(test_never_an_answer), TEST(test_broken_sessions), TEST(test_device_fails),
        TEST(test_no_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
