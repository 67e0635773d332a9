/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every command, good and bad, on the null backend; the quota is empty after each test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands.h"
#include "deadline.h"

#define ARENA     VGPU_QUEUE_ARENA_MIN
#define MAX_BYTES (1u << 20) /* of memory, the VM's limit */
#define ANY       77u        /* a handle that there is not */

typedef struct {
    VgpuBackend *backend;
    VgpuPage *page;
    int page_fd;
    VgpuGate gate;
    VgpuPace pace;
    VgpuOwner *owner;
    VgpuQueue queue;
    guint8 *slot;
    guint8 *arena;
    VgpuCommandOutcome outcome;
} Fixture;

enum { BUFFER = 1, OTHER, PROGRAM, KERNEL, EVENT }; /* indices of handles */
#define H(index) VGPU_HANDLE(index, 1)

static enum vgpu_result run_command(Fixture *f, struct vgpu_command command)
{
    guint64 until_ns;

    if (vgpu_command_must_wait(f->owner, &f->gate, &command, &until_ns))
        vgpu_owner_collect(f->owner);
    assert_false(vgpu_command_must_wait(f->owner, &f->gate, &command, &until_ns));
    enum vgpu_result result =
        vgpu_command_run(f->owner, &f->gate, &f->queue, &command, &f->outcome);
    if (f->outcome.build != NULL) {
        vgpu_build_start(f->outcome.build, -1);
        result = f->outcome.build->result;
        g_clear_pointer(&f->outcome.build, vgpu_build_free);
    }
    g_clear_error(&f->outcome.error);
    return result;
}

#define RUN(opcode_, handle_, ...)                                                                 \
    run_command(                                                                                   \
        f, (struct vgpu_command){.opcode = (opcode_), .handle = (handle_), .arg = {__VA_ARGS__}})
#define OK(...)              assert_int_equal(RUN(__VA_ARGS__), VGPU_RESULT_OK)
#define FAILS(expected, ...) assert_int_equal(RUN(__VA_ARGS__), VGPU_RESULT_##expected)
#define LAUNCH(handle_, ...)                                                                       \
    run_command(f, (struct vgpu_command){                                                          \
                       .opcode = VGPU_CMD_LAUNCH, .handle = (handle_), .launch = {__VA_ARGS__}})

static int set_up_backend(void **state, const char *name)
{
    Fixture *f = g_new0(Fixture, 1);

    f->backend = name != NULL ? vgpu_backend_open(name, "", NULL) : NULL;
    f->page = vgpu_page_create(&f->page_fd, NULL);
    vgpu_gate_init(&f->gate, f->page, (VgpuCharge){{MAX_BYTES, 1000, 20, 8}});
    f->slot = aligned_alloc(VGPU_QUEUE_PAGE, VGPU_QUEUE_ARENA + ARENA);
    memset(f->slot, 0, VGPU_QUEUE_ARENA + ARENA);
    f->arena = f->slot + VGPU_QUEUE_ARENA;
    vgpu_queue_init(&f->queue, f->slot, VGPU_QUEUE_ARENA + ARENA, -1);
    f->owner = vgpu_owner_new(f->backend, &f->gate.quota, &f->pace);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_backend(state, "null");
}

static int set_up_nothing(void **state)
{
    return set_up_backend(state, NULL);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    vgpu_owner_collect(f->owner);
    vgpu_owner_free(f->owner);
    assert_true(vgpu_quota_is_empty(&f->gate.quota));
    vgpu_backend_close(f->backend);
    vgpu_page_unmap(f->page);
    free(f->slot);
    g_free(f);
    return 0;
}

static void test_unknown(void **state)
{
    Fixture *f = *state;

    FAILS(UNSUPPORTED, 0, 0);
    FAILS(UNSUPPORTED, VGPU_CMD_NOP - 1, 0);
    FAILS(UNSUPPORTED, VGPU_CMD_FINISH + 1, 0);
    FAILS(UNSUPPORTED, VGPU_CMD_EVENT_TIMES + 1, 0);
    FAILS(UNSUPPORTED, 0xffff, 0);
}

