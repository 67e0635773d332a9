/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "pool.h"

static void add(VgpuPools *pools, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (!vgpu_pools_add(pools, text, strlen(text), "a.conf", &error))
        fail_msg("%s", error->message);
}

static void test_reads_a_pool(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();

    add(pools, "[pool]\nname=B\ndescription=two cards\nrequests-per-second=100\nburst=10\n"
               "[member left]\nbackend=opencl\ndevice=NVIDIA/0\nslots=4\n[member right]\n");
    VgpuPool *pool = vgpu_pools_get(pools, 'B');
    assert_non_null(pool);
    assert_string_equal(pool->description, "two cards");
    assert_int_equal(pool->limits.ceiling.value[VGPU_LIMIT_RATE], 100);
    assert_int_equal(pool->limits.ceiling.value[VGPU_LIMIT_BURST], 10);
    assert_int_equal(pool->members->len, 2);
    VgpuMember *left = g_ptr_array_index(pool->members, 0);
    assert_string_equal(left->name, "left");
    assert_string_equal(left->device, "NVIDIA/0");
    assert_int_equal(left->slots, 4);
    VgpuMember *right = g_ptr_array_index(pool->members, 1);
    assert_string_equal(right->backend, "opencl");
    assert_string_equal(right->device, "");
    assert_null(vgpu_pools_get(pools, 'A'));
    assert_null(vgpu_pools_get(pools, 'b'));
    assert_null(vgpu_pools_get(pools, '['));
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[pool]\nname=A\n", "a.conf: [pool]: a [member NAME] group is missing"},
        {"[member x]\n", "a.conf: [pool]: name=LETTER is missing"},
        {"", "a.conf: [pool]: name=LETTER is missing"},
        {"[pool]\nname=AB\n[member x]\n", "a.conf: [pool] name: 'AB' is not one letter"},
        {"[pool]\nname=a\n[member x]\n", "a.conf: [pool] name: 'a' is not one letter"},
        {"[pool]\nname=\n[member x]\n", "a.conf: [pool] name: '' is not one letter"},
        {"[pool]\nname=A\n[member x]\nslot=1\n", "a.conf: [member x] slot: there is no such key"},
        {"[pool]\nname=A\n[member x]\nslots=-1\n", "a.conf: [member x] slots: '-1' is not a whole"},
        {"[pool]\nname=A\n[member x]\nslots=1e3\n", "a.conf: [member x] slots: '1e3'"},
        {"[pool]\nname=A\n[member x]\nbackend=vulkan\n",
         "there is no backend 'vulkan'; known: open"},
        {"[pool]\nname=A\n[members]\n", "a.conf: [members]: there is no such group"},
        {"[pool\n", "a.conf: "},
        {"name=A\n", "a.conf: "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VgpuPools) pools = vgpu_pools_new();
        g_autoptr(GError) error = NULL;

        assert_false(vgpu_pools_add(pools, cases[i].text, strlen(cases[i].text), "a.conf", &error));
        assert_true(g_error_matches(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_INVALID));
        if (strstr(error->message, cases[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].expected, error->message);
    }
}

static void test_a_letter_is_taken_once(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;
    const char *text = "[pool]\nname=A\n[member x]\n";

    add(pools, text);
    assert_false(vgpu_pools_add(pools, text, strlen(text), "b.conf", &error));
    assert_non_null(strstr(error->message, "b.conf: [pool] name: there is a pool A already"));
}

static void test_placement_is_least_loaded(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;

    add(pools, "[pool]\nname=A\n[member x]\nslots=2\n[member y]\nslots=1\n");
    VgpuMember *first = vgpu_pools_place(pools, 'A', &error);
    VgpuMember *second = vgpu_pools_place(pools, 'A', &error);
    VgpuMember *third = vgpu_pools_place(pools, 'A', &error);
    assert_string_equal(first->name, "x");
    assert_string_equal(second->name, "y");
    assert_ptr_equal(third, first);
    assert_int_equal(vgpu_pool_used(vgpu_pools_get(pools, 'A')), 3);

    assert_null(vgpu_pools_place(pools, 'A', &error));
    assert_true(g_error_matches(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_FULL));
    g_clear_error(&error);
    vgpu_member_leave(second);
    assert_ptr_equal(vgpu_pools_place(pools, 'A', &error), second);
}

static void test_an_unknown_pool_lists_those_there_are(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;

    assert_null(vgpu_pools_place(pools, 'Q', &error));
    assert_string_equal(error->message, "there is no pool Q on this host; configured: none");
    g_clear_error(&error);
    add(pools, "[pool]\nname=C\n[member x]\n");
    add(pools, "[pool]\nname=A\n[member x]\n");
    assert_null(vgpu_pools_place(pools, 'Q', &error));
    assert_true(g_error_matches(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_UNKNOWN));
    assert_string_equal(error->message, "there is no pool Q on this host; configured: A, C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_pool),
        cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_a_letter_is_taken_once),
        cmocka_unit_test(test_placement_is_least_loaded),
        cmocka_unit_test(test_an_unknown_pool_lists_those_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
