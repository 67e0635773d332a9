/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "floor.h"

#define MOST 1000u

static void test_none_is_never_due(void **state)
{
    (void)state;
    VgpuFloor floor = {0};

    vgpu_floor_advance(&floor, VGPU_FLOOR_WAITS, G_MAXUINT64, MOST);
    assert_true(vgpu_floor_due_in(&floor, 0) == G_MAXUINT64);
}

static void test_due_after_its_share_of_the_time(void **state)
{
    (void)state;
    VgpuFloor floor = {.percent = 10};

    assert_int_equal(vgpu_floor_due_in(&floor, 20), 200);
    vgpu_floor_advance(&floor, VGPU_FLOOR_WAITS, 199, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 1);
    vgpu_floor_advance(&floor, VGPU_FLOOR_WAITS, 1, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 0);
    /* While it is paid back the time goes on, too: 22 of 220. */
    vgpu_floor_advance(&floor, VGPU_FLOOR_REPAID, 22, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 198);
}

static void test_an_overlong_turn_is_paid_for(void **state)
{
    (void)state;
    VgpuFloor floor = {.percent = 10};

    vgpu_floor_advance(&floor, VGPU_FLOOR_WAITS, 200, MOST);
    vgpu_floor_advance(&floor, VGPU_FLOOR_REPAID, 1000, MOST);
    /* 1000 of 1200 so far; 10 % of 10200 are 1020. */
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 9000);
    /* Going away does not get rid of that, time does. */
    vgpu_floor_advance(&floor, VGPU_FLOOR_AWAY, 1000, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 8000);
    vgpu_floor_advance(&floor, VGPU_FLOOR_AWAY, 1000000, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 200);
}

static void test_absence_earns_nothing(void **state)
{
    (void)state;
    VgpuFloor floor = {.percent = 10};

    vgpu_floor_advance(&floor, VGPU_FLOOR_AWAY, 100000, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 200);
    vgpu_floor_advance(&floor, VGPU_FLOOR_WAITS, 150, MOST);
    vgpu_floor_advance(&floor, VGPU_FLOOR_AWAY, 1, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 200);
}

static void test_what_nobody_else_wanted_costs_nothing(void **state)
{
    (void)state;
    VgpuFloor floor = {.percent = 10};

    vgpu_floor_advance(&floor, VGPU_FLOOR_RUNS, 100000, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 20), 200);
}

static void test_owed_is_bounded(void **state)
{
    (void)state;
    VgpuFloor floor = {.percent = 50};

    vgpu_floor_advance(&floor, VGPU_FLOOR_WAITS, G_MAXUINT64, MOST);
    vgpu_floor_advance(&floor, VGPU_FLOOR_REPAID, 2 * MOST, MOST);
    assert_int_equal(vgpu_floor_due_in(&floor, 0), 0);
    assert_int_equal(vgpu_floor_due_in(&floor, 1), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_is_never_due),
        cmocka_unit_test(test_due_after_its_share_of_the_time),
        cmocka_unit_test(test_an_overlong_turn_is_paid_for),
        cmocka_unit_test(test_absence_earns_nothing),
        cmocka_unit_test(test_what_nobody_else_wanted_costs_nothing),
        cmocka_unit_test(test_owed_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
