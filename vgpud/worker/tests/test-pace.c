/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pace.h"

#define MS         G_GUINT64_CONSTANT(1000000)
#define PATIENCE   (5000 * MS)
#define WINDOW     8u
#define UNKNOWN_NS (vgpu_pace_guess(&(VgpuPaceRecord){0}, 1))

/* How many that are to take @expected_ns each may be on the device at once. */
static guint fill(guint64 expected_ns)
{
    VgpuPace pace = {.window = WINDOW};

    while (pace.count < 1000 && vgpu_pace_fits(&pace, expected_ns, PATIENCE))
        vgpu_pace_begin(&pace, expected_ns);
    const guint count = pace.count;
    while (pace.count > 0)
        vgpu_pace_end(&pace, expected_ns);
    assert_int_equal(pace.expected_ns, 0);
    return count;
}

static void test_how_many(void **state G_GNUC_UNUSED)
{
    assert_int_equal(fill(0), VGPU_PACE_MOST);
    assert_int_equal(fill(VGPU_PACE_SHORT_NS / VGPU_PACE_MOST), VGPU_PACE_MOST);
    assert_int_equal(fill(VGPU_PACE_SHORT_NS / 20), 20);
    assert_int_equal(fill(VGPU_PACE_SHORT_NS), WINDOW);
    assert_int_equal(fill(PATIENCE / 2 / WINDOW), WINDOW);
    /* Eight that take a second each would keep the device for longer than a worker may. */
    assert_int_equal(fill(1000 * MS), 2);
    assert_int_equal(fill(PATIENCE), 1);
    assert_int_equal(fill(UNKNOWN_NS), 1);
}

static void test_unknown_ones_are_alone(void **state G_GNUC_UNUSED)
{
    VgpuPace pace = {.window = WINDOW};

    vgpu_pace_begin(&pace, MS);
    assert_false(vgpu_pace_fits(&pace, UNKNOWN_NS, PATIENCE));
    vgpu_pace_end(&pace, MS);
    vgpu_pace_begin(&pace, UNKNOWN_NS);
    assert_false(vgpu_pace_fits(&pace, 0, PATIENCE));
}

static void test_a_large_window(void **state G_GNUC_UNUSED)
{
    VgpuPace pace = {.window = 1024};

    for (guint i = 0; i < 1024; i++) {
        assert_true(vgpu_pace_fits(&pace, MS, PATIENCE));
        vgpu_pace_begin(&pace, MS);
    }
    assert_false(vgpu_pace_fits(&pace, MS, PATIENCE));
}

static void test_guesses(void **state G_GNUC_UNUSED)
{
    VgpuPaceRecord record = {0};

    assert_true(UNKNOWN_NS > 1000 * PATIENCE);
    vgpu_pace_learn(&record, 100, 8 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 100), 8 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 1), 8 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 101), UNKNOWN_NS);
    /* What took long once, for whatever reason, is forgotten in time. */
    vgpu_pace_learn(&record, 100, 1 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 100), 7 * MS);
    for (guint i = 0; i < 40; i++)
        vgpu_pace_learn(&record, 100, 1 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 100), 1 * MS);
    /* A smaller launch says nothing about how short a larger one is. */
    vgpu_pace_learn(&record, 10, MS / 10);
    assert_int_equal(vgpu_pace_guess(&record, 100), 1 * MS);
    vgpu_pace_learn(&record, 10, 3 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 100), 3 * MS);
    /* A larger one is all that counts. */
    vgpu_pace_learn(&record, 1000, 2 * MS);
    assert_int_equal(vgpu_pace_guess(&record, 1000), 2 * MS);
    vgpu_pace_learn(&record, 1000, G_MAXUINT64);
    assert_int_equal(vgpu_pace_guess(&record, 1000), UNKNOWN_NS);
    assert_int_equal(vgpu_pace_guess(&(VgpuPaceRecord){0}, 0), UNKNOWN_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_many),
        cmocka_unit_test(test_unknown_ones_are_alone),
        cmocka_unit_test(test_a_large_window),
        cmocka_unit_test(test_guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
