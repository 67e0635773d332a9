/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vgpu-ring.h"

#define SIZE (VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
#define N    VGPU_QUEUE_ENTRIES

/* Both ends of both rings, and the words that they share. */
typedef struct {
    char *slot;
    struct vgpu_queue_guest *guest;
    struct vgpu_queue_host *host;
    VgpuRingProducer put_command;
    VgpuRingConsumer take_command;
    VgpuRingProducer put_completion;
    VgpuRingConsumer take_completion;
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof(*f));

    f->slot = aligned_alloc(VGPU_QUEUE_PAGE, SIZE);
    memset(f->slot, 0, SIZE);
    f->guest = (void *)(f->slot + VGPU_QUEUE_GUEST);
    f->host = (void *)(f->slot + VGPU_QUEUE_HOST);
    f->put_command = vgpu_ring_produce_commands(f->slot);
    f->take_command = vgpu_ring_consume_commands(f->slot);
    f->put_completion = vgpu_ring_produce_completions(f->slot);
    f->take_completion = vgpu_ring_consume_completions(f->slot);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    free(f->slot);
    free(f);
    return 0;
}

/* As if @index commands had gone through. */
static void start_commands_at(Fixture *f, uint32_t index)
{
    VgpuRingProducer *p = &f->put_command;
    VgpuRingConsumer *c = &f->take_command;

    p->next = p->published = p->seen = index;
    c->next = c->returned = c->seen = index;
    f->guest->command_tail = f->host->command_head = index;
}

static void put(Fixture *f, uint32_t tag)
{
    const struct vgpu_command command = {
        .opcode = VGPU_CMD_NOP, .tag = tag, .handle = ~(uint64_t)tag, .arg = {[4] = tag + 1ull}};

    vgpu_ring_put(&f->put_command, &command);
}

static void take(Fixture *f, uint32_t tag)
{
    struct vgpu_command command;

    vgpu_ring_take(&f->take_command, &command);
    assert_int_equal(command.opcode, VGPU_CMD_NOP);
    assert_int_equal(command.tag, tag);
    assert_true(command.handle == ~(uint64_t)tag);
    assert_true(command.arg[4] == tag + 1ull);
}

/* Where things lie, by the structs of vgpu-queue.h. */
static void test_places(void **state)
{
    Fixture *f = *state;
    const struct vgpu_command *commands = (void *)(f->slot + VGPU_QUEUE_COMMANDS);
    const struct vgpu_completion *completions = (void *)(f->slot + VGPU_QUEUE_RESULTS);
    const struct vgpu_completion completion = {.tag = 7, .elapsed_ns = 8};
    struct vgpu_completion got;

    put(f, 1);
    put(f, 2);
    assert_int_equal(commands[1].tag, 2);
    assert_true(commands[1].arg[4] == 3);
    vgpu_ring_publish(&f->put_command);
    assert_int_equal(f->guest->command_tail, 2);
    assert_int_equal(vgpu_ring_available(&f->take_command), 2);
    take(f, 1);
    vgpu_ring_return(&f->take_command, 1);
    assert_int_equal(f->host->command_head, 1);
    vgpu_ring_park(&f->take_command);
    assert_int_equal(f->host->parked, 1);

    vgpu_ring_put(&f->put_completion, &completion);
    assert_memory_equal(&completions[0], &completion, sizeof(completion));
    vgpu_ring_publish(&f->put_completion);
    assert_int_equal(f->host->completion_tail, 1);
    assert_int_equal(vgpu_ring_available(&f->take_completion), 1);
    vgpu_ring_take(&f->take_completion, &got);
    assert_memory_equal(&got, &completion, sizeof(got));
    vgpu_ring_return(&f->take_completion, 1);
    assert_int_equal(f->guest->completion_head, 1);
    vgpu_ring_park(&f->take_completion);
    assert_int_equal(f->guest->parked, 1);
}

/* Through all entries several times, and past 2^32, in steps that do not divide the ring. */
static void test_wrap(void **state)
{
    Fixture *f = *state;
    const uint32_t step = 7, begin = UINT32_MAX - 5 * N;

    start_commands_at(f, begin);
    for (uint32_t i = begin; i - begin < 10 * N; i += step) {
        assert_in_range(vgpu_ring_room(&f->put_command, step), step, N);
        for (uint32_t j = 0; j < step; j++)
            put(f, i + j);
        vgpu_ring_publish(&f->put_command);
        assert_int_equal(vgpu_ring_available(&f->take_command), step);
        for (uint32_t j = 0; j < step; j++)
            take(f, i + j);
        assert_int_equal(vgpu_ring_available(&f->take_command), 0);
        vgpu_ring_return(&f->take_command, i + step);
    }
}

static void test_empty(void **state)
{
    Fixture *f = *state;

    assert_int_equal(vgpu_ring_available(&f->take_command), 0);
    assert_int_equal(vgpu_ring_available(&f->take_completion), 0);
    put(f, 1);
    assert_int_equal(vgpu_ring_available(&f->take_command), 0); /* not published */
    assert_false(vgpu_ring_publish(&f->put_command));
    assert_int_equal(vgpu_ring_available(&f->take_command), 1);
    take(f, 1);
    assert_int_equal(vgpu_ring_available(&f->take_command), 0);
}

