/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "quota.h"

#define CHARGE(...) ((VgpuCharge){.amount = {__VA_ARGS__}})

static void test_limits(void **state)
{
    (void)state;
    VgpuQuota quota;

    vgpu_quota_init(&quota, CHARGE(100, 50, 2, 0));
    assert_true(vgpu_quota_is_empty(&quota));
    assert_true(vgpu_quota_charge(&quota, CHARGE(60, 0, 1)));
    assert_false(vgpu_quota_is_empty(&quota));
    assert_false(vgpu_quota_charge(&quota, CHARGE(41)));
    assert_true(vgpu_quota_charge(&quota, CHARGE(40, 50, 1)));
    assert_false(vgpu_quota_charge(&quota, CHARGE(0, 0, 1)));
    assert_false(vgpu_quota_charge(&quota, CHARGE(0, 0, 0, 1))); /* a limit of 0 */
    assert_true(vgpu_quota_charge(&quota, CHARGE(0)));
    vgpu_quota_uncharge(&quota, CHARGE(100, 50, 2));
    assert_true(vgpu_quota_is_empty(&quota));
}

/* One kind that does not fit: nothing of the others is taken either. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    VgpuQuota quota;

    vgpu_quota_init(&quota, CHARGE(100, 100, 100, 1));
    assert_false(vgpu_quota_charge(&quota, CHARGE(1, 1, 1, 2)));
    assert_true(vgpu_quota_is_empty(&quota));
}

/* Amounts that would wrap in a sum. */
static void test_overflow(void **state)
{
    (void)state;
    VgpuQuota quota;

    vgpu_quota_init(&quota, CHARGE(G_MAXUINT64 - 1, VGPU_QUOTA_UNLIMITED));
    assert_false(vgpu_quota_charge(&quota, CHARGE(G_MAXUINT64)));
    assert_true(vgpu_quota_charge(&quota, CHARGE(10, G_MAXUINT64)));
    assert_false(vgpu_quota_charge(&quota, CHARGE(G_MAXUINT64 - 5)));
    assert_false(vgpu_quota_charge(&quota, CHARGE(0, 1)));
    vgpu_quota_uncharge(&quota, CHARGE(10, G_MAXUINT64));
    assert_true(vgpu_quota_is_empty(&quota));
}

static void test_returns_to_nothing(void **state)
{
    (void)state;
    VgpuQuota quota;

    vgpu_quota_init(&quota, CHARGE(100, 100, 100, 100));
    for (guint i = 0; i < 1000; i++) {
        VgpuCharge charge = CHARGE(i % 7, i % 5, i % 3, i % 2);
        assert_true(vgpu_quota_charge(&quota, charge));
        vgpu_quota_uncharge(&quota, charge);
    }
    assert_true(vgpu_quota_is_empty(&quota));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_returns_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
