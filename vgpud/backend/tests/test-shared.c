/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Buffers in memory that host and device share, where the first OpenCL device has it: transfers
 * without the driver, in order all the same, and memory that stays for as long as it is used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "opencl-private.h"

#define SKIPPED 77 /* meson's exit status for a test that was not run */
#define ITEMS   64u
#define LENGTH  (ITEMS * (guint)sizeof(guint32))

static VgpuBackend *backend;
static const VgpuBackendClass *class;
static VgpuBackendQueue *queue;
static VgpuBackendProgram *program;

/* What the driver was asked for since the test's begin; by --wrap. */
static struct {
    guint allocated, finished, transfers;
    gint freed; /* atomic: by any thread */
} asked;
static gboolean no_memory, no_callbacks; /* have it fail */

extern __typeof__(clSVMAlloc) __real_clSVMAlloc, __wrap_clSVMAlloc;
extern __typeof__(clSVMFree) __real_clSVMFree, __wrap_clSVMFree;
extern __typeof__(clSetMemObjectDestructorCallback) __real_clSetMemObjectDestructorCallback,
    __wrap_clSetMemObjectDestructorCallback;
extern __typeof__(clFinish) __real_clFinish, __wrap_clFinish;
extern __typeof__(clEnqueueWriteBuffer) __real_clEnqueueWriteBuffer, __wrap_clEnqueueWriteBuffer;
extern __typeof__(clEnqueueReadBuffer) __real_clEnqueueReadBuffer, __wrap_clEnqueueReadBuffer;

void *__wrap_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment)
{
    if (no_memory)
        return NULL;
    asked.allocated++;
    return __real_clSVMAlloc(context, flags, size, alignment);
}

void __wrap_clSVMFree(cl_context context, void *memory)
{
    __real_clSVMFree(context, memory);
    g_atomic_int_inc(&asked.freed);
}

cl_int __wrap_clSetMemObjectDestructorCallback(cl_mem mem,
                                               void(CL_CALLBACK *callback)(cl_mem, void *),
                                               void *data)
{
    return no_callbacks ? CL_OUT_OF_HOST_MEMORY
                        : __real_clSetMemObjectDestructorCallback(mem, callback, data);
}

cl_int __wrap_clFinish(cl_command_queue of)
{
    asked.finished++;
    return __real_clFinish(of);
}

cl_int __wrap_clEnqueueWriteBuffer(cl_command_queue to, cl_mem mem, cl_bool blocks, size_t offset,
                                   size_t size, const void *data, cl_uint count,
                                   const cl_event *events, cl_event *event)
{
    asked.transfers++;
    return __real_clEnqueueWriteBuffer(to, mem, blocks, offset, size, data, count, events, event);
}

cl_int __wrap_clEnqueueReadBuffer(cl_command_queue to, cl_mem mem, cl_bool blocks, size_t offset,
                                  size_t size, void *data, cl_uint count, const cl_event *events,
                                  cl_event *event)
{
    asked.transfers++;
    return __real_clEnqueueReadBuffer(to, mem, blocks, offset, size, data, count, events, event);
}

static const char source[] =
    "kernel void slow(global uint *out, uint value)\n" /* tens of milliseconds */
    "{\n"
    "    for (volatile uint i = 0; i < 100000; i++) ;\n"
    "    out[get_global_id(0)] = value;\n"
    "}\n"
    "kernel void gated(global uint *out, volatile global uint *gate)\n"
    "{\n"
    "    while (gate[0] == 0) ;\n"
    "    out[get_global_id(0)] = 1;\n"
    "}\n";

static VgpuBackendBuffer *make_buffer(void)
{
    VgpuBackendBuffer *buffer;

    assert_int_equal(class->buffer_new(backend, LENGTH, &buffer, NULL), VGPU_RESULT_OK);
    return buffer;
}

static void write_all(VgpuBackendBuffer *buffer, guint32 value)
{
    guint32 content[ITEMS];

    for (guint i = 0; i < ITEMS; i++)
        content[i] = value;
    assert_int_equal(class->buffer_write(queue, buffer, 0, LENGTH, content, NULL, NULL),
                     VGPU_RESULT_OK);
}

static void assert_all(VgpuBackendBuffer *buffer, guint32 value)
{
    guint32 content[ITEMS];

    assert_int_equal(class->buffer_read(queue, buffer, 0, LENGTH, content, NULL, NULL),
                     VGPU_RESULT_OK);
    for (guint i = 0; i < ITEMS; i++)
        assert_int_equal(content[i], value);
}

/* A kernel whose first argument is @out; the second is @gate, or @value without one. */
static VgpuBackendKernel *make_kernel(VgpuBackendBuffer *out, VgpuBackendBuffer *gate,
                                      guint32 value)
{
    const VgpuBackendArgument first = {.kind = VGPU_ARGUMENT_BUFFER, .buffer = out};
    const VgpuBackendArgument second = {
        .kind = gate != NULL ? VGPU_ARGUMENT_BUFFER : VGPU_ARGUMENT_INLINE,
        .buffer = gate,
        .value = &value,
        .length = sizeof(value),
    };
    VgpuBackendKernel *kernel;
    guint count;

    assert_int_equal(
        class->kernel_new(program, gate != NULL ? "gated" : "slow", &kernel, &count, NULL),
        VGPU_RESULT_OK);
    assert_int_equal(class->kernel_argument(kernel, 0, &first, NULL), VGPU_RESULT_OK);
    assert_int_equal(class->kernel_argument(kernel, 1, &second, NULL), VGPU_RESULT_OK);
    return kernel;
}

