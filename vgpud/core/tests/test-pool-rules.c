/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "pool.h"

#define NS_PER_MS G_GUINT64_CONSTANT(1000000)

static void add(VgpuPools *pools, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (!vgpu_pools_add(pools, text, strlen(text), name, &error))
        fail_msg("%s", error->message);
}

static void test_defaults(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();

    add(pools, "a.conf", "[pool]\nname=A\n[member x]\n");
    assert_true(vgpu_pools_finish(pools, 5000, NULL));
    const VgpuPoolRules *rules = &vgpu_pools_get(pools, 'A')->rules;
    assert_int_equal(rules->scheduler.policy, VGPU_SCHEDULER_FIFO);
    assert_int_equal(rules->scheduler.window, 8);
    assert_int_equal(rules->scheduler.slice_ns, 2 * NS_PER_MS);
    assert_int_equal(rules->scheduler.recall_ns, 6000 * NS_PER_MS);
    assert_int_equal(rules->placement, VGPU_PLACEMENT_LEAST_LOADED);
    assert_false(rules->waits);
    assert_null(vgpu_scheduler_settings_check(&rules->scheduler));
}

static void test_all_keys(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();

    add(pools, "a.conf",
        "[pool]\nname=A\npolicy=fair\nwindow=4\nslice-us=500\nrecall-ms=7000\nfloor-low=5\n"
        "floor-medium=10\nfloor-high=20\nplacement=pack\nadmission=wait\n[member x]\n");
    assert_true(vgpu_pools_finish(pools, 5000, NULL));
    const VgpuPoolRules *rules = &vgpu_pools_get(pools, 'A')->rules;
    assert_int_equal(rules->scheduler.policy, VGPU_SCHEDULER_FAIR);
    assert_int_equal(rules->scheduler.window, 4);
    assert_int_equal(rules->scheduler.slice_ns, 500000);
    assert_int_equal(rules->scheduler.recall_ns, 7000 * NS_PER_MS);
    assert_int_equal(rules->scheduler.floor_percent[VGPU_PRIORITY_LOW], 5);
    assert_int_equal(rules->scheduler.floor_percent[VGPU_PRIORITY_MEDIUM], 10);
    assert_int_equal(rules->scheduler.floor_percent[VGPU_PRIORITY_HIGH], 20);
    assert_int_equal(rules->placement, VGPU_PLACEMENT_PACK);
    assert_true(rules->waits);
}

static void test_errors_name_file_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *expected;
    } cases[] = {
        {"policy=lifo", "a.conf: [pool] policy: 'lifo' is neither fifo nor fair"},
        {"window=0", "a.conf: [pool] window: '0' is not a whole number from 1 to 1024"},
        {"window=1025", "a.conf: [pool] window: '1025'"},
        {"slice-us=0", "a.conf: [pool] slice-us: '0'"},
        {"slice-us=10000001", "a.conf: [pool] slice-us: '10000001'"},
        {"recall-ms=3600001", "a.conf: [pool] recall-ms: '3600001'"},
        {"floor-low=91", "a.conf: [pool] floor-low: '91'"},
        {"floor-low=50\nfloor-high=41", "the floors are above 90 % in all"},
        {"placement=random", "a.conf: [pool] placement: 'random' is none of"},
        {"admission=", "a.conf: [pool] admission: '' is neither refuse nor wait"},
        {"floor-urgent=1", "a.conf: [pool] floor-urgent: there is no such key"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VgpuPools) pools = vgpu_pools_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("[pool]\nname=A\n%s\n[member x]\n", cases[i].keys);

        assert_false(vgpu_pools_add(pools, text, strlen(text), "a.conf", &error));
        if (strstr(error->message, cases[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].expected, error->message);
    }
}

static void test_who_is_in_time_is_not_fenced(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;

    add(pools, "a.conf", "[pool]\nname=A\nrecall-ms=5000\n[member x]\n");
    assert_false(vgpu_pools_finish(pools, 5000, &error));
    assert_non_null(strstr(error->message, "a.conf: [pool] recall-ms: 5000 is not longer than "
                                           "request-timeout-ms, which is 5000"));
}

static void test_a_shared_device_has_one_way(void **state)
{
    (void)state;
    static const struct {
        const char *keys; /* of B */
        const char *key;  /* in the error; NULL: none */
    } cases[] = {
        {"[member y]\ndevice=one", NULL},
        {"policy=fair\n[member y]\ndevice=two", NULL},
        {"policy=fair\n[member y]\ndevice=one\nbackend=null", NULL},
        {"placement=pack\nadmission=wait\n[member y]\ndevice=one", NULL},
        {"recall-ms=6000\n[member y]\ndevice=one", NULL}, /* the default */
        {"policy=fair\n[member z]\ndevice=two\n[member y]\ndevice=one", "policy"},
        {"window=7\n[member y]\ndevice=one", "window"},
        {"slice-us=7\n[member y]\ndevice=one", "slice-us"},
        {"recall-ms=9000\n[member y]\ndevice=one", "recall-ms"},
        {"floor-medium=7\n[member y]\ndevice=one", "floor-medium"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VgpuPools) pools = vgpu_pools_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("[pool]\nname=B\n%s\n", cases[i].keys);

        add(pools, "a.conf", "[pool]\nname=A\n[member x]\ndevice=one\n");
        add(pools, "b.conf", text);
        assert_int_equal(vgpu_pools_finish(pools, 5000, &error), cases[i].key == NULL);
        if (cases[i].key == NULL)
            continue;
        g_autofree char *expected = g_strdup_printf(
            "b.conf: [pool] %s: not the same as in a.conf, but the pools A and B share the device "
            "\"one\" of backend opencl",
            cases[i].key);
        assert_string_equal(error->message, expected);
    }
}

static void test_device_keys(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();

    add(pools, "a.conf", "[pool]\nname=A\n[member x]\n[member y]\nbackend=null\ndevice=0#1\n");
    const VgpuPool *pool = vgpu_pools_get(pools, 'A');
    g_autofree char *first = vgpu_member_device_key(pool->members->pdata[0]);
    g_autofree char *second = vgpu_member_device_key(pool->members->pdata[1]);
    assert_string_equal(first, "opencl:");
    assert_string_equal(second, "null:0#1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_errors_name_file_and_key),
        cmocka_unit_test(test_who_is_in_time_is_not_fenced),
        cmocka_unit_test(test_a_shared_device_has_one_way),
        cmocka_unit_test(test_device_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
