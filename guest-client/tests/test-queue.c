/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvgpu against a stand-in of driver and worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context.h"
#include "fake/fake-node.h"

#define OK(call) assert_int_equal(call, VGPU_OK)

static VgpuContext *gpu;

static int setup(void **state)
{
    (void)state;
    return vgpu_open(&gpu, NULL);
}

static int teardown(void **state)
{
    (void)state;
    vgpu_close(gpu);
    fake_node_setup.slot_size = 1u << 20;
    return 0;
}

static void test_info(void **state)
{
    (void)state;
    const VgpuDeviceInfo *info, *again;

    assert_int_equal(vgpu_context_info(gpu)->transport, VGPU_TRANSPORT_QUEUE);
    assert_int_equal(vgpu_context_info(gpu)->pool, 'A');
    OK(vgpu_nop(gpu));
    OK(vgpu_device_info(gpu, &info));
    assert_string_equal(info->name, FAKE_NODE_NAME);
    assert_string_equal(info->vendor, "vendor");
    assert_string_equal(info->extensions, "");
    assert_int_equal(info->compute_units, 7);
    OK(vgpu_device_info(gpu, &again));
    assert_ptr_equal(info, again);
}

/* Copies of many parts, larger than the slot, with odd ends. */
static void test_copies(void **state)
{
    (void)state;
    const size_t length = 5 * 1000 * 1000 + 3;
    uint8_t *out = malloc(length), *in = calloc(1, length);
    VgpuBuffer one, two;
    const uint32_t pattern = 0xdeadbeef;
    uint32_t word;

    for (size_t i = 0; i < length; i++)
        out[i] = (uint8_t)(i * 7 + i / 255);
    OK(vgpu_buffer_create(gpu, length, &one));
    OK(vgpu_buffer_create(gpu, length + 10, &two));
    OK(vgpu_buffer_write(gpu, one, 0, out, length, NULL));
    OK(vgpu_buffer_read(gpu, one, 0, in, length, NULL));
    assert_memory_equal(in, out, length);
    OK(vgpu_buffer_copy(gpu, two, 10, one, 0, length, NULL));
    OK(vgpu_buffer_fill(gpu, two, 0, 8, &pattern, 4, NULL));
    memset(in, 0, length);
    OK(vgpu_buffer_read(gpu, two, 10, in, length, NULL));
    assert_memory_equal(in, out, length);
    OK(vgpu_buffer_read(gpu, two, 4, &word, 4, NULL));
    assert_int_equal(word, pattern);
    OK(vgpu_release(gpu, one));
    assert_int_equal(vgpu_release(gpu, one), VGPU_E_HANDLE);
    assert_int_equal(vgpu_buffer_read(gpu, one, 0, in, 1, NULL), VGPU_E_HANDLE);
    assert_int_equal(vgpu_buffer_read(gpu, two, 0, in, 0, NULL), VGPU_E_INVALID);
    OK(vgpu_finish(gpu));
    free(in);
    free(out);
}

static void test_first_error_comes_later(void **state)
{
    (void)state;
    VgpuBuffer buffer;
    VgpuTicket ticket;
    uint8_t byte = 1;

    OK(vgpu_buffer_create(gpu, 16, &buffer));
    OK(vgpu_buffer_write(gpu, buffer, 16, &byte, 1, NULL)); /* fails, which nobody knows yet */
    OK(vgpu_buffer_copy(gpu, buffer, 0, buffer, 100, 8, NULL));
    assert_int_equal(vgpu_finish(gpu), VGPU_E_RANGE);
    assert_non_null(strstr(vgpu_last_error(), "write into a buffer"));
    OK(vgpu_finish(gpu)); /* told once */

    /* The same when an answer that the library asked for itself has brought it. */
    OK(vgpu_buffer_write(gpu, buffer, 16, &byte, 1, NULL));
    for (int i = 0; i < 1000; i++)
        OK(vgpu_buffer_write(gpu, buffer, 0, &byte, 1, NULL));
    OK(vgpu_fence(gpu, &ticket));
    assert_int_equal(vgpu_wait(gpu, ticket, -1), VGPU_E_RANGE);
    assert_int_equal(vgpu_wait(gpu, ticket, -1), VGPU_E_TICKET);
    OK(vgpu_nop(gpu));
}

