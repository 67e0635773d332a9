/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers, events and barriers on each backend that the host has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend.h"
#include "opencl-private.h"

#define LENGTH 4096u

typedef struct {
    VgpuBackend *backend;
    const VgpuBackendClass *class;
    VgpuBackendQueue *queue;
    VgpuBackendBuffer *buffer;
    guint8 expected[LENGTH];
} Fixture;

static int set_up_backend(void **state, const char *name, const char *device, gboolean plain)
{
    Fixture *f = g_new0(Fixture, 1);

    f->backend = vgpu_backend_open(name, device, NULL);
    assert_non_null(f->backend);
    f->class = f->backend->class;
    if (plain)
        ((VgpuOpenclBackend *)f->backend)->shares = FALSE;
    assert_int_equal(f->class->queue_new(f->backend, &f->queue, NULL), VGPU_RESULT_OK);
    assert_int_equal(f->class->buffer_new(f->backend, LENGTH, &f->buffer, NULL), VGPU_RESULT_OK);
    *state = f;
    return 0;
}

static int set_up_null(void **state)
{
    return set_up_backend(state, "null", "", FALSE);
}

static int set_up_fault(void **state)
{
    return set_up_backend(state, "fault", "fail,after=1000000", FALSE);
}

static int set_up_opencl(void **state)
{
    return set_up_backend(state, "opencl", "", FALSE);
}

/* As on a device that is not the CPU. */
static int set_up_opencl_plain(void **state)
{
    return set_up_backend(state, "opencl", "", TRUE);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    f->class->buffer_free(f->buffer);
    f->class->queue_free(f->queue);
    vgpu_backend_close(f->backend);
    g_free(f);
    return 0;
}

/* Waits for the end of what has this event, and drops it. */
static void await(Fixture *f, VgpuBackendEvent *event)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    eventfd_t ended;

    assert_int_equal(f->class->queue_flush(f->queue, NULL), VGPU_RESULT_OK);
    assert_int_equal(f->class->event_notify(event, fd, NULL), VGPU_RESULT_OK);
    assert_int_equal(eventfd_read(fd, &ended), 0);
    assert_int_equal(f->class->event_progress(event), VGPU_BACKEND_ENDED);
    f->class->event_unref(event);
    close(fd);
}

static void write_bytes(Fixture *f, guint64 offset, const guint8 *bytes, guint64 length)
{
    VgpuBackendEvent *event;

    assert_int_equal(
        f->class->buffer_write(f->queue, f->buffer, offset, length, bytes, &event, NULL),
        VGPU_RESULT_OK);
    f->class->event_unref(event);
    memcpy(f->expected + offset, bytes, length);
}

static void assert_content(Fixture *f, VgpuBackendBuffer *buffer)
{
    guint8 content[LENGTH];
    VgpuBackendEvent *event;

    assert_int_equal(f->class->buffer_read(f->queue, buffer, 0, LENGTH, content, &event, NULL),
                     VGPU_RESULT_OK);
    f->class->event_unref(event);
    assert_memory_equal(content, f->expected, LENGTH);
}

static void fill_pattern(Fixture *f, guint64 offset, guint64 length, const void *pattern,
                         gsize size)
{
    VgpuBackendEvent *event;

    assert_int_equal(
        f->class->buffer_fill(f->queue, f->buffer, offset, length, pattern, size, &event, NULL),
        VGPU_RESULT_OK);
    await(f, event);
    for (guint64 i = 0; i < length; i++)
        f->expected[offset + i] = ((const guint8 *)pattern)[i % size];
}

static void test_write_read(void **state)
{
    Fixture *f = *state;
    guint8 bytes[LENGTH];

    for (guint i = 0; i < LENGTH; i++)
        bytes[i] = (guint8)(i * 7);
    write_bytes(f, 0, bytes, LENGTH);
    assert_content(f, f->buffer);
    write_bytes(f, LENGTH - 1, bytes + 1, 1);
    write_bytes(f, 13, bytes, 100);
    assert_content(f, f->buffer);
}

