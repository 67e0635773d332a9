/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new configuration while VMs hold members of the old one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "pool.h"

/* Pools of the texts, each of a file of its own. */
static VgpuPools *parse(const char *const *texts)
{
    VgpuPools *pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;

    for (; *texts != NULL; texts++)
        if (!vgpu_pools_add(pools, *texts, strlen(*texts), "x.conf", &error))
            fail_msg("%s", error->message);
    return pools;
}

#define READ(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void merge(VgpuPools *pools, VgpuPools *next)
{
    vgpu_pools_merge(pools, next);
    vgpu_pools_free(next);
}

static guint count(VgpuPools *pools, char letter)
{
    return vgpu_pools_get(pools, letter)->members->len;
}

static void test_what_stays_is_changed_in_place(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = READ("[pool]\nname=A\n[member x]\nslots=1\n[member y]\n");
    VgpuPool *pool = vgpu_pools_get(pools, 'A');
    VgpuMember *x = vgpu_pools_place_on(pools, 'A', "x", NULL);

    assert_null(vgpu_pools_place_on(pools, 'A', "x", NULL));
    x->draining = TRUE;
    merge(pools, READ("[pool]\nname=A\ndescription=new\npolicy=fair\nwindow=3\n"
                      "[member new]\ndevice=z\n[member x]\nslots=2\n[member y]\n"));
    assert_ptr_equal(vgpu_pools_get(pools, 'A'), pool);
    assert_string_equal(pool->description, "new");
    assert_int_equal(pool->rules.scheduler.window, 3);
    assert_int_equal(count(pools, 'A'), 3);
    assert_string_equal(((VgpuMember *)pool->members->pdata[0])->name, "new");
    assert_ptr_equal(vgpu_pool_member(pool, "x"), x);
    assert_int_equal(x->used, 1);
    assert_int_equal(x->slots, 2);
    assert_true(x->draining);
    vgpu_member_leave(x);
}

static void test_a_removed_member_lives_as_long_as_its_vms(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = READ("[pool]\nname=A\n[member x]\n[member y]\n[member z]\n");
    VgpuMember *x = vgpu_pools_place_on(pools, 'A', "x", NULL);

    merge(pools, READ("[pool]\nname=A\n[member z]\n"));
    assert_int_equal(count(pools, 'A'), 2); /* y was empty */
    assert_true(x->removed);
    assert_null(vgpu_pools_place_on(pools, 'A', "x", NULL));
    for (int i = 0; i < 3; i++)
        assert_string_equal(vgpu_pools_place(pools, 'A', NULL)->name, "z");
    assert_false(vgpu_pools_sweep(pools));
    vgpu_member_leave(x);
    assert_true(vgpu_pools_sweep(pools));
    assert_int_equal(count(pools, 'A'), 1);
}

static void test_a_removed_member_comes_back(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = READ("[pool]\nname=A\n[member x]\n[member y]\n");
    VgpuMember *x = vgpu_pools_place_on(pools, 'A', "x", NULL);

    merge(pools, READ("[pool]\nname=A\n[member y]\n"));
    merge(pools, READ("[pool]\nname=A\n[member x]\n[member y]\n"));
    assert_false(x->removed);
    assert_int_equal(count(pools, 'A'), 2);
    assert_ptr_equal(vgpu_pools_place_on(pools, 'A', "x", NULL), x);
}

static void test_another_device_is_another_member(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = READ("[pool]\nname=A\n[member x]\ndevice=one\n");
    VgpuMember *old = vgpu_pools_place(pools, 'A', NULL);

    merge(pools, READ("[pool]\nname=A\n[member x]\ndevice=two\n"));
    VgpuMember *new = vgpu_pools_place_on(pools, 'A', "x", NULL);
    assert_ptr_not_equal(new, old);
    assert_string_equal(new->device, "two");
    assert_true(old->removed);
    assert_string_equal(old->device, "one");
    vgpu_member_leave(old);
    vgpu_pools_sweep(pools);
    assert_int_equal(count(pools, 'A'), 1);
}