static void test_programs(void **state)
{
    (void)state;
    VgpuProgram good, bad;
    VgpuKernel kernel;
    VgpuBuffer buffer;
    VgpuEvent event;
    VgpuEventTimes times;
    const size_t global[3] = {8, 1, 1};
    const uint64_t count = 8;
    char log[8], binary[64];
    uint8_t bytes[9] = {0};
    size_t length;

    OK(vgpu_program_from_source(gpu, "#error", &bad));
    assert_int_equal(vgpu_program_build(gpu, bad, "-DX=1"), VGPU_E_BUILD);
    OK(vgpu_program_log(gpu, bad, log, sizeof(log), &length));
    assert_string_equal(log, "line 1:");
    assert_int_equal(length, 31);
    OK(vgpu_program_from_source(gpu, "kernel void invert", &good));
    OK(vgpu_program_build(gpu, good, NULL));
    OK(vgpu_program_binary(gpu, good, NULL, 0, &length));
    assert_int_equal(length, 18);
    OK(vgpu_program_binary(gpu, good, binary, sizeof(binary), &length));
    assert_memory_equal(binary, "kernel void invert", 18);

    OK(vgpu_kernel_create(gpu, good, "invert", &kernel));
    OK(vgpu_buffer_create(gpu, 9, &buffer));
    OK(vgpu_kernel_arg_buffer(gpu, kernel, 0, buffer));
    OK(vgpu_kernel_arg(gpu, kernel, 1, &count, sizeof(count)));
    OK(vgpu_launch(gpu, kernel, 3, NULL, global, NULL, &event));
    OK(vgpu_buffer_read(gpu, buffer, 0, bytes, sizeof(bytes), NULL));
    assert_memory_equal(bytes, "\xff\xff\xff\xff\xff\xff\xff\xff\0", 9);
    OK(vgpu_event_times(gpu, event, &times));
    assert_int_equal(times.queued, 1);
    assert_int_equal(times.ended, 4);
    OK(vgpu_release(gpu, event));

    OK(vgpu_kernel_create(gpu, good, "none", &kernel));
    assert_int_equal(vgpu_finish(gpu), VGPU_E_NO_KERNEL);
    assert_int_equal(vgpu_launch(gpu, kernel, 4, NULL, global, NULL, NULL), VGPU_E_LAUNCH);
    assert_int_equal(vgpu_kernel_arg(gpu, buffer, 0, &count, 8), VGPU_E_HANDLE);
    assert_int_equal(vgpu_kernel_arg(gpu, kernel, 0, NULL, 5000), VGPU_E_ARGUMENT);
}

static void test_vector_add(void **state)
{
    (void)state;
    uint32_t sum;

    OK(vgpu_vector_add(gpu, 40, 2, &sum));
    assert_int_equal(sum, 42);
    OK(vgpu_vector_add(gpu, UINT32_MAX, 3, &sum));
    assert_int_equal(sum, 2);
}

static void test_tickets(void **state)
{
    (void)state;
    VgpuTicket one, two;

    fake_node_hold();
    OK(vgpu_nop_async(gpu, &one));
    OK(vgpu_fence(gpu, &two));
    assert_int_equal(vgpu_test(gpu, one), VGPU_E_AGAIN);
    assert_int_equal(vgpu_wait(gpu, two, 0), VGPU_E_AGAIN);
    assert_int_equal(vgpu_wait(gpu, two, 1), VGPU_E_AGAIN);
    fake_node_release();
    OK(vgpu_wait(gpu, two, -1));
    OK(vgpu_test(gpu, one));
    assert_int_equal(vgpu_test(gpu, one), VGPU_E_TICKET);
    assert_true(vgpu_fd(gpu) >= 0);
}

/* A dropped read must not write any more. */
static void test_dropped_read(void **state)
{
    (void)state;
    VgpuBuffer buffer;
    VgpuTicket ticket;
    uint8_t bytes[64] = {0};

    OK(vgpu_buffer_create(gpu, 64, &buffer));
    OK(vgpu_buffer_fill(gpu, buffer, 0, 64, "x", 1, NULL));
    OK(vgpu_finish(gpu));
    fake_node_hold();
    OK(vgpu_buffer_read_async(gpu, buffer, 0, bytes, 64, NULL, &ticket));
    vgpu_drop(gpu, ticket);
    fake_node_release();
    OK(vgpu_finish(gpu));
    assert_int_equal(bytes[0], 0);
    OK(vgpu_buffer_read_async(gpu, buffer, 0, bytes, 64, NULL, &ticket));
    OK(vgpu_wait(gpu, ticket, -1));
    assert_int_equal(bytes[0], 'x');
}