/* Each field that a command does not use, set: every one is refused. */
static void test_unused_fields(void **state)
{
    Fixture *f = *state;
    static const struct {
        guint16 opcode;
        guint args;
        gboolean handle, event;
    } cases[] = {
        {VGPU_CMD_NOP, 0, FALSE, FALSE},           {VGPU_CMD_SNAPSHOT, 2, FALSE, FALSE},
        {VGPU_CMD_RELEASE, 0, TRUE, FALSE},        {VGPU_CMD_BARRIER, 0, FALSE, TRUE},
        {VGPU_CMD_FINISH, 0, FALSE, FALSE},        {VGPU_CMD_BUFFER_CREATE, 1, TRUE, FALSE},
        {VGPU_CMD_BUFFER_WRITE, 3, TRUE, TRUE},    {VGPU_CMD_BUFFER_READ, 3, TRUE, TRUE},
        {VGPU_CMD_BUFFER_COPY, 4, TRUE, TRUE},     {VGPU_CMD_BUFFER_FILL, 4, TRUE, TRUE},
        {VGPU_CMD_PROGRAM_CREATE, 3, TRUE, FALSE}, {VGPU_CMD_PROGRAM_BUILD, 2, TRUE, FALSE},
        {VGPU_CMD_PROGRAM_LOG, 2, TRUE, FALSE},    {VGPU_CMD_PROGRAM_BINARY, 2, TRUE, FALSE},
        {VGPU_CMD_KERNEL_CREATE, 3, TRUE, FALSE},  {VGPU_CMD_KERNEL_ARG, 4, TRUE, FALSE},
        {VGPU_CMD_LAUNCH, 5, TRUE, TRUE},          {VGPU_CMD_EVENT_TIMES, 1, TRUE, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct vgpu_command command = {.opcode = cases[i].opcode,
                                       .flags = VGPU_COMMAND_ANSWER << 1};

        assert_int_equal(run_command(f, command), VGPU_RESULT_INVALID);
        command.flags = 0x8000;
        assert_int_equal(run_command(f, command), VGPU_RESULT_INVALID);
        command.flags = 0;
        for (guint arg = cases[i].args; arg < 5; arg++) {
            command.arg[arg] = G_GUINT64_CONSTANT(1) << (arg * 13);
            assert_int_equal(run_command(f, command), VGPU_RESULT_INVALID);
            command.arg[arg] = 0;
        }
        command.handle = H(ANY);
        if (!cases[i].handle)
            assert_int_equal(run_command(f, command), VGPU_RESULT_INVALID);
        command.event = H(EVENT);
        if (!cases[i].event)
            assert_int_equal(run_command(f, command), VGPU_RESULT_INVALID);
    }
}

/* Handles that are not there, in each place where one stands. */
static void test_bad_handles(void **state)
{
    Fixture *f = *state;
    static const guint64 handles[] = {0, H(ANY), H(0xffffffff), H(PROGRAM + 100), G_MAXUINT64};

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    for (gsize i = 0; i < G_N_ELEMENTS(handles); i++) {
        const guint64 bad = handles[i];

        FAILS(BAD_HANDLE, VGPU_CMD_RELEASE, bad);
        FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_WRITE, bad, 0, 1, 0);
        FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_READ, bad, 0, 1, 0);
        FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_COPY, bad, H(BUFFER), 0, 0, 1);
        FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_COPY, H(BUFFER), bad, 0, 0, 1);
        FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_FILL, bad, 0, 1, 0, 1);
        FAILS(BAD_HANDLE, VGPU_CMD_PROGRAM_BUILD, bad, 0, 0);
        FAILS(BAD_HANDLE, VGPU_CMD_PROGRAM_LOG, bad, 0, 0);
        FAILS(BAD_HANDLE, VGPU_CMD_PROGRAM_BINARY, bad, 0, 0);
        FAILS(BAD_HANDLE, VGPU_CMD_KERNEL_CREATE, H(KERNEL), bad, 0, 1);
        FAILS(BAD_HANDLE, VGPU_CMD_KERNEL_ARG, bad, 0, 0, 0, 0);
        FAILS(BAD_HANDLE, VGPU_CMD_EVENT_TIMES, bad, 0);
        assert_int_equal(LAUNCH(bad, 1, {0}, {1}), VGPU_RESULT_BAD_HANDLE);
    }
    /* Of another kind. */
    FAILS(BAD_HANDLE, VGPU_CMD_PROGRAM_BUILD, H(BUFFER), 0, 0);
    FAILS(BAD_HANDLE, VGPU_CMD_EVENT_TIMES, H(BUFFER), 0);
    assert_int_equal(LAUNCH(H(BUFFER), 1, {0}, {1}), VGPU_RESULT_BAD_HANDLE);
    /* In use, stale, freed twice. */
    FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_CREATE, VGPU_HANDLE(BUFFER, 2), 64);
    FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_CREATE, VGPU_HANDLE(VGPU_HANDLE_MAX, 1), 64);
    OK(VGPU_CMD_RELEASE, H(BUFFER));
    FAILS(BAD_HANDLE, VGPU_CMD_RELEASE, H(BUFFER));
    FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    OK(VGPU_CMD_BUFFER_CREATE, VGPU_HANDLE(BUFFER, 2), 64);
    FAILS(BAD_HANDLE, VGPU_CMD_BUFFER_WRITE, H(BUFFER), 0, 1, 0);
}