/* What was taken, but not given back, takes room; across 2^32. */
static void test_full(void **state)
{
    Fixture *f = *state;

    start_commands_at(f, UINT32_MAX - 3);
    assert_int_equal(vgpu_ring_room(&f->put_command, 1), N);
    for (uint32_t i = 0; i < N; i++)
        put(f, i);
    assert_int_equal(vgpu_ring_room(&f->put_command, 1), 0);
    vgpu_ring_publish(&f->put_command);
    assert_int_equal(vgpu_ring_room(&f->put_command, 1), 0);
    assert_int_equal(vgpu_ring_available(&f->take_command), N);
    take(f, 0);
    take(f, 1);
    assert_int_equal(vgpu_ring_room(&f->put_command, 1), 0);
    vgpu_ring_return(&f->take_command, UINT32_MAX - 3 + 1);
    assert_int_equal(vgpu_ring_room(&f->put_command, 1), 1);
    put(f, N);
    assert_int_equal(vgpu_ring_room(&f->put_command, 1), 0);
    vgpu_ring_publish(&f->put_command);
    for (uint32_t i = 2; i <= N; i++) {
        assert_true(vgpu_ring_available(&f->take_command) > 0);
        take(f, i);
    }
    assert_int_equal(vgpu_ring_available(&f->take_command), 0);
}

static void test_wake(void **state)
{
    Fixture *f = *state;

    put(f, 1);
    assert_false(vgpu_ring_publish(&f->put_command)); /* nobody sleeps */

    vgpu_ring_park(&f->take_command);
    assert_int_equal(vgpu_ring_available(&f->take_command), 1); /* the second look */
    take(f, 1);
    assert_false(vgpu_ring_publish(&f->put_command)); /* nothing new: no wake-up */
    assert_int_equal(f->host->parked, 1);
    put(f, 2);
    put(f, 3);
    assert_true(vgpu_ring_publish(&f->put_command)); /* one for both */
    assert_int_equal(f->host->parked, 0);
    put(f, 4);
    assert_false(vgpu_ring_publish(&f->put_command)); /* once is enough */

    vgpu_ring_park(&f->take_command);
    vgpu_ring_unpark(&f->take_command);
    put(f, 5);
    assert_false(vgpu_ring_publish(&f->put_command));
}

/* Every tail near the right ones, at many fillings of a ring whose indices pass 2^32. */
static void test_hostile_tail(void **state)
{
    Fixture *f = *state;
    VgpuRingConsumer *c = &f->take_command;
    const uint32_t begin = UINT32_MAX - 100;

    for (uint32_t taken = 0; taken <= N; taken += 32) {
        for (int delta = -2 * (int)N; delta <= 2 * (int)N; delta++) {
            start_commands_at(f, begin);
            c->next = c->seen = begin + taken; /* none of them given back */
            f->guest->command_tail = begin + taken + (uint32_t)delta;
            const bool good = delta >= 0 && taken + (uint32_t)delta <= N;
            assert_int_equal(vgpu_ring_available(c), good ? delta : VGPU_RING_BROKEN);
            assert_int_equal(c->seen, begin + taken + (good ? (uint32_t)delta : 0));
            assert_int_equal(c->next, begin + taken);
        }
    }
    static const uint32_t far[] = {0x80000000, 0x7fffffff, 0x80000001, 0xffff0000, 0x00010000};
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        start_commands_at(f, begin);
        f->guest->command_tail = begin + far[i];
        assert_int_equal(vgpu_ring_available(c), VGPU_RING_BROKEN);
    }
}

static void test_hostile_head(void **state)
{
    Fixture *f = *state;
    VgpuRingProducer *p = &f->put_completion;
    const uint32_t begin = UINT32_MAX - 100;

    for (uint32_t published = 0; published <= N; published += 32) {
        for (int delta = -2 * (int)N; delta <= 2 * (int)N; delta++) {
            p->seen = begin;
            p->published = begin + published;
            p->next = begin + N; /* the rest is put, and not to be taken yet */
            f->guest->completion_head = begin + (uint32_t)delta;
            const bool good = delta >= 0 && (uint32_t)delta <= published;
            assert_int_equal(vgpu_ring_room(p, 1), good ? delta : VGPU_RING_BROKEN);
            assert_int_equal(p->seen, begin + (good ? (uint32_t)delta : 0));
        }
    }
}

/* Whoever overwrites the other side's words gains nothing: they are not read back. */
static void test_own_words(void **state)
{
    Fixture *f = *state;

    for (uint32_t i = 0; i < 4; i++)
        put(f, i);
    vgpu_ring_publish(&f->put_command);
    assert_int_equal(vgpu_ring_available(&f->take_command), 4);
    take(f, 0);
    vgpu_ring_return(&f->take_command, 1);
    f->host->command_head = 0xdeadbeef;
    f->host->completion_tail = 0xdeadbeef;
    take(f, 1);
    take(f, 2);
    vgpu_ring_return(&f->take_command, 3);
    assert_int_equal(f->host->command_head, 3);
    assert_int_equal(vgpu_ring_room(&f->put_completion, 1), N);
    vgpu_ring_put(&f->put_completion, &(struct vgpu_completion){.tag = 1});
    vgpu_ring_publish(&f->put_completion);
    assert_int_equal(f->host->completion_tail, 1);
}

/* What has been taken is a copy. */
static void test_copy(void **state)
{
    Fixture *f = *state;
    struct vgpu_command *commands = (void *)(f->slot + VGPU_QUEUE_COMMANDS);
    struct vgpu_command command;

    put(f, 5);
    vgpu_ring_publish(&f->put_command);
    assert_int_equal(vgpu_ring_available(&f->take_command), 1);
    vgpu_ring_take(&f->take_command, &command);
    memset(commands, 0xff, sizeof(*commands));
    assert_int_equal(command.tag, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