static void test_too_many_tickets(void **state)
{
    (void)state;
    static VgpuTicket tickets[1024];
    VgpuTicket more;

    for (size_t i = 0; i < 1024; i++)
        OK(vgpu_nop_async(gpu, &tickets[i]));
    assert_int_equal(vgpu_nop_async(gpu, &more), VGPU_E_LIMIT);
    for (size_t i = 0; i < 1024; i++)
        OK(vgpu_wait(gpu, tickets[i], -1));
    OK(vgpu_nop(gpu));
}

/* What one queue of the smallest kind can carry. */
static void test_small_slot(void **state)
{
    (void)state;
    static char source[40000], bytes[100000], back[100000];
    VgpuProgram program;
    VgpuBuffer buffer;

    vgpu_close(gpu);
    fake_node_setup.slot_size = 0x10000;
    OK(vgpu_open(&gpu, "/dev/vgpu0"));
    memset(source, ' ', sizeof(source) - 1);
    assert_int_equal(vgpu_program_from_source(gpu, source, &program), VGPU_E_TOO_LARGE);
    source[0x8000] = '\0'; /* all of the arena */
    OK(vgpu_buffer_create(gpu, sizeof(bytes), &buffer));
    for (int i = 0; i < 10; i++) {
        memset(bytes, i, sizeof(bytes));
        OK(vgpu_buffer_write(gpu, buffer, 0, bytes, 777, NULL));
        OK(vgpu_program_from_source(gpu, source, &program));
        OK(vgpu_buffer_write(gpu, buffer, 0, bytes, sizeof(bytes), NULL));
        OK(vgpu_release(gpu, program));
    }
    OK(vgpu_buffer_read(gpu, buffer, 0, back, sizeof(back), NULL));
    assert_memory_equal(bytes, back, sizeof(back));
}

struct worker {
    pthread_t thread;
    unsigned int number;
    int code;
};

static void *compute(void *data)
{
    struct worker *worker = data;
    uint8_t bytes[3000], back[3000];
    VgpuBuffer buffer;

    memset(bytes, (int)worker->number + 1, sizeof(bytes));
    worker->code = vgpu_buffer_create(gpu, sizeof(bytes), &buffer);
    for (int i = 0; i < 200 && worker->code == VGPU_OK; i++) {
        uint32_t sum;

        worker->code = vgpu_buffer_write(gpu, buffer, 0, bytes, sizeof(bytes), NULL);
        if (worker->code == VGPU_OK)
            worker->code = vgpu_buffer_read(gpu, buffer, 0, back, sizeof(back), NULL);
        if (worker->code == VGPU_OK && memcmp(bytes, back, sizeof(back)) != 0)
            worker->code = -1;
        if (worker->code == VGPU_OK && i % 10 == 0)
            worker->code = vgpu_vector_add(gpu, worker->number, (uint32_t)i, &sum);
        if (worker->code == VGPU_OK && i % 10 == 0 && sum != worker->number + (uint32_t)i)
            worker->code = -2;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct worker workers[8];

    for (unsigned int i = 0; i < 8; i++) {
        workers[i] = (struct worker){.number = i};
        pthread_create(&workers[i].thread, NULL, compute, &workers[i]);
    }
    for (unsigned int i = 0; i < 8; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].code, VGPU_OK);
    }
}

static void *wait_for_nop(void *data)
{
    *(int *)data = vgpu_nop(gpu);
    return NULL;
}