static void test_buffers(void **state)
{
    Fixture *f = *state;

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    OK(VGPU_CMD_BUFFER_CREATE, H(OTHER), 32);
    memcpy(f->arena + 100, "0123456789abcdef", 16);
    OK(VGPU_CMD_BUFFER_WRITE, H(BUFFER), 48, 16, 100);
    assert_int_equal(f->outcome.bytes_in, 16);
    OK(VGPU_CMD_BUFFER_COPY, H(OTHER), H(BUFFER), 50, 30, 2);
    OK(VGPU_CMD_BUFFER_FILL, H(OTHER), 28, 2, 0x4241, 2);
    OK(VGPU_CMD_BUFFER_READ, H(OTHER), 28, 4, ARENA - 4);
    assert_int_equal(f->outcome.bytes_out, 4);
    assert_memory_equal(f->arena + ARENA - 4, "AB23", 4);
    OK(VGPU_CMD_FINISH, 0);
    /* Within one buffer, side by side. */
    OK(VGPU_CMD_BUFFER_COPY, H(BUFFER), H(BUFFER), 48, 32, 16);
    OK(VGPU_CMD_BUFFER_READ, H(BUFFER), 32, 16, 0);
    assert_memory_equal(f->arena, "0123456789abcdef", 16);
}

/* Offsets and lengths up to 2^64, for buffer and arena. */
static void test_ranges(void **state)
{
    Fixture *f = *state;
    static const guint64 ranges[][2] = {
        {0, 65},          {64, 1},
        {63, 2},          {65, 1},
        {G_MAXUINT64, 1}, {G_MAXUINT64 - 1, 2},
        {1, G_MAXUINT64}, {G_MAXUINT64, G_MAXUINT64},
        {0, G_MAXUINT64}, {G_GUINT64_CONSTANT(1) << 63, G_GUINT64_CONSTANT(1) << 63},
    };
    static const guint64 past_arena[] = {ARENA, ARENA - 63, G_MAXUINT64, G_MAXUINT64 - 63};

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    OK(VGPU_CMD_BUFFER_CREATE, H(OTHER), ARENA * 2);
    for (gsize i = 0; i < G_N_ELEMENTS(ranges); i++) {
        const guint64 offset = ranges[i][0], length = ranges[i][1];

        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_WRITE, H(BUFFER), offset, length, 0);
        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_READ, H(BUFFER), offset, length, 0);
        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_FILL, H(BUFFER), offset, length, 0, 1);
        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_COPY, H(BUFFER), H(OTHER), 0, offset, length);
        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_COPY, H(OTHER), H(BUFFER), offset, 0, length);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(past_arena); i++) {
        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_WRITE, H(BUFFER), 0, 64, past_arena[i]);
        FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_READ, H(BUFFER), 0, 64, past_arena[i]);
    }
    FAILS(OUT_OF_RANGE, VGPU_CMD_BUFFER_WRITE, H(OTHER), 0, ARENA + 1, 0);
    FAILS(INVALID, VGPU_CMD_BUFFER_WRITE, H(BUFFER), 0, 0, 0);
    FAILS(INVALID, VGPU_CMD_BUFFER_COPY, H(BUFFER), H(BUFFER), 0, 8, 9); /* they overlap */
    FAILS(INVALID, VGPU_CMD_BUFFER_COPY, H(BUFFER), H(BUFFER), 8, 0, 9);
    FAILS(INVALID, VGPU_CMD_BUFFER_COPY, H(BUFFER), H(BUFFER), 5, 5, 1);
    OK(VGPU_CMD_BUFFER_COPY, H(BUFFER), H(BUFFER), 0, 8, 8);
    FAILS(INVALID, VGPU_CMD_BUFFER_FILL, H(BUFFER), 0, 8, 0, 0);
    FAILS(INVALID, VGPU_CMD_BUFFER_FILL, H(BUFFER), 0, 9, 0, 3);
    FAILS(INVALID, VGPU_CMD_BUFFER_FILL, H(BUFFER), 2, 8, 0, 4);
    FAILS(INVALID, VGPU_CMD_BUFFER_FILL, H(BUFFER), 0, 6, 0, 4);
    FAILS(INVALID, VGPU_CMD_BUFFER_FILL, H(BUFFER), 0, 16, 0, 16);
}

