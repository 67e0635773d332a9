/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "backend.h"

static void assert_open_fails(const char *name, const char *device, const char *text)
{
    g_autoptr(GError) error = NULL;

    assert_null(vgpu_backend_open(name, device, &error));
    assert_int_equal(error->domain, VGPU_BACKEND_ERROR);
    if (strstr(error->message, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, error->message);
}

static enum vgpu_error add(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum)
{
    g_autoptr(GError) error = NULL;
    guint64 elapsed_ns = G_MAXUINT64;
    enum vgpu_error result = vgpu_backend_vector_add(backend, a, b, sum, &elapsed_ns, &error);

    assert_int_equal(result != VGPU_ERROR_NONE, error != NULL);
    assert_true(elapsed_ns < G_MAXUINT64);
    return result;
}

static void test_unknown_backend(void **state)
{
    (void)state;
    assert_open_fails("cuda13", "", "\"cuda13\"; there are: opencl, null, fault");
}

static void test_null(void **state)
{
    (void)state;
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("null", "", NULL);
    guint32 sum = 0;

    assert_int_equal(add(backend, 40, 2, &sum), VGPU_ERROR_NONE);
    assert_int_equal(sum, 42);
    assert_int_equal(add(backend, 0xffffffff, 3, &sum), VGPU_ERROR_NONE);
    assert_int_equal(sum, 2);
    assert_string_equal(backend->info.name, "null: CPU");
    assert_int_equal(backend->info.kind, VGPU_BACKEND_NULL);
    assert_open_fails("null", "gpu0", "\"gpu0\"");
}

/* Opens @spec and says which of the first nine requests fail: '.' good, 'F' failed. */
static void assert_pattern(const char *spec, const char *expected)
{
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("fault", spec, NULL);
    char pattern[10] = "";

    assert_non_null(backend);
    for (int i = 0; i < 9; i++) {
        guint32 sum = 0;
        enum vgpu_error result = add(backend, 1, 2, &sum);

        assert_true(result == VGPU_ERROR_NONE ? sum == 3 : result == VGPU_ERROR_EXECUTION_FAILED);
        pattern[i] = result == VGPU_ERROR_NONE ? '.' : 'F';
    }
    assert_string_equal(pattern, expected);
}

static void test_fault_counts(void **state)
{
    (void)state;
    assert_pattern("fail", "FFFFFFFFF");
    assert_pattern("fail,after=3", "...FFFFFF");
    assert_pattern("fail,every=3", "..F..F..F");
    assert_pattern("every=2,fail,after=4", ".....F.F.");
    assert_pattern("delay=1ms", ".........");
}

static void test_fault_lost(void **state)
{
    (void)state;
    g_autoptr(VgpuBackend) fails = vgpu_backend_open("fault", "fail", NULL);
    g_autoptr(VgpuBackend) lost = vgpu_backend_open("fault", "lost,after=1,every=2", NULL);
    guint32 sum;

    assert_int_equal(add(fails, 1, 2, &sum), VGPU_ERROR_EXECUTION_FAILED);
    assert_false(fails->class->is_lost(fails));
    for (int i = 0; i < 2; i++)
        assert_int_equal(add(lost, 1, 2, &sum), VGPU_ERROR_NONE);
    assert_false(lost->class->is_lost(lost));
    for (int i = 0; i < 4; i++) /* not each second one: it does not come back */
        assert_int_equal(add(lost, 1, 2, &sum), VGPU_ERROR_EXECUTION_FAILED);
    assert_true(lost->class->is_lost(lost));

    g_autoptr(VgpuBackend) again = vgpu_backend_open("fault", "lost,after=1", NULL);
    assert_int_equal(add(again, 1, 2, &sum), VGPU_ERROR_NONE);
}

static void test_fault_gone(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("vgpu-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "gone", NULL);
    g_autofree char *spec = g_strdup_printf("gone=%s", file);
    g_autoptr(VgpuBackend) before = vgpu_backend_open("fault", spec, NULL);
    guint32 sum;

    assert_int_equal(add(before, 1, 2, &sum), VGPU_ERROR_NONE);
    assert_true(g_file_set_contents(file, "", 0, NULL));
    assert_int_equal(add(before, 1, 2, &sum), VGPU_ERROR_EXECUTION_FAILED);
    assert_open_fails("fault", spec, "the device is gone");
    assert_int_equal(g_unlink(file), 0);
    assert_int_equal(add(before, 1, 2, &sum), VGPU_ERROR_EXECUTION_FAILED);
    assert_true(before->class->is_lost(before));
    VgpuBackendBuffer *buffer;
    assert_int_equal(before->class->buffer_new(before, 4, &buffer, NULL),
                     VGPU_RESULT_EXECUTION_FAILED);

    g_autoptr(VgpuBackend) after = vgpu_backend_open("fault", spec, NULL);
    assert_int_equal(add(after, 1, 2, &sum), VGPU_ERROR_NONE);
    g_rmdir(folder);
}

static void test_fault_delay(void **state)
{
    (void)state;
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("fault", "delay=30ms,fail,after=1", NULL);
    guint64 elapsed_ns;
    guint32 sum;

    assert_int_equal(add(backend, 1, 2, &sum), VGPU_ERROR_NONE);
    assert_int_equal(vgpu_backend_vector_add(backend, 1, 2, &sum, &elapsed_ns, NULL),
                     VGPU_ERROR_EXECUTION_FAILED);
    assert_true(elapsed_ns >= 30000000);
}

static void test_fault_specs(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "fial",
        "fail,",
        "fail,hang",
        "delay=50",
        "delay=ms",
        "delay=-1ms",
        "delay=3601s",
        "fail,every=0",
        "fail,after=",
        "delay=5 ms",
        "fail,after=x",
        "Fail",
        "delay=99999999999999999999s",
        "lost,fail",
        "gone=",
        "gone=a,gone=b",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        assert_open_fails("fault", wrong[i], "is not understood");
    assert_open_fails("fault", "", "nothing would happen");
    assert_open_fails("fault", "after=3,every=2", "nothing would happen");
    assert_open_fails("fault", "delay=0ms", "nothing would happen");
    assert_open_fails("fault", "open-fail,after=3", "count requests");
    assert_open_fails("fault", "open-fail", "was asked for");

    g_autoptr(VgpuBackend) longest = vgpu_backend_open("fault", "delay=3600s", NULL);
    assert_non_null(longest);
    assert_string_equal(longest->info.name, "fault: delay=3600s");
}

static void test_fault_crash(void **state)
{
    (void)state;
    pid_t pid = fork();

    if (pid == 0) {
        g_autoptr(VgpuBackend) backend = vgpu_backend_open("fault", "crash", NULL);
        guint64 elapsed_ns;
        guint32 sum;

        vgpu_backend_vector_add(backend, 1, 2, &sum, &elapsed_ns, NULL);
        _exit(0);
    }

    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_backend), cmocka_unit_test(test_null),
        cmocka_unit_test(test_fault_counts),    cmocka_unit_test(test_fault_delay),
        cmocka_unit_test(test_fault_specs),     cmocka_unit_test(test_fault_crash),
        cmocka_unit_test(test_fault_lost),      cmocka_unit_test(test_fault_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
