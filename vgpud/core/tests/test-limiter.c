/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "limiter.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static guint taken_in(VgpuLimiter *limiter, guint64 from, guint64 length, guint64 step)
{
    guint taken = 0;

    for (guint64 now = from; now < from + length; now += step)
        taken += vgpu_limiter_take(limiter, now);
    return taken;
}

static void test_no_limit(void **state)
{
    (void)state;
    VgpuLimiter limiter;

    vgpu_limiter_init(&limiter, (VgpuRate){0, 0});
    for (int i = 0; i < 1000; i++)
        assert_true(vgpu_limiter_take(&limiter, 0));
}

static void test_burst_then_rate(void **state)
{
    (void)state;
    VgpuLimiter limiter;

    vgpu_limiter_init(&limiter, (VgpuRate){100, 5});
    for (int i = 0; i < 5; i++)
        assert_true(vgpu_limiter_take(&limiter, 7));
    assert_false(vgpu_limiter_take(&limiter, 7));
    /* One more per hundredth of a second. */
    assert_false(vgpu_limiter_take(&limiter, 7 + SECOND / 100 - 1));
    assert_true(vgpu_limiter_take(&limiter, 7 + SECOND / 100));
    assert_false(vgpu_limiter_take(&limiter, 7 + SECOND / 100));
}

static void test_a_flood_gets_the_rate_and_no_more(void **state)
{
    (void)state;
    VgpuLimiter limiter;

    vgpu_limiter_init(&limiter, (VgpuRate){100, 5});
    assert_int_equal(taken_in(&limiter, 0, 10 * SECOND, SECOND / 5000), 5 + 999);
    /* A refused request takes nothing: after a pause there is one burst again, not more. */
    assert_int_equal(taken_in(&limiter, 100 * SECOND, 50, 1), 5);
}

static void test_due_is_when_the_next_is_taken(void **state)
{
    (void)state;
    VgpuLimiter limiter;
    guint64 now = 5;

    vgpu_limiter_init(&limiter, (VgpuRate){100, 3});
    assert_int_equal(vgpu_limiter_due(&limiter, now), now);
    for (int i = 0; i < 50; i++) {
        const guint64 due = vgpu_limiter_due(&limiter, now);

        if (due > now)
            assert_false(vgpu_limiter_take(&limiter, due - 1));
        assert_true(vgpu_limiter_take(&limiter, due));
        now = due;
    }
    assert_int_equal(now, 5 + 47 * (SECOND / 100)); /* all but the burst of 3 had to wait */
    vgpu_limiter_init(&limiter, (VgpuRate){0});
    assert_int_equal(vgpu_limiter_due(&limiter, now), now);
}

static void test_burst_zero_is_one(void **state)
{
    (void)state;
    VgpuLimiter limiter;

    vgpu_limiter_init(&limiter, (VgpuRate){1, 0});
    assert_true(vgpu_limiter_take(&limiter, SECOND));
    assert_false(vgpu_limiter_take(&limiter, SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_a_flood_gets_the_rate_and_no_more),
        cmocka_unit_test(test_due_is_when_the_next_is_taken),
        cmocka_unit_test(test_burst_zero_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