static void test_limits(void **state)
{
    Fixture *f = *state;

    FAILS(INVALID, VGPU_CMD_BUFFER_CREATE, H(BUFFER), 0);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(BUFFER), MAX_BYTES + 1);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(BUFFER), G_MAXUINT64);
    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), MAX_BYTES);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(OTHER), 1);
    OK(VGPU_CMD_RELEASE, H(BUFFER));
    OK(VGPU_CMD_BUFFER_CREATE, H(OTHER), MAX_BYTES - 1);
    FAILS(QUOTA, VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), 0, 0, 1001);
    OK(VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), 0, 0, 1000);
    /* Twenty handles of whatever kind; two are there. */
    for (guint32 i = 0; i < 18; i++)
        assert_int_equal(
            run_command(f, (struct vgpu_command){.opcode = VGPU_CMD_BARRIER, .event = H(100 + i)}),
            VGPU_RESULT_OK);
    assert_int_equal(
        run_command(f, (struct vgpu_command){.opcode = VGPU_CMD_BARRIER, .event = H(EVENT)}),
        VGPU_RESULT_QUOTA);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(BUFFER + 200), 1);
    OK(VGPU_CMD_RELEASE, H(100));
    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER + 200), 1);
}

/* More than the device's buffers may be, within the VM's limit. */
static void test_too_large(void **state)
{
    Fixture *f = *state;

    f->gate.quota.limit[VGPU_QUOTA_MEMORY] = VGPU_QUOTA_UNLIMITED;
    FAILS(OUT_OF_MEMORY, VGPU_CMD_BUFFER_CREATE, H(BUFFER), f->backend->info.max_buffer + 1);
    FAILS(OUT_OF_MEMORY, VGPU_CMD_BUFFER_CREATE, H(BUFFER), G_MAXUINT64);
}

static void make_kernel(Fixture *f)
{
    memcpy(f->arena, "kernel", 6);
    OK(VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), VGPU_PROGRAM_SOURCE, 0, 100);
    OK(VGPU_CMD_PROGRAM_BUILD, H(PROGRAM), 0, 0);
    OK(VGPU_CMD_KERNEL_CREATE, H(KERNEL), H(PROGRAM), 0, 6);
}

