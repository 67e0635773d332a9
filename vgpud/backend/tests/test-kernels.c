/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs and kernels on the first OpenCL device that the host has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"

#define SKIPPED 77 /* meson's exit status for a test that was not run */
#define ITEMS   64u

static VgpuBackend *backend;
static const VgpuBackendClass *class;
static VgpuBackendQueue *queue;

static const char source[] =
    "typedef struct { uint a, b, c; } Three;\n"
    "kernel void everything(global uint *out, constant uint *in, local uint *scratch,\n"
    "                       uchar byte, ulong word, Three three)\n"
    "{\n"
    "    uint i = get_global_id(0);\n"
    "    scratch[get_local_id(0)] = in[i];\n"
    "    out[i] = scratch[get_local_id(0)] + byte + (uint)(word >> 32) + three.c;\n"
    "}\n"
    "kernel void place(global uint *out)\n"
    "{\n"
    "    uint x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);\n"
    "    out[(z * 4 + y) * 4 + x] = z * 100 + y * 10 + x;\n"
    "}\n"
    "kernel void null_pointer(global uint *out, global uint *nothing)\n"
    "{\n"
    "    out[0] = nothing == 0 ? 42 : 7;\n"
    "}\n"
    "kernel void picture(read_only image2d_t image, sampler_t how) {}\n"
    "kernel void empty(void) {}\n";

static VgpuBackendProgram *build(enum vgpu_program_kind kind, const void *bytes, gsize length)
{
    VgpuBackendProgram *program;

    assert_int_equal(class->program_new(backend, kind, bytes, length, &program, NULL),
                     VGPU_RESULT_OK);
    assert_int_equal(class->program_build(program, "", NULL), VGPU_RESULT_OK);
    return program;
}

static VgpuBackendKernel *make_kernel(VgpuBackendProgram *program, const char *name, guint count)
{
    VgpuBackendKernel *kernel;
    guint arguments = G_MAXUINT;

    assert_int_equal(class->kernel_new(program, name, &kernel, &arguments, NULL), VGPU_RESULT_OK);
    assert_int_equal(arguments, count);
    return kernel;
}

static VgpuBackendBuffer *make_buffer(const guint32 *content)
{
    VgpuBackendBuffer *buffer;
    VgpuBackendEvent *event;

    assert_int_equal(class->buffer_new(backend, ITEMS * 4, &buffer, NULL), VGPU_RESULT_OK);
    assert_int_equal(class->buffer_write(queue, buffer, 0, ITEMS * 4, content, &event, NULL),
                     VGPU_RESULT_OK);
    class->event_unref(event);
    return buffer;
}

static void read_back(VgpuBackendBuffer *buffer, guint32 *content)
{
    VgpuBackendEvent *event;

    assert_int_equal(class->buffer_read(queue, buffer, 0, ITEMS * 4, content, &event, NULL),
                     VGPU_RESULT_OK);
    class->event_unref(event);
}

static enum vgpu_result set_buffer(VgpuBackendKernel *kernel, guint index,
                                   VgpuBackendBuffer *buffer)
{
    const VgpuBackendArgument argument = {.kind = VGPU_ARGUMENT_BUFFER, .buffer = buffer};

    return class->kernel_argument(kernel, index, &argument, NULL);
}

static enum vgpu_result set_local(VgpuBackendKernel *kernel, guint index, gsize length)
{
    const VgpuBackendArgument argument = {.kind = VGPU_ARGUMENT_LOCAL, .length = length};

    return class->kernel_argument(kernel, index, &argument, NULL);
}

static enum vgpu_result set_value(VgpuBackendKernel *kernel, guint index, const void *value,
                                  gsize length)
{
    const VgpuBackendArgument argument = {
        .kind = VGPU_ARGUMENT_INLINE, .value = value, .length = length};

    return class->kernel_argument(kernel, index, &argument, NULL);
}

static enum vgpu_result launch(VgpuBackendKernel *kernel, VgpuBackendLaunch what)
{
    VgpuBackendEvent *event;
    enum vgpu_result result = class->launch(queue, kernel, &what, &event, NULL);

    if (result == VGPU_RESULT_OK)
        class->event_unref(event);
    return result;
}

static const VgpuBackendLaunch one_dimension = {1, {0}, {ITEMS}, {8}};

