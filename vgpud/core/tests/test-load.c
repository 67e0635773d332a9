/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "load.h"
#include "pool.h"

#include <string.h>

#define SECOND G_GUINT64_CONSTANT(1000000000)

static void test_follows_what_is(void **state)
{
    (void)state;
    VgpuLoad load = {0};
    guint64 busy = 0;
    guint now;

    assert_int_equal(vgpu_load_sample(&load, 0, 5 * SECOND), 0);
    for (guint i = 1; i <= 100; i++)
        now = vgpu_load_sample(&load, busy += SECOND / 4, (5 + i) * SECOND);
    assert_in_range(now, 249, 250);
    now = vgpu_load_sample(&load, busy, 115 * SECOND); /* ten seconds of nothing */
    assert_int_equal(now, 125);
    now = vgpu_load_sample(&load, busy, 100000 * SECOND);
    assert_int_equal(now, 0);
}

static void test_wherever_the_numbers_come_from(void **state)
{
    (void)state;
    VgpuLoad load = {0};

    vgpu_load_sample(&load, 5 * SECOND, SECOND);
    assert_int_equal(vgpu_load_sample(&load, 4 * SECOND, 2 * SECOND), 0); /* less than before */
    assert_int_equal(vgpu_load_sample(&load, 9 * SECOND, 2 * SECOND), 0); /* no time has passed */
    assert_int_equal(vgpu_load_sample(&load, G_MAXUINT64, 100000 * SECOND), 1000);
}

static void test_all_members_of_a_device(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    const char *a = "[pool]\nname=A\n[member x]\ndevice=one\n[member y]\ndevice=two\n",
               *b = "[pool]\nname=B\n[member z]\ndevice=one\n";

    assert_true(vgpu_pools_add(pools, a, strlen(a), "a", NULL));
    assert_true(vgpu_pools_add(pools, b, strlen(b), "b", NULL));
    vgpu_pools_set_load(pools, "opencl:one", 700);
    assert_int_equal(vgpu_pool_member(vgpu_pools_get(pools, 'A'), "x")->load, 700);
    assert_int_equal(vgpu_pool_member(vgpu_pools_get(pools, 'A'), "y")->load, 0);
    assert_int_equal(vgpu_pool_member(vgpu_pools_get(pools, 'B'), "z")->load, 700);
    assert_string_equal(vgpu_pools_place(pools, 'A', NULL)->name, "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_what_is),
        cmocka_unit_test(test_wherever_the_numbers_come_from),
        cmocka_unit_test(test_all_members_of_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