static void test_programs(void **state)
{
    Fixture *f = *state;

    FAILS(INVALID, VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), 3, 0, 10);
    FAILS(INVALID, VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), G_MAXUINT64, 0, 10);
    FAILS(INVALID, VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), 0, 0, 0);
    FAILS(OUT_OF_RANGE, VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), 0, ARENA - 5, 10);
    FAILS(OUT_OF_RANGE, VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), 0, G_MAXUINT64, 10);
    memcpy(f->arena, "kernel\0k", 8);
    OK(VGPU_CMD_PROGRAM_CREATE, H(PROGRAM), VGPU_PROGRAM_SPIRV, 0, 8);
    FAILS(NO_KERNEL, VGPU_CMD_KERNEL_CREATE, H(KERNEL), H(PROGRAM), 0, 6); /* not built */
    FAILS(NO_KERNEL, VGPU_CMD_PROGRAM_BINARY, H(PROGRAM), 0, 0);
    FAILS(OUT_OF_RANGE, VGPU_CMD_PROGRAM_BUILD, H(PROGRAM), ARENA, 1);
    FAILS(INVALID, VGPU_CMD_PROGRAM_BUILD, H(PROGRAM), 0, 8); /* a NUL in it */
    FAILS(INVALID, VGPU_CMD_PROGRAM_BUILD, H(PROGRAM), 0, 5000);
    OK(VGPU_CMD_PROGRAM_BUILD, H(PROGRAM), 0, 6);
    OK(VGPU_CMD_PROGRAM_LOG, H(PROGRAM), 0, 0);
    assert_int_equal(f->outcome.result, 0);
    FAILS(OUT_OF_RANGE, VGPU_CMD_PROGRAM_LOG, H(PROGRAM), ARENA, 1);
    /* A part of the binary, and how long all of it is. */
    OK(VGPU_CMD_PROGRAM_BINARY, H(PROGRAM), 200, 3);
    assert_int_equal(f->outcome.result, 8);
    assert_memory_equal(f->arena + 200, "ker\0", 4);
    FAILS(INVALID, VGPU_CMD_KERNEL_CREATE, H(KERNEL), H(PROGRAM), 0, 8);
    FAILS(OUT_OF_RANGE, VGPU_CMD_KERNEL_CREATE, H(KERNEL), H(PROGRAM), ARENA - 1, 6);
    FAILS(NO_KERNEL, VGPU_CMD_KERNEL_CREATE, H(KERNEL), H(PROGRAM), 0, 0);
    OK(VGPU_CMD_KERNEL_CREATE, H(KERNEL), H(PROGRAM), 0, 6);
    OK(VGPU_CMD_RELEASE, H(PROGRAM)); /* its kernel stays */
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_OK);
    /* So does what the driver has of it, and who holds that. */
    assert_int_equal(f->gate.quota.used[VGPU_QUOTA_PROGRAMS], 8);
    FAILS(BAD_HANDLE, VGPU_CMD_PROGRAM_LOG, H(PROGRAM), 0, 0);
    OK(VGPU_CMD_RELEASE, H(KERNEL));
    vgpu_owner_collect(f->owner);
    assert_int_equal(f->gate.quota.used[VGPU_QUOTA_PROGRAMS], 0);
    assert_int_equal(f->gate.quota.used[VGPU_QUOTA_HANDLES], 0);
}

static void test_arguments(void **state)
{
    Fixture *f = *state;
    const guint64 too_local = f->backend->info.local_memory + 1;

    make_kernel(f);
    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_BUFFER, H(BUFFER), 0);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 1, VGPU_ARGUMENT_BUFFER, 0, 0);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 2, VGPU_ARGUMENT_LOCAL, 0, 16);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 3, VGPU_ARGUMENT_INLINE, 42, 8);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 63, VGPU_ARGUMENT_ARENA, 0, VGPU_ARGUMENT_MAX);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 64, VGPU_ARGUMENT_INLINE, 42, 8);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), G_MAXUINT64, VGPU_ARGUMENT_INLINE, 42, 8);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), G_MAXUINT32 + 1ull, 2, 42, 8);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, 4, 42, 8);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, 1ull << 32, 42, 8);
    FAILS(BAD_HANDLE, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_BUFFER, H(PROGRAM), 0);
    FAILS(INVALID, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_BUFFER, H(BUFFER), 8);
    FAILS(INVALID, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_LOCAL, 1, 8);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_LOCAL, 0, 0);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_LOCAL, 0, too_local);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_LOCAL, 0, G_MAXUINT64);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_INLINE, 0, 0);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_INLINE, 0, 9);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_ARENA, 0, 0);
    FAILS(BAD_ARGUMENT, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_ARENA, 0, 4097);
    FAILS(OUT_OF_RANGE, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_ARENA, ARENA - 8, 9);
    FAILS(OUT_OF_RANGE, VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_ARENA, G_MAXUINT64, 9);
}

