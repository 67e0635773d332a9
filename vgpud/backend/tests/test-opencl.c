/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The selector without a device, then the real thing on the first device that the host has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "opencl-private.h"

#define SKIPPED 77 /* meson's exit status for a test that was not run */

static GPtrArray *example_devices(void)
{
    static const char *const names[][2] = {
        {"NVIDIA CUDA", "NVIDIA H100"},
        {"NVIDIA CUDA", "NVIDIA H100"},
        {"AMD Accelerated Parallel Processing", "gfx90a"},
        {"Portable Computing Language", "pthread-x"},
    };
    GPtrArray *devices = g_ptr_array_new_with_free_func((GDestroyNotify)vgpu_opencl_device_free);

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        VgpuOpenclDevice *device = g_new0(VgpuOpenclDevice, 1);

        device->platform = g_strdup(names[i][0]);
        device->device = g_strdup(names[i][1]);
        g_ptr_array_add(devices, device);
    }
    return devices;
}

static void test_select(void **state)
{
    (void)state;
    static const struct {
        const char *selector;
        gssize index;
    } cases[] = {
        {"", 0},          {"/", 0},        {"#0", 0},       {"#3", 3},
        {"#4", -1},       {"h100", 0},     {"H100#1", 1},   {"h100#2", -1},
        {"nvidia/#1", 1}, {"amd/", 2},     {"/pthread", 3}, {"portable/pthread", 3},
        {"amd/h100", -1}, {"gfx90a#0", 2}, {"gfx91", -1},   {"nvidia cuda/nvidia h100#1", 1},
    };
    g_autoptr(GPtrArray) devices = example_devices();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gssize index = vgpu_opencl_select(devices, cases[i].selector, &error);

        if (index != cases[i].index)
            fail_msg("\"%s\" is %zd, not %zd", cases[i].selector, cases[i].index, index);
        assert_int_equal(index < 0, error != NULL);
    }
}

static void test_select_errors(void **state)
{
    (void)state;
    static const char *const wrong[] = {"#", "#x", "h100#-1", "#99999999999999999999", "\xff"};
    g_autoptr(GPtrArray) devices = example_devices();
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) wrong_error = NULL;

        assert_int_equal(vgpu_opencl_select(devices, wrong[i], &wrong_error), -1);
        assert_int_equal(wrong_error->code, VGPU_BACKEND_ERROR_SELECTOR);
    }
    assert_int_equal(vgpu_opencl_select(devices, "voodoo", &error), -1);
    assert_non_null(strstr(error->message, "\"voodoo\""));
    assert_non_null(strstr(error->message, "\"Portable Computing Language/pthread-x\""));
}

static void test_parts(void **state)
{
    (void)state;
    static const struct {
        const char *selector, *whole;
        guint number, count; /* 0: an error */
    } cases[] = {
        {"", "", 1, 1},
        {"pocl/cpu#1", "pocl/cpu#1", 1, 1},
        {":1of2", "", 1, 2},
        {"pocl/cpu#1:2of3", "pocl/cpu#1", 2, 3},
        {"a:1of2:64of64", "a:1of2", 64, 64},
        {"gpu:x", "gpu:x", 1, 1}, /* names may have a colon */
        {"profit:of2", "profit:of2", 1, 1},
        {":1of", ":1of", 1, 1},
        {":1of2x", ":1of2x", 1, 1},
        {":0of2", NULL, 0, 0},
        {":3of2", NULL, 0, 0},
        {":1of0", NULL, 0, 0},
        {":1of65", NULL, 0, 0},
        {":1of99999999999999999999", NULL, 0, 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VgpuOpenclPart) part = {0};
        g_autoptr(GError) error = NULL;

        assert_int_equal(vgpu_opencl_part_parse(cases[i].selector, &part, &error),
                         cases[i].count != 0);
        if (cases[i].count == 0) {
            assert_int_equal(error->code, VGPU_BACKEND_ERROR_SELECTOR);
            continue;
        }
        assert_string_equal(part.whole, cases[i].whole);
        assert_int_equal(part.number, cases[i].number);
        assert_int_equal(part.count, cases[i].count);
    }
}

static void test_can_share(void **state)
{
    (void)state;
    const cl_device_svm_capabilities coarse = CL_DEVICE_SVM_COARSE_GRAIN_BUFFER;
    const cl_device_svm_capabilities fine = coarse | CL_DEVICE_SVM_FINE_GRAIN_BUFFER;

    assert_true(vgpu_opencl_can_share(CL_DEVICE_TYPE_CPU, "OpenCL 2.0 x", fine));
    assert_true(vgpu_opencl_can_share(CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_DEFAULT, "OpenCL 3.0 x",
                                      fine | CL_DEVICE_SVM_ATOMICS));
    assert_false(vgpu_opencl_can_share(CL_DEVICE_TYPE_CPU, "OpenCL 1.2 x", fine));
    assert_false(vgpu_opencl_can_share(CL_DEVICE_TYPE_CPU, "", fine));
    assert_false(vgpu_opencl_can_share(CL_DEVICE_TYPE_CPU, "OpenCL 3.0 x", coarse));
    assert_false(vgpu_opencl_can_share(CL_DEVICE_TYPE_CPU, "OpenCL 3.0 x", 0));
    /* A buffer of a GPU's that lies in the host's memory is one behind a bus. */
    assert_false(vgpu_opencl_can_share(CL_DEVICE_TYPE_GPU, "OpenCL 3.0 x", fine));
}