static void check_lost(void (*end)(void))
{
    pthread_t threads[3];
    int codes[3];
    VgpuBuffer buffer;
    VgpuTicket ticket;
    uint32_t sum;

    OK(vgpu_vector_add(gpu, 1, 2, &sum));
    OK(vgpu_buffer_create(gpu, 16, &buffer));
    OK(vgpu_finish(gpu));
    fake_node_hold();
    OK(vgpu_nop_async(gpu, &ticket));
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, wait_for_nop, &codes[i]);
    fake_node_setup.open_fails = VGPU_E_UNAVAILABLE;
    end();
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(codes[i], VGPU_E_LOST);
    }
    assert_int_equal(vgpu_nop(gpu), VGPU_E_LOST);
    assert_true(strlen(vgpu_last_error()) > 10);
    assert_int_equal(vgpu_wait(gpu, ticket, -1), VGPU_E_LOST);

    assert_int_equal(vgpu_reopen(gpu), VGPU_E_UNAVAILABLE);
    assert_int_equal(vgpu_nop(gpu), VGPU_E_LOST);
    OK(vgpu_reopen(gpu));
    OK(vgpu_nop(gpu));
    assert_int_equal(vgpu_buffer_fill(gpu, buffer, 0, 16, "x", 1, NULL), VGPU_E_HANDLE);
    OK(vgpu_vector_add(gpu, 1, 2, &sum));
    assert_int_equal(sum, 3);
}

static void test_lost(void **state)
{
    (void)state;
    check_lost(fake_node_kill);
}

static void test_broken(void **state)
{
    (void)state;
    check_lost(fake_node_break);
}

static VgpuTicket waited_for;

static void *wait_for_ticket(void *data)
{
    *(int *)data = vgpu_wait(gpu, waited_for, -1);
    return NULL;
}

/* One of them has the result; for the others the ticket is gone. */
static void test_one_ticket_for_two(void **state)
{
    pthread_t threads[2];
    int codes[2];
    bool both = false;

    (void)state;
    fake_node_hold();
    OK(vgpu_nop_async(gpu, &waited_for));
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, wait_for_ticket, &codes[i]);
    while (!both) { /* one leads, one follows */
        pthread_mutex_lock(&gpu->lock);
        both = gpu->leading && gpu->followers == 1;
        pthread_mutex_unlock(&gpu->lock);
    }
    fake_node_release();
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(codes[0] == VGPU_OK ? codes[1] : codes[0], VGPU_E_TICKET);
    assert_true(codes[0] == VGPU_OK || codes[1] == VGPU_OK);
}

/* Who submits and does not wait learns of it, too, and by the next command. */
static void test_lost_and_nobody_waits(void **state)
{
    void (*const ends[])(void) = {fake_node_kill, fake_node_break};

    (void)state;
    for (int i = 0; i < 2; i++) {
        OK(vgpu_barrier(gpu));
        fake_node_hold();
        ends[i]();
        assert_int_equal(vgpu_barrier(gpu), VGPU_E_LOST);
        OK(vgpu_reopen(gpu));
    }
}

static void test_fork(void **state)
{
    (void)state;
    VgpuTicket ticket;
    int status;

    fake_node_hold();
    OK(vgpu_nop_async(gpu, &ticket));
    pid_t child = fork();
    if (child == 0) {
        if (vgpu_nop(gpu) != VGPU_E_FORKED || vgpu_wait(gpu, ticket, -1) != VGPU_E_FORKED ||
            vgpu_reopen(gpu) != VGPU_E_FORKED)
            _exit(1);
        vgpu_close(gpu);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fake_node_release();
    OK(vgpu_wait(gpu, ticket, -1));
    OK(vgpu_nop(gpu));
}

static void test_open_fails(void **state)
{
    (void)state;
    VgpuContext *other;

    fake_node_setup.open_fails = VGPU_E_BUSY;
    assert_int_equal(vgpu_open(&other, NULL), VGPU_E_BUSY);
    assert_null(other);
    assert_string_equal(vgpu_last_error(), "/dev/vgpu0: told to fail");
    assert_int_not_equal(vgpu_open(&other, "/nowhere/0000:00:00.0"), VGPU_OK);
    assert_null(other);
    vgpu_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_info),
        TEST(test_copies),
        TEST(test_first_error_comes_later),
        TEST(test_programs),
        TEST(test_vector_add),
        TEST(test_tickets),
        TEST(test_dropped_read),
        TEST(test_too_many_tickets),
        TEST(test_small_slot),
        TEST(test_threads),
        TEST(test_lost),
        TEST(test_broken),
        TEST(test_lost_and_nobody_waits),
        TEST(test_one_ticket_for_two),
        TEST(test_fork),
        TEST(test_open_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
