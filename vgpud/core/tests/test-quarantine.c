/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "quarantine.h"

#define S G_GINT64_CONSTANT(1000000)

/* Begins one at @now_s and ends it when its time has come. Returns the seconds. */
static guint serve(VgpuQuarantine *quarantine, gint64 now_s)
{
    const guint seconds = vgpu_quarantine_begin(quarantine, 30, 100, "why", now_s * S);

    assert_int_equal(quarantine->until_us, (now_s + seconds) * S);
    assert_string_equal(quarantine->reason, "why");
    vgpu_quarantine_end(quarantine, FALSE);
    assert_int_equal(quarantine->until_us, 0);
    assert_null(quarantine->reason);
    return seconds;
}

static void test_doubles_up_to_the_longest(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0};

    assert_int_equal(serve(&quarantine, 1000), 30);
    assert_int_equal(serve(&quarantine, 1030), 60);
    assert_int_equal(serve(&quarantine, 1100), 100);
    assert_int_equal(serve(&quarantine, 1200), 100);
    assert_int_equal(serve(&quarantine, 1300), 100);
    assert_int_equal(quarantine.total, 5);
}

static void test_forgets(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0};

    assert_int_equal(serve(&quarantine, 1000), 30);
    /* 100 s after its end, not after its begin. */
    assert_int_equal(serve(&quarantine, 1129), 60);
    assert_int_equal(serve(&quarantine, 1129 + 60 + 100), 30);
}

static void test_faults_postpone_that(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0};

    serve(&quarantine, 1000);
    vgpu_quarantine_postpone(&quarantine, 100, 1120 * S);
    vgpu_quarantine_postpone(&quarantine, 100, 1210 * S);
    assert_int_equal(serve(&quarantine, 1309), 60);
    /* One that comes too late does not bring it back. */
    vgpu_quarantine_postpone(&quarantine, 100, (1309 + 60 + 100) * S);
    assert_int_equal(serve(&quarantine, 1309 + 60 + 101), 30);
}

static void test_first_is_longer_than_the_longest(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0};

    for (int i = 0; i < 3; i++)
        assert_int_equal(vgpu_quarantine_begin(&quarantine, 86400, 3600, "why", 5), 86400);
    vgpu_quarantine_clear(&quarantine);
}

static void test_by_hand(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0}, copy = {.total = 7};

    vgpu_quarantine_order(&quarantine, VGPU_QUARANTINE_FOREVER, "by hand");
    assert_string_equal(quarantine.reason, "by hand");
    vgpu_quarantine_order(&quarantine, 5 * S, quarantine.reason);
    assert_string_equal(quarantine.reason, "by hand");
    vgpu_quarantine_copy(&copy, &quarantine);
    assert_int_equal(copy.until_us, 5 * S);
    assert_string_equal(copy.reason, "by hand");
    assert_int_equal(copy.total, 7);
    vgpu_quarantine_end(&quarantine, FALSE);
    assert_int_equal(serve(&quarantine, 1000), 30);
    vgpu_quarantine_clear(&copy);
}

static void test_pardon(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0};

    serve(&quarantine, 1000);
    vgpu_quarantine_begin(&quarantine, 30, 100, "why", 1031 * S);
    vgpu_quarantine_end(&quarantine, TRUE);
    assert_int_equal(serve(&quarantine, 1032), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_longest),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_faults_postpone_that),
        cmocka_unit_test(test_first_is_longer_than_the_longest),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_pardon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