static void test_error_names(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;

    assert_string_equal(vgpu_opencl_error_name(CL_OUT_OF_RESOURCES), "CL_OUT_OF_RESOURCES");
    assert_string_equal(vgpu_opencl_error_name(-9999), "unknown OpenCL error");
    assert_true(vgpu_opencl_check(CL_SUCCESS, "clFinish", &error));
    assert_false(vgpu_opencl_check(CL_OUT_OF_RESOURCES, "clFinish", &error));
    assert_string_equal(error->message, "OpenCL: clFinish: CL_OUT_OF_RESOURCES (-5)");
}

static void test_device(void **state)
{
    (void)state;
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("opencl", "", NULL);

    assert_non_null(backend);
    assert_non_null(strstr(backend->info.name, ": "));
    assert_true(backend->info.compute_units > 0);
    assert_true(backend->info.memory_mib > 0);
    assert_int_equal(backend->info.kind, VGPU_BACKEND_OPENCL);
    for (guint32 i = 0; i < 100; i++) {
        guint64 elapsed_ns = 0;
        guint32 sum = 0, a = 0x9e3779b9u * i;

        assert_int_equal(vgpu_backend_vector_add(backend, a, ~i, &sum, &elapsed_ns, NULL),
                         VGPU_ERROR_NONE);
        assert_int_equal(sum, a + ~i);
        assert_true(elapsed_ns > 0);
    }
}

/* As it is listed in errors, a device can be asked for. */
static void test_device_by_name(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) devices = vgpu_opencl_devices(NULL);
    const VgpuOpenclDevice *first = devices->pdata[0];
    g_autofree char *selector = g_strdup_printf("%s/%s", first->platform, first->device);
    g_autoptr(VgpuBackend) backend = vgpu_backend_open("opencl", selector, NULL);
    g_autoptr(GError) error = NULL;

    assert_non_null(backend);
    assert_null(vgpu_backend_open("opencl", "no such device", &error));
    assert_non_null(strstr(error->message, selector));
}

/* Both halves at once; each is the half of what the whole is. */
static void test_halves(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) devices = vgpu_opencl_devices(NULL);
    cl_uint units = 0;
    g_autoptr(GError) error = NULL;

    clGetDeviceInfo(((const VgpuOpenclDevice *)devices->pdata[0])->id, CL_DEVICE_MAX_COMPUTE_UNITS,
                    sizeof(units), &units, NULL);
    g_autoptr(VgpuBackend) one = vgpu_backend_open("opencl", ":1of2", &error);
    if (one == NULL) {
        print_message("not divided: %s\n", error->message);
        return; /* not skip(), which would leak */
    }
    g_autoptr(VgpuBackend) two = vgpu_backend_open("opencl", ":2of2", NULL);
    assert_non_null(two);
    assert_int_equal(one->info.compute_units, units / 2);
    assert_non_null(strstr(one->info.name, ", part 1 of 2"));
    assert_non_null(strstr(two->info.name, ", part 2 of 2"));
    for (guint i = 0; i < 100; i++) {
        guint32 sum = 0;
        guint64 device_ns;
        VgpuBackend *backend = i % 2 == 0 ? one : two;
        assert_int_equal(vgpu_backend_vector_add(backend, i, 7, &sum, &device_ns, NULL),
                         VGPU_ERROR_NONE);
        assert_int_equal(sum, i + 7);
    }

    g_autofree char *too_many = g_strdup_printf(":1of%u", MIN(units + 1, 64));
    if (units < 64) {
        assert_null(vgpu_backend_open("opencl", too_many, &error));
        assert_non_null(strstr(error->message, "cannot be divided into"));
    }
}

int main(void)
{
    const struct CMUnitTest pure[] = {
        cmocka_unit_test(test_select),      cmocka_unit_test(test_select_errors),
        cmocka_unit_test(test_parts),       cmocka_unit_test(test_can_share),
        cmocka_unit_test(test_error_names),
    };
    const struct CMUnitTest real[] = {
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_device_by_name),
        cmocka_unit_test(test_halves),
    };
    g_autoptr(GError) error = NULL;
    int failures = cmocka_run_group_tests_name("pure", pure, NULL, NULL);

    g_autoptr(GPtrArray) devices = vgpu_opencl_devices(&error);
    if (devices == NULL) {
        fprintf(stderr, "skipped: %s\n", error->message);
        return failures > 0 ? failures : SKIPPED;
    }
    return failures + cmocka_run_group_tests_name("device", real, NULL, NULL);
}