static void test_launches(void **state)
{
    Fixture *f = *state;
    const guint32 group = (guint32)f->backend->info.max_group;

    make_kernel(f);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {7}, {1000}), VGPU_RESULT_OK);
    assert_int_equal(LAUNCH(H(KERNEL), 3, {1, 2, 3}, {8, 8, 8}, {2, 2, 2}), VGPU_RESULT_OK);
    /* What lies behind the dimensions is ignored. */
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0, 9}, {8, 0}, {2, 0, group * 2}), VGPU_RESULT_OK);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {G_MAXUINT32}, {G_MAXUINT32}), VGPU_RESULT_OK);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {G_MAXINT32}, {1}), VGPU_RESULT_OK);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {group}, {group}), VGPU_RESULT_OK);
    assert_int_equal(LAUNCH(H(KERNEL), 0, {0}, {8}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 4, {0}, {8, 8, 8}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), G_MAXUINT32, {0}, {8}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 2, {0}, {8, 0}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 2, {0}, {8, 8}, {2, 0}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 2, {0}, {8, 8}, {0, 2}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {2 * group}, {2 * group}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 2, {0}, {group, 2}, {group, 2}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 3, {0}, {1, 1, 1}, {0x80000000u, 0x80000000u, 0x80000000u}),
                     VGPU_RESULT_BAD_LAUNCH);
    /* More groups than anybody computes, also where their number wraps. */
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {0x80000000u}, {1}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 2, {0}, {65536, 65536}, {1, 2}), VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 3, {0}, {65536, 65536, 65536}), VGPU_RESULT_BAD_LAUNCH);
    for (guint i = 1; i <= 2; i++)
        assert_int_equal(LAUNCH(H(KERNEL), 3, {0}, {1u << 31, 1u << 31, 4 * i}, {1, 1, 1}),
                         VGPU_RESULT_BAD_LAUNCH);
    assert_int_equal(LAUNCH(H(KERNEL), 3, {0}, {G_MAXUINT32, G_MAXUINT32, G_MAXUINT32}),
                     VGPU_RESULT_BAD_LAUNCH);
}

/* A kernel whose buffer has gone is not launched with what is there now. */
static void test_released_argument(void **state)
{
    Fixture *f = *state;

    make_kernel(f);
    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_BUFFER, H(BUFFER), 0);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_OK);
    OK(VGPU_CMD_RELEASE, H(BUFFER));
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_BAD_ARGUMENT);
    OK(VGPU_CMD_BUFFER_CREATE, VGPU_HANDLE(BUFFER, 2), 64);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_BAD_ARGUMENT);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 0, VGPU_ARGUMENT_BUFFER, VGPU_HANDLE(BUFFER, 2), 0);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_OK);
    /* Each argument fits, both do not. */
    const guint64 half = f->backend->info.local_memory / 2 + 1;
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 1, VGPU_ARGUMENT_LOCAL, 0, half);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_OK);
    OK(VGPU_CMD_KERNEL_ARG, H(KERNEL), 2, VGPU_ARGUMENT_LOCAL, 0, half);
    assert_int_equal(LAUNCH(H(KERNEL), 1, {0}, {1}), VGPU_RESULT_BAD_LAUNCH);
}

static void test_events(void **state)
{
    Fixture *f = *state;
    struct vgpu_command command = {.opcode = VGPU_CMD_BUFFER_FILL,
                                   .handle = H(BUFFER),
                                   .event = H(EVENT),
                                   .arg = {0, 8, 0, 1}};
    struct vgpu_event_times times;

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    assert_int_equal(run_command(f, command), VGPU_RESULT_OK);
    assert_int_equal(run_command(f, command), VGPU_RESULT_BAD_HANDLE); /* in use */
    OK(VGPU_CMD_EVENT_TIMES, H(EVENT), 64);
    memcpy(&times, f->arena + 64, sizeof(times));
    assert_true(times.queued > 0 && times.ended >= times.queued);
    FAILS(OUT_OF_RANGE, VGPU_CMD_EVENT_TIMES, H(EVENT), ARENA - sizeof(times) + 1);
    FAILS(OUT_OF_RANGE, VGPU_CMD_EVENT_TIMES, H(EVENT), G_MAXUINT64);
    /* A command that fails makes no event. */
    command.event = H(EVENT + 1);
    command.arg[1] = 65;
    assert_int_equal(run_command(f, command), VGPU_RESULT_OUT_OF_RANGE);
    FAILS(BAD_HANDLE, VGPU_CMD_EVENT_TIMES, H(EVENT + 1), 0);
    command.arg[1] = 64;
    assert_int_equal(run_command(f, command), VGPU_RESULT_OK);
    OK(VGPU_CMD_RELEASE, H(EVENT));
    FAILS(BAD_HANDLE, VGPU_CMD_EVENT_TIMES, H(EVENT), 0);
}

