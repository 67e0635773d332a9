/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvgpu against a stand-in of driver and worker: programs that ask for what cannot be, and what
 * must not be left behind by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "context.h"
#include "fake/fake-node.h"

#define OK(call)          assert_int_equal(call, VGPU_OK)
#define FAILS(code, call) assert_int_equal(call, code)

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
    return 0;
}

/* Nothing is where something is needed. */
static void test_null(void **state)
{
    (void)state;
    VgpuBuffer buffer;
    VgpuProgram program;
    VgpuKernel kernel;
    VgpuTicket ticket;

    OK(vgpu_buffer_create(gpu, 64, &buffer));
    FAILS(VGPU_E_INVALID, vgpu_buffer_write(gpu, buffer, 0, NULL, 8, NULL));
    FAILS(VGPU_E_INVALID, vgpu_buffer_read(gpu, buffer, 0, NULL, 8, NULL));
    FAILS(VGPU_E_INVALID, vgpu_buffer_read_async(gpu, buffer, 0, NULL, 8, NULL, &ticket));
    FAILS(VGPU_E_INVALID, vgpu_buffer_fill(gpu, buffer, 0, 8, NULL, 1, NULL));
    FAILS(VGPU_E_INVALID, vgpu_program_from_source(gpu, NULL, &program));
    FAILS(VGPU_E_INVALID, vgpu_program_from_spirv(gpu, NULL, 8, &program));
    FAILS(VGPU_E_INVALID, vgpu_program_from_binary(gpu, NULL, 8, &program));
    assert_int_equal(program, 0);

    OK(vgpu_program_from_source(gpu, "kernel void invert", &program));
    OK(vgpu_program_build(gpu, program, NULL));
    FAILS(VGPU_E_INVALID, vgpu_program_log(gpu, program, NULL, 8, NULL));
    FAILS(VGPU_E_INVALID, vgpu_program_binary(gpu, program, NULL, 8, NULL));
    FAILS(VGPU_E_INVALID, vgpu_kernel_create(gpu, program, NULL, &kernel));
    OK(vgpu_kernel_create(gpu, program, "invert", &kernel));
    FAILS(VGPU_E_ARGUMENT, vgpu_kernel_arg(gpu, kernel, 0, NULL, 8));
    FAILS(VGPU_E_ARGUMENT, vgpu_kernel_arg(gpu, kernel, 0, NULL, 16));
    OK(vgpu_finish(gpu)); /* and the host has seen none of it */
}

/* A copy beyond the end of all numbers must not go on at the buffer's beginning. */
static void test_wrap(void **state)
{
    (void)state;
    static uint8_t bytes[400000], back[8];
    VgpuBuffer buffer;

    memset(bytes, 'y', sizeof(bytes));
    OK(vgpu_buffer_create(gpu, sizeof(bytes), &buffer));
    OK(vgpu_buffer_fill(gpu, buffer, 0, sizeof(bytes), "x", 1, NULL));
    const uint64_t offset = 0 - (uint64_t)gpu->chunk;
    FAILS(VGPU_E_RANGE, vgpu_buffer_write(gpu, buffer, offset, bytes, sizeof(bytes), NULL));
    FAILS(VGPU_E_RANGE, vgpu_buffer_read(gpu, buffer, offset, bytes, sizeof(bytes), NULL));
    OK(vgpu_buffer_read(gpu, buffer, 0, back, sizeof(back), NULL));
    assert_memory_equal(back, "xxxxxxxx", 8);
}

/* A call that fails leaves no object behind. */
static void test_no_event_is_lost(void **state)
{
    (void)state;
    static VgpuTicket tickets[VGPU_TICKETS];
    VgpuBuffer buffer;
    VgpuEvent event;
    VgpuTicket ticket;
    uint8_t byte;

    OK(vgpu_buffer_create(gpu, 1, &buffer));
    for (size_t i = 0; i < VGPU_TICKETS; i++)
        OK(vgpu_nop_async(gpu, &tickets[i]));
    const uint32_t free_count = gpu->handles.free_count;
    FAILS(VGPU_E_LIMIT, vgpu_buffer_read_async(gpu, buffer, 0, &byte, 1, &event, &ticket));
    assert_int_equal(event, 0);
    assert_int_equal(gpu->handles.free_count, free_count);
    for (size_t i = 0; i < VGPU_TICKETS; i++)
        OK(vgpu_wait(gpu, tickets[i], -1));
}

/* What could not be created may be released like all else, and that hides no other failure. */
static void test_release_of_nothing(void **state)
{
    (void)state;
    VgpuProgram program;
    VgpuKernel one, two;
    VgpuBuffer buffer;
    uint8_t byte = 1;

    OK(vgpu_buffer_create(gpu, 1, &buffer));
    OK(vgpu_program_from_source(gpu, "kernel void invert", &program));
    OK(vgpu_program_build(gpu, program, NULL));
    OK(vgpu_kernel_create(gpu, program, "none", &one));
    OK(vgpu_kernel_create(gpu, program, "none", &two));
    FAILS(VGPU_E_NO_KERNEL, vgpu_finish(gpu));
    OK(vgpu_release(gpu, one));
    OK(vgpu_finish(gpu));
    OK(vgpu_release(gpu, two));
    OK(vgpu_buffer_write(gpu, buffer, 1, &byte, 1, NULL));
    FAILS(VGPU_E_RANGE, vgpu_finish(gpu));
}

/* The arena's pieces come free by the commands' positions, which go around: so they must not be
 * left standing while commands go by that need no piece. */
static void test_old_pieces(void **state)
{
    (void)state;
    VgpuBuffer buffer;
    uint8_t byte = 1;

    OK(vgpu_buffer_create(gpu, 1, &buffer));
    OK(vgpu_buffer_write(gpu, buffer, 0, &byte, 1, NULL));
    assert_int_equal(gpu->arena.count, 1);
    for (uint32_t i = 0; i <= VGPU_QUEUE_ENTRIES; i++)
        OK(vgpu_barrier(gpu));
    assert_int_equal(gpu->arena.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_null),
        TEST(test_wrap),
        TEST(test_no_event_is_lost),
        TEST(test_release_of_nothing),
        TEST(test_old_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