static VgpuBackendEvent *launch(VgpuBackendKernel *kernel)
{
    const VgpuBackendLaunch all = {1, {0}, {ITEMS}, {ITEMS}};
    VgpuBackendEvent *event;

    assert_int_equal(class->launch(queue, kernel, &all, &event, NULL), VGPU_RESULT_OK);
    assert_int_equal(class->queue_flush(queue, NULL), VGPU_RESULT_OK);
    return event;
}

/* The driver lets go of a buffer a moment after the last command with it. */
static void assert_all_freed(void)
{
    for (guint i = 0; i < 10000 && g_atomic_int_get(&asked.freed) < (gint)asked.allocated; i++)
        g_usleep(1000);
    assert_int_equal(g_atomic_int_get(&asked.freed), asked.allocated);
}

static void test_no_driver(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer();
    guint8 content[LENGTH];

    write_all(buffer, 7);
    assert_int_equal(class->buffer_write(queue, buffer, 5, 1, "\x2a", NULL, NULL), VGPU_RESULT_OK);
    assert_int_equal(class->buffer_read(queue, buffer, 4, 4, content, NULL, NULL), VGPU_RESULT_OK);
    assert_memory_equal(content, "\x07\x2a\x00\x00", 4);
    assert_int_equal(asked.transfers, 0);
    assert_int_equal(asked.finished, 0);
    class->buffer_free(buffer);
    assert_all_freed();
}

/* Only the driver can say when it was. */
static void test_with_events(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer();
    struct vgpu_event_times times = {0};
    guint8 content[LENGTH];
    VgpuBackendEvent *event;

    write_all(buffer, 7);
    assert_int_equal(class->buffer_write(queue, buffer, 5, 1, "\x2a", &event, NULL),
                     VGPU_RESULT_OK);
    assert_int_equal(class->event_times(event, &times, NULL), VGPU_RESULT_OK);
    assert_true(times.queued > 0 && times.ended >= times.started);
    class->event_unref(event);
    assert_int_equal(class->buffer_read(queue, buffer, 4, 4, content, &event, NULL),
                     VGPU_RESULT_OK);
    class->event_unref(event);
    assert_memory_equal(content, "\x07\x2a\x00\x00", 4);
    assert_int_equal(asked.transfers, 2);
    class->buffer_free(buffer);
}

static void test_write_behind_kernel(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer();
    VgpuBackendKernel *kernel = make_kernel(buffer, NULL, 1);
    VgpuBackendEvent *event = launch(kernel);

    write_all(buffer, 42);
    assert_int_equal(class->event_progress(event), VGPU_BACKEND_ENDED);
    assert_all(buffer, 42);
    class->event_unref(event);
    class->kernel_free(kernel);
    class->buffer_free(buffer);
}

static void test_read_behind_kernel(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer();
    VgpuBackendKernel *kernel = make_kernel(buffer, NULL, 43);

    write_all(buffer, 7);
    class->event_unref(launch(kernel));
    assert_all(buffer, 43);
    class->kernel_free(kernel);
    class->buffer_free(buffer);
}

/* And a kernel sees what was written. */
static void test_kernel_behind_write(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer(), *gate = make_buffer();
    VgpuBackendKernel *kernel = make_kernel(buffer, gate, 0);

    for (guint32 i = 1; i <= 100; i++) {
        write_all(buffer, 7);
        write_all(gate, i);
        class->event_unref(launch(kernel));
        assert_all(buffer, 1);
    }
    class->kernel_free(kernel);
    class->buffer_free(gate);
    class->buffer_free(buffer);
}

static void assert_waits_once(VgpuBackendBuffer *buffer, VgpuBackendEvent *event)
{
    const guint finished = asked.finished;

    write_all(buffer, 5);
    assert_int_equal(asked.finished, finished + 1);
    assert_int_equal(class->event_progress(event), VGPU_BACKEND_ENDED);
    assert_all(buffer, 5);
    assert_int_equal(asked.finished, finished + 1);
    class->event_unref(event);
}

/* Whatever the queue is given is waited for, once. */
static void test_waits_once(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer(), *other = make_buffer();
    VgpuBackendKernel *kernel = make_kernel(buffer, NULL, 1);
    VgpuBackendEvent *event;

    assert_waits_once(other, launch(kernel));
    assert_int_equal(class->buffer_copy(queue, buffer, 0, buffer, 8, 8, &event, NULL),
                     VGPU_RESULT_OK);
    assert_waits_once(other, event);
    assert_int_equal(class->buffer_fill(queue, buffer, 0, LENGTH, "\1", 1, &event, NULL),
                     VGPU_RESULT_OK);
    assert_waits_once(other, event);
    assert_int_equal(class->barrier(queue, &event, NULL), VGPU_RESULT_OK);
    assert_waits_once(other, event);
    assert_int_equal(asked.transfers, 0);
    class->kernel_free(kernel);
    class->buffer_free(buffer);
    class->buffer_free(other);
}