static void test_snapshot(void **state)
{
    Fixture *f = *state;
    struct vgpu_snapshot snapshot;

    OK(VGPU_CMD_SNAPSHOT, 0, 8, 4096);
    memcpy(&snapshot, f->arena + 8, sizeof(snapshot));
    assert_int_equal(snapshot.size, sizeof(snapshot));
    assert_int_equal(snapshot.backend, VGPU_BACKEND_NULL);
    assert_int_equal(snapshot.quota_memory, MAX_BYTES);
    assert_int_equal(snapshot.max_buffer, MAX_BYTES);
    assert_int_equal(snapshot.max_handles, 20);
    assert_int_equal(snapshot.programs, 7);
    assert_int_equal(snapshot.name_length, 3);
    assert_memory_equal(f->arena + 8 + sizeof(snapshot), "CPUvgpudnull", 12);
    assert_int_equal(f->outcome.result, sizeof(snapshot) + 12 + strlen(VGPU_VERSION));
    /* Less room than it needs: as much as there is. */
    const guint64 whole = f->outcome.result;
    memset(f->arena, 0xaa, 200);
    OK(VGPU_CMD_SNAPSHOT, 0, 0, 4);
    assert_int_equal(f->outcome.result, whole);
    assert_int_equal(f->arena[4], 0xaa);
    OK(VGPU_CMD_SNAPSHOT, 0, 0, 0);
    FAILS(OUT_OF_RANGE, VGPU_CMD_SNAPSHOT, 0, ARENA, 1);
    FAILS(OUT_OF_RANGE, VGPU_CMD_SNAPSHOT, 0, 0, G_MAXUINT64);
}

static void test_rate(void **state)
{
    Fixture *f = *state;

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    vgpu_page_set_limits(f->page, &(VgpuLimits){{1, 2}}, FALSE);
    OK(VGPU_CMD_NOP, 0);
    OK(VGPU_CMD_NOP, 0);
    FAILS(RATE_LIMITED, VGPU_CMD_NOP, 0);
    FAILS(RATE_LIMITED, 0xffff, 0);
    FAILS(RATE_LIMITED, VGPU_CMD_BUFFER_CREATE, H(OTHER), 64);
    OK(VGPU_CMD_RELEASE, H(BUFFER)); /* giving back is always allowed */
    OK(VGPU_CMD_FINISH, 0);
    vgpu_page_set_limits(f->page, &(VgpuLimits){{0}}, FALSE);
    OK(VGPU_CMD_NOP, 0);
}

static gboolean must_wait(Fixture *f, guint16 opcode, guint64 handle, guint64 *until_ns)
{
    const struct vgpu_command command = {.opcode = opcode, .handle = handle};

    return vgpu_command_must_wait(f->owner, &f->gate, &command, until_ns);
}

/* A pool that lets requests wait: until when, and what never does. */
static void test_rate_waits(void **state)
{
    Fixture *f = *state;
    guint64 until_ns;

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    vgpu_page_set_limits(f->page, &(VgpuLimits){{1, 2}}, TRUE);
    OK(VGPU_CMD_NOP, 0);
    OK(VGPU_CMD_NOP, 0);
    assert_true(must_wait(f, VGPU_CMD_NOP, 0, &until_ns));
    assert_in_range(until_ns, 1, vgpu_deadline_now() + 1000000000);
    assert_true(must_wait(f, 0xffff, 0, &until_ns)); /* what is wrong costs as much */
    assert_false(must_wait(f, VGPU_CMD_RELEASE, H(BUFFER), &until_ns));
    OK(VGPU_CMD_RELEASE, H(BUFFER));
    /* A change takes effect with the next look. */
    vgpu_page_set_limits(f->page, &(VgpuLimits){{0}}, TRUE);
    OK(VGPU_CMD_NOP, 0);
}

/* Outstanding commands beyond a limit of the VM's own: an error or a wait, as the pool says. Beyond
 * the worker's own bound they always wait. */
static void test_outstanding(void **state)
{
    Fixture *f = *state;
    const VgpuLimits one = {{[VGPU_LIMIT_OUTSTANDING] = 1}};
    const struct vgpu_command fill = {
        .opcode = VGPU_CMD_BUFFER_FILL, .handle = H(BUFFER), .arg = {0, 64, 0, 8}};
    guint64 until_ns;

    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    vgpu_page_set_limits(f->page, &one, FALSE);
    assert_int_equal(run_command(f, fill), VGPU_RESULT_OK);
    assert_int_equal(f->gate.quota.used[VGPU_QUOTA_OUTSTANDING], 1); /* nobody has collected it */
    assert_false(vgpu_command_must_wait(f->owner, &f->gate, &fill, &until_ns));
    assert_int_equal(vgpu_command_run(f->owner, &f->gate, &f->queue, &fill, &f->outcome),
                     VGPU_RESULT_QUOTA);

    vgpu_page_set_limits(f->page, &one, TRUE);
    assert_true(vgpu_command_must_wait(f->owner, &f->gate, &fill, &until_ns));
    assert_int_equal(until_ns, G_MAXUINT64);
    assert_true(vgpu_owner_collect(f->owner));
    assert_false(vgpu_command_must_wait(f->owner, &f->gate, &fill, &until_ns));

    vgpu_page_set_limits(f->page, &(VgpuLimits){{0}}, FALSE);
    f->gate.bounds.amount[VGPU_QUOTA_OUTSTANDING] = 1;
    vgpu_page_set_limits(f->page, &(VgpuLimits){{0}}, FALSE);
    assert_int_equal(run_command(f, fill), VGPU_RESULT_OK);
    assert_true(vgpu_command_must_wait(f->owner, &f->gate, &fill, &until_ns));
}

