/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "placement.h"

static gssize least(const VgpuPlace *places, gsize count)
{
    return vgpu_placement_choose(VGPU_PLACEMENT_LEAST_LOADED, places, count);
}

static gssize spread(const VgpuPlace *places, gsize count)
{
    return vgpu_placement_choose(VGPU_PLACEMENT_SPREAD, places, count);
}

static gssize pack(const VgpuPlace *places, gsize count)
{
    return vgpu_placement_choose(VGPU_PLACEMENT_PACK, places, count);
}

static void test_each_policy(void **state)
{
    (void)state;
    const VgpuPlace places[] = {
        {.slots = 8, .used = 3, .load = 100},
        {.slots = 8, .used = 1, .load = 900},
        {.slots = 8, .used = 5, .load = 500},
        {.slots = 8, .used = 5, .load = 100},
    };

    assert_int_equal(least(places, 4), 0); /* of equal load the one with fewer VMs */
    assert_int_equal(spread(places, 4), 1);
    assert_int_equal(pack(places, 4), 2); /* the first of equals */
}

static void test_full_and_draining_are_passed_over(void **state)
{
    (void)state;
    VgpuPlace places[] = {
        {.slots = 4, .used = 4},
        {.slots = 0, .used = 2, .load = 500},
        {.slots = 4, .used = 1, .draining = TRUE},
        {.slots = 4, .used = 3, .load = 700},
    };

    assert_int_equal(least(places, 4), 1);
    assert_int_equal(spread(places, 4), 1);
    assert_int_equal(pack(places, 4), 3);
    places[3].used = 4;
    assert_int_equal(pack(places, 4), 1); /* 0 slots: no limit */
    places[1].draining = TRUE;
    assert_int_equal(least(places, 4), -1);
    assert_int_equal(spread(places, 4), -1);
    assert_int_equal(pack(places, 4), -1);
    assert_int_equal(pack(NULL, 0), -1);
}

static void fill(VgpuPlacementPolicy policy, VgpuPlace *places, gsize count, guint vms)
{
    for (guint i = 0; i < vms; i++)
        places[vgpu_placement_choose(policy, places, count)].used++;
}

static void test_filling(void **state)
{
    (void)state;
    VgpuPlace evenly[3] = {{.slots = 4}, {.slots = 4}, {.slots = 4}};
    VgpuPlace packed[3] = {{.slots = 4}, {.slots = 4}, {.slots = 4}};

    fill(VGPU_PLACEMENT_SPREAD, evenly, 3, 7);
    assert_int_equal(evenly[0].used, 3);
    assert_int_equal(evenly[1].used, 2);
    assert_int_equal(evenly[2].used, 2);
    fill(VGPU_PLACEMENT_PACK, packed, 3, 7);
    assert_int_equal(packed[0].used, 4);
    assert_int_equal(packed[1].used, 3);
    assert_int_equal(packed[2].used, 0);
}

static void test_names(void **state)
{
    (void)state;
    VgpuPlacementPolicy policy;

    for (guint i = 0; vgpu_placement_name(i) != NULL; i++) {
        assert_true(vgpu_placement_by_name(vgpu_placement_name(i), &policy));
        assert_int_equal(policy, i);
    }
    assert_true(vgpu_placement_by_name("pack", &policy));
    assert_int_equal(policy, VGPU_PLACEMENT_PACK);
    assert_false(vgpu_placement_by_name("Pack", &policy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_policy),
        cmocka_unit_test(test_full_and_draining_are_passed_over),
        cmocka_unit_test(test_filling),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