/* Each kind of argument, each refused where another kind stands. */
static void test_arguments(void **state)
{
    (void)state;
    const guint32 three[3] = {1, 2, 1000};
    const guint64 word = G_GUINT64_CONSTANT(5) << 32;
    const guint8 byte = 3;
    guint32 content[ITEMS];
    VgpuBackendProgram *program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));
    VgpuBackendKernel *kernel = make_kernel(program, "everything", 6);

    for (guint i = 0; i < ITEMS; i++)
        content[i] = i * i;
    VgpuBackendBuffer *in = make_buffer(content), *out = make_buffer(content);

    class->program_free(program); /* its kernels live on */
    assert_int_equal(launch(kernel, one_dimension), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_buffer(kernel, 0, out), VGPU_RESULT_OK);
    assert_int_equal(set_buffer(kernel, 1, in), VGPU_RESULT_OK);
    assert_int_equal(set_local(kernel, 2, 8 * 4), VGPU_RESULT_OK);
    assert_int_equal(set_value(kernel, 3, &byte, 1), VGPU_RESULT_OK);
    assert_int_equal(set_value(kernel, 4, &word, 8), VGPU_RESULT_OK);
    assert_int_equal(set_value(kernel, 5, three, 12), VGPU_RESULT_OK);
    assert_int_equal(launch(kernel, one_dimension), VGPU_RESULT_OK);
    read_back(out, content);
    for (guint i = 0; i < ITEMS; i++)
        assert_int_equal(content[i], i * i + 3 + 5 + 1000);

    assert_int_equal(set_value(kernel, 0, &word, 8), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_local(kernel, 0, 8), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_buffer(kernel, 4, in), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_buffer(kernel, 2, in), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_value(kernel, 2, &word, 8), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_value(kernel, 3, &word, 8), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_value(kernel, 6, &byte, 1), VGPU_RESULT_BAD_ARGUMENT);
    assert_int_equal(set_value(kernel, G_MAXUINT, &byte, 1), VGPU_RESULT_BAD_ARGUMENT);
    class->kernel_free(kernel);
    class->buffer_free(in);
    class->buffer_free(out);
}

/* An image or a sampler is followed as a pointer by the driver: nothing may stand there. */
static void test_no_images(void **state)
{
    (void)state;
    const guint64 word = 0x41414141;
    const guint32 content[ITEMS] = {0};
    VgpuBackendProgram *program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));
    VgpuBackendKernel *kernel = make_kernel(program, "picture", 2);
    VgpuBackendBuffer *buffer = make_buffer(content);

    for (guint i = 0; i < 2; i++) {
        assert_int_equal(set_value(kernel, i, &word, 8), VGPU_RESULT_BAD_ARGUMENT);
        assert_int_equal(set_buffer(kernel, i, buffer), VGPU_RESULT_BAD_ARGUMENT);
        assert_int_equal(set_local(kernel, i, 8), VGPU_RESULT_BAD_ARGUMENT);
    }
    class->kernel_free(kernel);
    class->program_free(program);
    class->buffer_free(buffer);
}

static void test_three_dimensions(void **state)
{
    (void)state;
    guint32 content[ITEMS] = {0};
    VgpuBackendProgram *program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));
    VgpuBackendKernel *kernel = make_kernel(program, "place", 1);
    VgpuBackendBuffer *out = make_buffer(content);

    assert_int_equal(set_buffer(kernel, 0, out), VGPU_RESULT_OK);
    /* All but the first plane; the backend chooses the groups. */
    assert_int_equal(launch(kernel, (VgpuBackendLaunch){3, {0, 0, 1}, {4, 4, 3}, {0}}),
                     VGPU_RESULT_OK);
    read_back(out, content);
    for (guint i = 0; i < ITEMS; i++)
        assert_int_equal(content[i], i < 16 ? 0 : i / 16 * 100 + i / 4 % 4 * 10 + i % 4);
    assert_int_equal(launch(kernel, (VgpuBackendLaunch){3, {0}, {4, 4, 4}, {2, 2, 1}}),
                     VGPU_RESULT_OK);
    assert_int_equal(launch(kernel, (VgpuBackendLaunch){3, {0}, {4, 4, 4}, {3, 2, 1}}),
                     VGPU_RESULT_BAD_LAUNCH);
    class->kernel_free(kernel);
    class->program_free(program);
    class->buffer_free(out);
}

static void test_null_pointer(void **state)
{
    (void)state;
    guint32 content[ITEMS] = {0};
    VgpuBackendProgram *program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));
    VgpuBackendKernel *kernel = make_kernel(program, "null_pointer", 2);
    VgpuBackendBuffer *out = make_buffer(content);

    assert_int_equal(set_buffer(kernel, 0, out), VGPU_RESULT_OK);
    assert_int_equal(set_buffer(kernel, 1, NULL), VGPU_RESULT_OK);
    assert_int_equal(launch(kernel, (VgpuBackendLaunch){1, {0}, {1}, {0}}), VGPU_RESULT_OK);
    read_back(out, content);
    assert_int_equal(content[0], 42);
    class->kernel_free(kernel);
    class->program_free(program);
    class->buffer_free(out);
}