static void test_fill(void **state)
{
    Fixture *f = *state;
    static const guint8 pattern[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    fill_pattern(f, 0, LENGTH, pattern, 1);
    fill_pattern(f, 8, 80, pattern, 8);
    fill_pattern(f, LENGTH - 4, 4, pattern, 4);
    fill_pattern(f, 100, 2, pattern, 2);
    assert_content(f, f->buffer);
}

static void test_copy(void **state)
{
    Fixture *f = *state;
    static const guint8 pattern[4] = {0xde, 0xad, 0xbe, 0xef};
    VgpuBackendEvent *event;
    VgpuBackendBuffer *other;

    assert_int_equal(f->class->buffer_new(f->backend, LENGTH, &other, NULL), VGPU_RESULT_OK);
    fill_pattern(f, 0, LENGTH, pattern, 4);
    write_bytes(f, 100, (const guint8 *)"hello", 5);
    assert_int_equal(f->class->buffer_copy(f->queue, other, 0, f->buffer, 0, LENGTH, &event, NULL),
                     VGPU_RESULT_OK);
    await(f, event);
    assert_content(f, other);
    /* Within one buffer, and with offsets. */
    assert_int_equal(
        f->class->buffer_copy(f->queue, f->buffer, 1000, f->buffer, 100, 5, &event, NULL),
        VGPU_RESULT_OK);
    await(f, event);
    memcpy(f->expected + 1000, "hello", 5);
    assert_content(f, f->buffer);
    f->class->buffer_free(other);
}

/* Without an event it may go another way: behind what was given before, all the same. */
static void test_without_events(void **state)
{
    Fixture *f = *state;
    guint8 bytes[LENGTH], content[LENGTH];
    VgpuBackendEvent *event;

    memset(bytes, 7, LENGTH);
    assert_int_equal(f->class->buffer_write(f->queue, f->buffer, 0, LENGTH, bytes, NULL, NULL),
                     VGPU_RESULT_OK);
    memset(f->expected, 7, LENGTH);
    assert_content(f, f->buffer);
    assert_int_equal(f->class->buffer_fill(f->queue, f->buffer, 0, LENGTH, "\x2a", 1, &event, NULL),
                     VGPU_RESULT_OK);
    assert_int_equal(f->class->buffer_write(f->queue, f->buffer, 1, 2, bytes, NULL, NULL),
                     VGPU_RESULT_OK);
    assert_int_equal(f->class->buffer_read(f->queue, f->buffer, 0, LENGTH, content, NULL, NULL),
                     VGPU_RESULT_OK);
    assert_int_equal(f->class->event_progress(event), VGPU_BACKEND_ENDED);
    f->class->event_unref(event);
    memset(bytes, 42, LENGTH);
    bytes[1] = bytes[2] = 7;
    assert_memory_equal(content, bytes, LENGTH);
}

static void test_event_times(void **state)
{
    Fixture *f = *state;
    struct vgpu_event_times times = {0};
    VgpuBackendEvent *event, *again;

    assert_int_equal(f->class->barrier(f->queue, &event, NULL), VGPU_RESULT_OK);
    again = f->class->event_ref(event);
    await(f, event);
    assert_int_equal(f->class->event_times(again, &times, NULL), VGPU_RESULT_OK);
    assert_true(times.queued > 0 && times.queued <= times.submitted);
    assert_true(times.submitted <= times.started && times.started <= times.ended);
    f->class->event_unref(again);
}

static void test_no_memory(void **state)
{
    Fixture *f = *state;
    VgpuBackendBuffer *buffer;

    assert_int_equal(f->class->buffer_new(f->backend, G_MAXINT64, &buffer, NULL),
                     VGPU_RESULT_OUT_OF_MEMORY);
}

static void test_info(void **state)
{
    Fixture *f = *state;
    const VgpuBackendInfo *info = &f->backend->info;

    for (gsize i = 0; i < VGPU_BACKEND_TEXTS; i++)
        assert_true(g_utf8_validate(info->texts[i], -1, NULL));
    assert_true(*info->texts[VGPU_BACKEND_TEXT_NAME] != '\0');
    assert_true(info->max_buffer > 0 && info->max_buffer <= info->memory);
    assert_true(info->local_memory > 0);
    for (gsize i = 0; i < 3; i++)
        assert_true(info->max_item[i] > 0 && info->max_item[i] <= info->max_group);
    assert_true((info->programs & 1u << VGPU_PROGRAM_SOURCE) != 0);
}

#define TESTS_ON(name)                                                                             \
    cmocka_unit_test_setup_teardown(test_write_read, set_up_##name, tear_down),                    \
        cmocka_unit_test_setup_teardown(test_fill, set_up_##name, tear_down),                      \
        cmocka_unit_test_setup_teardown(test_copy, set_up_##name, tear_down),                      \
        cmocka_unit_test_setup_teardown(test_without_events, set_up_##name, tear_down),            \
        cmocka_unit_test_setup_teardown(test_event_times, set_up_##name, tear_down),               \
        cmocka_unit_test_setup_teardown(test_no_memory, set_up_##name, tear_down),                 \
        cmocka_unit_test_setup_teardown(test_info, set_up_##name, tear_down)

/* Struck are the five that touch the device, each counted as a request. */
static void test_faults(void **state)
{
    (void)state;
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("fault", "fail,every=2", NULL);
    const VgpuBackendClass *class = backend->class;
    VgpuBackendQueue *queue;
    VgpuBackendBuffer *buffer;
    VgpuBackendEvent *event;
    guint8 bytes[8] = {0};

    assert_int_equal(class->queue_new(backend, &queue, NULL), VGPU_RESULT_OK);
    assert_int_equal(class->buffer_new(backend, 8, &buffer, NULL), VGPU_RESULT_OK);
    for (int i = 0; i < 10; i++) {
        g_autoptr(GError) error = NULL;
        enum vgpu_result result =
            i % 3 == 0   ? class->buffer_write(queue, buffer, 0, 8, bytes, &event, &error)
            : i % 3 == 1 ? class->buffer_fill(queue, buffer, 0, 8, bytes, 1, &event, &error)
                         : class->buffer_read(queue, buffer, 0, 8, bytes, &event, &error);

        assert_int_equal(result, i % 2 == 0 ? VGPU_RESULT_OK : VGPU_RESULT_EXECUTION_FAILED);
        assert_int_equal(error != NULL, i % 2 == 1);
        if (result == VGPU_RESULT_OK)
            class->event_unref(event);
    }
    class->buffer_free(buffer);
    class->queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest everywhere[] = {
        TESTS_ON(null),
        TESTS_ON(fault),
        cmocka_unit_test(test_faults),
    };
    const struct CMUnitTest on_opencl[] = {TESTS_ON(opencl), TESTS_ON(opencl_plain)};
    g_autoptr(GError) error = NULL;
    int failures = cmocka_run_group_tests_name("null and fault", everywhere, NULL, NULL);

    g_autoptr(VgpuBackend) backend = vgpu_backend_open("opencl", "", &error);
    if (backend == NULL) {
        fprintf(stderr, "without OpenCL: %s\n", error->message);
        return failures;
    }
    return failures + cmocka_run_group_tests_name("opencl", on_opencl, NULL, NULL);
}