/* Drivers have it longer than the last command's event tells: here, much longer. */
static void test_freed_while_used(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer = make_buffer(), *gate = make_buffer();
    VgpuBackendKernel *kernel = make_kernel(buffer, gate, 0);

    write_all(gate, 0);
    VgpuBackendEvent *event = launch(kernel);
    class->buffer_free(buffer);
    const gint freed = g_atomic_int_get(&asked.freed);
    const VgpuBackendProgress progress = class->event_progress(event);
    /* Nothing may fail while the kernel waits: it would wait for ever. */
    *(volatile guint32 *)gate->memory = 1;
    write_all(gate, 0); /* waits for the kernel */
    assert_int_equal(freed, 0);
    assert_int_equal(progress, VGPU_BACKEND_RUNNING);
    assert_int_equal(class->event_progress(event), VGPU_BACKEND_ENDED);
    class->event_unref(event);
    class->kernel_free(kernel);
    class->buffer_free(gate);
    assert_all_freed();
}

static void test_not_shared(void **state)
{
    (void)state;
    VgpuOpenclBackend *opencl = (VgpuOpenclBackend *)backend;

    opencl->shares = FALSE;
    VgpuBackendBuffer *buffer = make_buffer();
    opencl->shares = TRUE;
    write_all(buffer, 42);
    assert_all(buffer, 42);
    assert_int_equal(asked.transfers, 2);
    assert_int_equal(asked.allocated, 0);
    class->buffer_free(buffer);
    assert_int_equal(g_atomic_int_get(&asked.freed), 0);
}

static void test_not_too_many(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffers[VGPU_OPENCL_MAX_SHARED + 1];
    const guint last = VGPU_OPENCL_MAX_SHARED;

    for (guint i = 0; i <= last; i++)
        buffers[i] = make_buffer();
    assert_int_equal(asked.allocated, VGPU_OPENCL_MAX_SHARED);
    write_all(buffers[last], 42);
    assert_all(buffers[last], 42);
    class->buffer_free(buffers[last]);
    class->buffer_free(buffers[0]);
    for (guint i = 0; i < 2; i++)
        buffers[i == 0 ? 0 : last] = make_buffer();
    assert_int_equal(asked.allocated, VGPU_OPENCL_MAX_SHARED + 1);
    for (guint i = 0; i <= last; i++)
        class->buffer_free(buffers[i]);
    assert_all_freed();
}

static void test_failures(void **state)
{
    (void)state;
    VgpuBackendBuffer *buffer;

    no_memory = TRUE;
    enum vgpu_result without_memory = class->buffer_new(backend, LENGTH, &buffer, NULL);
    no_memory = FALSE;
    assert_int_equal(without_memory, VGPU_RESULT_OUT_OF_MEMORY);
    assert_int_equal(asked.allocated, 0);

    no_callbacks = TRUE;
    enum vgpu_result without_callbacks = class->buffer_new(backend, LENGTH, &buffer, NULL);
    no_callbacks = FALSE;
    assert_int_equal(without_callbacks, VGPU_RESULT_OUT_OF_MEMORY);
    assert_int_equal(asked.allocated, 1);
    assert_int_equal(g_atomic_int_get(&asked.freed), 1);
}

/* Each test has its own: what one that fails leaves behind is no other's. */
static int set_up(void **state)
{
    (void)state;
    backend = vgpu_backend_open("opencl", "", NULL);
    memset(&asked, 0, sizeof(asked)); /* by its opening */
    return backend != NULL && class->queue_new(backend, &queue, NULL) == VGPU_RESULT_OK &&
                   class->program_new(backend, VGPU_PROGRAM_SOURCE, source, sizeof(source) - 1,
                                      &program, NULL) == VGPU_RESULT_OK &&
                   class->program_build(program, "", NULL) == VGPU_RESULT_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    class->program_free(program);
    class->queue_free(queue);
    vgpu_backend_close(backend);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_no_driver),           TEST(test_with_events),
        TEST(test_write_behind_kernel), TEST(test_read_behind_kernel),
        TEST(test_kernel_behind_write), TEST(test_waits_once),
        TEST(test_freed_while_used),    TEST(test_not_shared),
        TEST(test_not_too_many),        TEST(test_failures),
    };
    g_autoptr(GError) error = NULL;

    backend = vgpu_backend_open("opencl", "", &error);
    if (backend == NULL || !((VgpuOpenclBackend *)backend)->shares) {
        fprintf(stderr, "skipped: %s\n", error != NULL ? error->message : "no shared memory");
        g_clear_pointer(&backend, vgpu_backend_close);
        return SKIPPED;
    }
    class = backend->class;
    vgpu_backend_close(backend);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
