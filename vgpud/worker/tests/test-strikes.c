/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "strikes.h"
#include "vgpu-queue.h"
#include "vgpu-registers.h"

#define S G_GINT64_CONSTANT(1000000)

static void test_each_kind_has_its_budget(void **state G_GNUC_UNUSED)
{
    VgpuStrikes strikes;

    vgpu_strikes_init(&strikes, 3, 2, 60);
    vgpu_strikes_add(&strikes, VGPU_ERROR_INVALID_REQUEST, 1 * S);
    vgpu_strikes_add(&strikes, VGPU_RESULT_BAD_HANDLE, 2 * S);
    vgpu_strikes_add(&strikes, VGPU_ERROR_EXECUTION_FAILED, 3 * S);
    vgpu_strikes_add(&strikes, VGPU_ERROR_EXECUTION_FAILED, 3 * S);
    vgpu_strikes_add(&strikes, VGPU_RESULT_BAD_LAUNCH, 4 * S);
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_CLOSED);
    vgpu_strikes_add(&strikes, VGPU_RESULT_BAD_QUEUE, 61 * S);
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_INVALID);
    /* The first one is what it ends by. */
    vgpu_strikes_add(&strikes, VGPU_ERROR_EXECUTION_FAILED, 61 * S);
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_INVALID);
    vgpu_strikes_clear(&strikes);

    vgpu_strikes_init(&strikes, 3, 2, 60);
    for (int i = 0; i < 3; i++)
        vgpu_strikes_add(&strikes, VGPU_ERROR_EXECUTION_FAILED, i * S);
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_BACKEND);
    vgpu_strikes_clear(&strikes);
}

static void test_slow_ones_are_put_up_with(void **state G_GNUC_UNUSED)
{
    VgpuStrikes strikes;

    vgpu_strikes_init(&strikes, 3, 3, 60);
    for (gint64 now = 0; now < 10000; now += 21)
        vgpu_strikes_add(&strikes, VGPU_ERROR_UNSUPPORTED, now * S);
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_CLOSED);
    vgpu_strikes_clear(&strikes);
}

static void test_what_is_no_fault(void **state G_GNUC_UNUSED)
{
    static const guint32 ordinary[] = {VGPU_RESULT_OK,           VGPU_ERROR_UNAVAILABLE,
                                       VGPU_ERROR_QUEUE_FULL,    VGPU_ERROR_RATE_LIMITED,
                                       VGPU_RESULT_QUOTA,        VGPU_RESULT_OUT_OF_MEMORY,
                                       VGPU_RESULT_BUILD_FAILED, VGPU_ERROR_INVALID_POOL};
    VgpuStrikes strikes;

    vgpu_strikes_init(&strikes, 1, 1, 60);
    for (int i = 0; i < 100; i++)
        vgpu_strikes_add(&strikes, ordinary[i % (int)G_N_ELEMENTS(ordinary)], S);
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_CLOSED);
    vgpu_strikes_clear(&strikes);
}

static void test_off(void **state G_GNUC_UNUSED)
{
    VgpuStrikes strikes;

    vgpu_strikes_init(&strikes, 0, 0, 60);
    for (int i = 0; i < 100000; i++) {
        vgpu_strikes_add(&strikes, VGPU_ERROR_INVALID_REQUEST, S);
        vgpu_strikes_add(&strikes, VGPU_ERROR_EXECUTION_FAILED, S);
    }
    assert_int_equal(strikes.exit, VGPU_WORKER_EXIT_CLOSED);
    vgpu_strikes_clear(&strikes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_has_its_budget),
        cmocka_unit_test(test_slow_ones_are_put_up_with),
        cmocka_unit_test(test_what_is_no_fault),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
