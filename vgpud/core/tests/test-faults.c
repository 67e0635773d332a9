/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "faults.h"

static void test_more_than_the_budget_within_the_window(void **state)
{
    (void)state;
    VgpuFaults faults;

    vgpu_faults_init(&faults, 3, 100);
    assert_false(vgpu_faults_add(&faults, 0));
    assert_false(vgpu_faults_add(&faults, 10));
    assert_false(vgpu_faults_add(&faults, 20));
    assert_true(vgpu_faults_add(&faults, 100));
    /* The first has left the window, the second has not. */
    assert_true(vgpu_faults_add(&faults, 110));
    assert_false(vgpu_faults_add(&faults, 121));
    vgpu_faults_clear(&faults);
}

static void test_slow_faults_never_trip(void **state)
{
    (void)state;
    VgpuFaults faults;

    vgpu_faults_init(&faults, 3, 100);
    for (gint64 now = 0; now < 100000; now += 34)
        assert_false(vgpu_faults_add(&faults, now));
    vgpu_faults_clear(&faults);
}

static void test_no_budget(void **state)
{
    (void)state;
    VgpuFaults faults;

    vgpu_faults_init(&faults, 0, 100);
    assert_true(vgpu_faults_add(&faults, 5));
    vgpu_faults_clear(&faults);
}

static void test_forgiven_faults_do_not_count(void **state)
{
    (void)state;
    VgpuFaults faults;

    vgpu_faults_init(&faults, 2, 100);
    for (int i = 0; i < 3; i++)
        vgpu_faults_add(&faults, i);
    vgpu_faults_forgive(&faults);
    assert_false(vgpu_faults_add(&faults, 3));
    assert_false(vgpu_faults_add(&faults, 3));
    assert_true(vgpu_faults_add(&faults, 3));
    assert_int_equal(faults.total, 6);
    vgpu_faults_clear(&faults);
}

static void test_largest_budget(void **state)
{
    (void)state;
    VgpuFaults faults;

    vgpu_faults_init(&faults, VGPU_FAULTS_MAX_BUDGET, 1);
    for (guint i = 0; i < VGPU_FAULTS_MAX_BUDGET; i++)
        assert_false(vgpu_faults_add(&faults, 0));
    assert_true(vgpu_faults_add(&faults, 1));
    vgpu_faults_clear(&faults);
}

static void test_names(void **state)
{
    (void)state;

    assert_string_equal(vgpu_fault_name(VGPU_FAULT_CRASH), "crash");
    assert_string_equal(vgpu_fault_name(VGPU_FAULT_BACKEND), "backend-faults");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_than_the_budget_within_the_window),
        cmocka_unit_test(test_slow_faults_never_trip),
        cmocka_unit_test(test_no_budget),
        cmocka_unit_test(test_forgiven_faults_do_not_count),
        cmocka_unit_test(test_largest_budget),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