static void test_a_removed_pool_takes_nobody(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools =
        READ("[pool]\nname=A\n[member x]\n", "[pool]\nname=B\n[member x]\n");
    g_autoptr(GError) error = NULL;
    VgpuMember *member = vgpu_pools_place(pools, 'B', NULL);

    merge(pools, READ("[pool]\nname=A\n[member x]\n", "[pool]\nname=C\n[member x]\n"));
    assert_true(vgpu_pools_get(pools, 'B')->removed);
    assert_null(vgpu_pools_place(pools, 'B', &error));
    assert_string_equal(error->message, "there is no pool B on this host; configured: A, C");
    vgpu_member_leave(member);
    assert_true(vgpu_pools_sweep(pools));
    assert_null(vgpu_pools_get(pools, 'B'));

    merge(pools, READ("[pool]\nname=B\n[member x]\n"));
    assert_null(vgpu_pools_get(pools, 'A')); /* nobody was in it */
    assert_non_null(vgpu_pools_place(pools, 'B', NULL));
}

static void test_a_draining_member_takes_nobody(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = READ("[pool]\nname=A\n[member x]\n[member y]\nslots=1\n");
    g_autoptr(GError) error = NULL;

    vgpu_pool_member(vgpu_pools_get(pools, 'A'), "x")->draining = TRUE;
    assert_string_equal(vgpu_pools_place(pools, 'A', NULL)->name, "y");
    assert_null(vgpu_pools_place(pools, 'A', &error));
    assert_string_equal(
        error->message,
        "pool A is full: all its slots are taken (1 VMs; 1 of its members draining)");
    g_clear_error(&error);
    assert_null(vgpu_pools_place_on(pools, 'A', "x", &error));
    assert_string_equal(error->message, "A/x is draining");
    g_clear_error(&error);
    assert_null(vgpu_pools_place_on(pools, 'A', "y", &error));
    assert_string_equal(error->message, "A/y is full: all its slots are taken");
    g_clear_error(&error);
    assert_null(vgpu_pools_place_on(pools, 'A', "z", &error));
    assert_string_equal(error->message, "there is no member \"z\" in pool A");
}

static void test_placement_follows_the_pool(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools =
        READ("[pool]\nname=A\nplacement=pack\n[member x]\nslots=2\n[member y]\n",
             "[pool]\nname=B\nplacement=spread\n[member x]\n[member y]\n",
             "[pool]\nname=C\n[member x]\n[member y]\n");

    assert_string_equal(vgpu_pools_place(pools, 'A', NULL)->name, "x");
    assert_string_equal(vgpu_pools_place(pools, 'A', NULL)->name, "x");
    assert_string_equal(vgpu_pools_place(pools, 'A', NULL)->name, "y");

    vgpu_pool_member(vgpu_pools_get(pools, 'B'), "x")->load = 900;
    assert_string_equal(vgpu_pools_place(pools, 'B', NULL)->name, "x");
    assert_string_equal(vgpu_pools_place(pools, 'B', NULL)->name, "y");

    vgpu_pool_member(vgpu_pools_get(pools, 'C'), "x")->load = 900;
    assert_string_equal(vgpu_pools_place(pools, 'C', NULL)->name, "y");
    assert_string_equal(vgpu_pools_place(pools, 'C', NULL)->name, "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stays_is_changed_in_place),
        cmocka_unit_test(test_a_removed_member_lives_as_long_as_its_vms),
        cmocka_unit_test(test_a_removed_member_comes_back),
        cmocka_unit_test(test_another_device_is_another_member),
        cmocka_unit_test(test_a_removed_pool_takes_nobody),
        cmocka_unit_test(test_a_draining_member_takes_nobody),
        cmocka_unit_test(test_placement_follows_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