static void test_build_errors(void **state)
{
    (void)state;
    static const char wrong[] = "kernel void f(global int *p) { p[0] = undeclared; }";
    g_autofree guint8 *log = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    VgpuBackendProgram *program;
    VgpuBackendKernel *kernel;
    guint count;

    assert_int_equal(
        class->program_new(backend, VGPU_PROGRAM_SOURCE, wrong, strlen(wrong), &program, NULL),
        VGPU_RESULT_OK);
    assert_int_equal(class->kernel_new(program, "f", &kernel, &count, NULL), VGPU_RESULT_NO_KERNEL);
    assert_int_equal(class->program_build(program, "", &error), VGPU_RESULT_BUILD_FAILED);
    assert_null(error); /* the guest's mistake is nothing for the host's log */
    assert_int_equal(class->program_log(program, &log, &length, NULL), VGPU_RESULT_OK);
    assert_non_null(g_strstr_len((char *)log, (gssize)length, "undeclared"));
    /* The place in the source, without the folder where the host keeps it. */
    assert_non_null(g_strstr_len((char *)log, (gssize)length, ":1:"));
    assert_null(g_strstr_len((char *)log, (gssize)length, "/"));
    assert_int_equal(class->kernel_new(program, "f", &kernel, &count, NULL), VGPU_RESULT_NO_KERNEL);
    class->program_free(program);

    program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));
    assert_int_equal(class->kernel_new(program, "g", &kernel, &count, NULL), VGPU_RESULT_NO_KERNEL);
    class->program_free(program);
}

static void test_options(void **state)
{
    (void)state;
    static const char text[] = "kernel void k(global uint *p) { p[0] = NUMBER; }";
    guint32 content[ITEMS] = {0};
    VgpuBackendProgram *program;

    assert_int_equal(
        class->program_new(backend, VGPU_PROGRAM_SOURCE, text, strlen(text), &program, NULL),
        VGPU_RESULT_OK);
    assert_int_equal(class->program_build(program, "-DNUMBER=77", NULL), VGPU_RESULT_OK);
    VgpuBackendKernel *kernel = make_kernel(program, "k", 1);
    VgpuBackendBuffer *out = make_buffer(content);
    assert_int_equal(set_buffer(kernel, 0, out), VGPU_RESULT_OK);
    assert_int_equal(launch(kernel, (VgpuBackendLaunch){1, {0}, {1}, {0}}), VGPU_RESULT_OK);
    read_back(out, content);
    assert_int_equal(content[0], 77);
    class->kernel_free(kernel);
    class->program_free(program);
    class->buffer_free(out);
}

static void test_binary(void **state)
{
    (void)state;
    g_autofree guint8 *binary = NULL;
    gsize length = 0;
    VgpuBackendProgram *program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));

    assert_int_equal(class->program_binary(program, &binary, &length, NULL), VGPU_RESULT_OK);
    assert_true(length > 0);
    class->program_free(program);

    program = build(VGPU_PROGRAM_BINARY, binary, length);
    VgpuBackendKernel *kernel = make_kernel(program, "empty", 0);
    assert_int_equal(launch(kernel, one_dimension), VGPU_RESULT_OK);
    class->kernel_free(kernel);
    class->program_free(program);

    VgpuBackendProgram *wrong;
    assert_int_equal(class->program_new(backend, VGPU_PROGRAM_BINARY, "no binary", 9, &wrong, NULL),
                     VGPU_RESULT_BUILD_FAILED);
    if ((backend->info.programs & 1u << VGPU_PROGRAM_SPIRV) == 0)
        assert_int_equal(class->program_new(backend, VGPU_PROGRAM_SPIRV, "SPIR-V", 6, &wrong, NULL),
                         VGPU_RESULT_UNSUPPORTED);
}

static void test_launch_times(void **state)
{
    (void)state;
    struct vgpu_event_times times;
    VgpuBackendProgram *program = build(VGPU_PROGRAM_SOURCE, source, strlen(source));
    VgpuBackendKernel *kernel = make_kernel(program, "empty", 0);
    guint32 content[ITEMS] = {0};
    VgpuBackendEvent *event;

    assert_int_equal(class->launch(queue, kernel, &one_dimension, &event, NULL), VGPU_RESULT_OK);
    class->buffer_free(make_buffer(content)); /* a write waits for all before it */
    assert_int_equal(class->event_progress(event), VGPU_BACKEND_ENDED);
    assert_int_equal(class->event_times(event, &times, NULL), VGPU_RESULT_OK);
    assert_true(times.queued > 0 && times.queued <= times.submitted);
    assert_true(times.submitted <= times.started && times.started <= times.ended);
    class->event_unref(event);
    class->kernel_free(kernel);
    class->program_free(program);
}

static int set_up(void **state)
{
    (void)state;
    return class->queue_new(backend, &queue, NULL) == VGPU_RESULT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    class->queue_free(queue);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),        cmocka_unit_test(test_no_images),
        cmocka_unit_test(test_three_dimensions), cmocka_unit_test(test_null_pointer),
        cmocka_unit_test(test_build_errors),     cmocka_unit_test(test_options),
        cmocka_unit_test(test_binary),           cmocka_unit_test(test_launch_times),
    };
    g_autoptr(GError) error = NULL;

    backend = vgpu_backend_open("opencl", "", &error);
    if (backend == NULL) {
        fprintf(stderr, "skipped: %s\n", error->message);
        return SKIPPED;
    }
    class = backend->class;
    int failures = cmocka_run_group_tests(tests, set_up, tear_down);
    vgpu_backend_close(backend);
    return failures;
}