/* Limits of the page, within what the device has; lowered below what is held, and raised again. */
static void test_limits_change(void **state)
{
    Fixture *f = *state;

    vgpu_page_set_limits(f->page, &(VgpuLimits){{[VGPU_LIMIT_HANDLES] = 2}}, FALSE);
    OK(VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    OK(VGPU_CMD_BUFFER_CREATE, H(OTHER), 64);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(PROGRAM), 64);
    vgpu_page_set_limits(f->page, &(VgpuLimits){{[VGPU_LIMIT_HANDLES] = 1}}, FALSE);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(PROGRAM), 64);
    OK(VGPU_CMD_BUFFER_FILL, H(BUFFER), 0, 64, 0, 8); /* what it holds it may use */
    OK(VGPU_CMD_RELEASE, H(BUFFER));
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(PROGRAM), 64);
    OK(VGPU_CMD_RELEASE, H(OTHER));
    OK(VGPU_CMD_BUFFER_CREATE, H(PROGRAM), 64);
    vgpu_page_set_limits(f->page, &(VgpuLimits){{[VGPU_LIMIT_HANDLES] = 1000}}, FALSE);
    OK(VGPU_CMD_BUFFER_CREATE, H(KERNEL), 64);
    assert_int_equal(f->gate.quota.limit[VGPU_QUOTA_HANDLES], 1000); /* more than is usual */
    vgpu_page_set_limits(f->page, &(VgpuLimits){{[VGPU_LIMIT_MEMORY] = 1000}}, FALSE);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(EVENT), MAX_BYTES); /* the device has no more */
    assert_int_equal(f->gate.quota.limit[VGPU_QUOTA_HANDLES], 20);
    vgpu_page_set_limits(f->page, &(VgpuLimits){{[VGPU_LIMIT_MEMORY] = 4096}}, FALSE);
    FAILS(QUOTA, VGPU_CMD_BUFFER_CREATE, H(EVENT), MAX_BYTES);
}

static void test_no_device(void **state)
{
    Fixture *f = *state;

    OK(VGPU_CMD_NOP, 0);
    OK(VGPU_CMD_BARRIER, 0);
    OK(VGPU_CMD_FINISH, 0);
    FAILS(UNAVAILABLE, VGPU_CMD_SNAPSHOT, 0, 0, 100);
    FAILS(UNAVAILABLE, VGPU_CMD_BUFFER_CREATE, H(BUFFER), 64);
    FAILS(UNAVAILABLE, VGPU_CMD_EVENT_TIMES, H(EVENT), 0);
    FAILS(BAD_HANDLE, VGPU_CMD_RELEASE, H(BUFFER));
    assert_int_equal(
        run_command(f, (struct vgpu_command){.opcode = VGPU_CMD_BARRIER, .event = H(EVENT)}),
        VGPU_RESULT_UNAVAILABLE);
}

#define ON_NULL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NULL(test_unknown),
        ON_NULL(test_unused_fields),
        ON_NULL(test_bad_handles),
        ON_NULL(test_buffers),
        ON_NULL(test_ranges),
        ON_NULL(test_limits),
        ON_NULL(test_too_large),
        ON_NULL(test_programs),
        ON_NULL(test_arguments),
        ON_NULL(test_launches),
        ON_NULL(test_released_argument),
        ON_NULL(test_events),
        ON_NULL(test_snapshot),
        ON_NULL(test_rate),
        ON_NULL(test_rate_waits),
        ON_NULL(test_outstanding),
        ON_NULL(test_limits_change),
        cmocka_unit_test_setup_teardown(test_no_device, set_up_nothing, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
