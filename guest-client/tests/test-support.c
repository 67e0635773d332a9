/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs stand on: TAP output, numbers on command lines, percentiles, register names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "options.h"
#include "random.h"
#include "registers.h"
#include "tap.h"
#include "vgpu-registers.h"

/* The output of a TAP program that passes @first and then checks a number against 7. */
static char *tap_output(bool first, uint32_t number, int *status)
{
    char *text = NULL;
    size_t size = 0;

    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    tap_begin(out);
    tap_ok(first, "the %s", "first");
    tap_equal(number, 7, "number");
    tap_skip("third", "no reason");
    tap_note("a note");
    *status = tap_end();
    fclose(out);
    return text;
}

static void test_tap(void **state)
{
    (void)state;
    int status;

    char *text = tap_output(true, 7, &status);
    assert_string_equal(text, "ok 1 - the first\nok 2 - number\nok 3 - third # SKIP no reason\n"
                              "# a note\n1..3\n");
    assert_int_equal(status, 0);
    free(text);

    text = tap_output(false, 7, &status);
    assert_int_equal(strncmp(text, "not ok 1 - the first\n", 21), 0);
    assert_int_equal(status, 1);
    free(text);

    text = tap_output(true, 16, &status);
    assert_non_null(strstr(text, "not ok 2 - number\n# got 0x10, expected 0x7\n"));
    assert_non_null(strstr(text, "1..3\n# 1 of 3 failed\n"));
    assert_int_equal(status, 1);
    free(text);
}

static void test_tap_without_tests(void **state)
{
    (void)state;
    FILE *out = fopen("/dev/null", "w");

    assert_non_null(out);
    tap_begin(out);
    assert_int_equal(tap_end(), 1);
    fclose(out);
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "-1",         "+1",          " 1",
                                      "1 ", "1x",         "0x",          "x",
                                      "ff", "4294967296", "0x100000000", "18446744073709551617"};
    uint32_t number;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(options_number(bad[i], &number));
    assert_true(options_number("0", &number));
    assert_int_equal(number, 0);
    assert_true(options_number("010", &number));
    assert_int_equal(number, 10);
    assert_true(options_number("0xFf", &number));
    assert_int_equal(number, 255);
    assert_true(options_number("4294967295", &number));
    assert_int_equal(number, UINT32_MAX);
}

static void test_latency(void **state)
{
    (void)state;
    uint64_t hundred[100], one[] = {5000}, two[] = {2000, 1000};

    for (uint64_t i = 0; i < 100; i++)
        hundred[i] = (100 - i) * 1000;
    struct latency_summary summary = latency_summarize(hundred, 100);
    assert_int_equal(summary.min, 1000);
    assert_int_equal(summary.median, 50000);
    assert_int_equal(summary.p99, 99000);
    assert_int_equal((int)summary.per_second, 19801); /* 100 in 5.05 ms */
    summary = latency_summarize(one, 1);
    assert_int_equal(summary.median, 5000);
    assert_int_equal(summary.p99, 5000);
    summary = latency_summarize(two, 2);
    assert_int_equal(summary.median, 1000);
    assert_int_equal(summary.p99, 2000);
}

static void test_register_table(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < REGISTER_COUNT; i++)
        assert_int_equal(registers[i].offset, 4 * i);
}

static void assert_means(uint32_t offset, uint32_t value, const char *expected)
{
    char text[64];

    register_meaning(offset, value, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_register_meanings(void **state)
{
    (void)state;
    assert_means(VGPU_REG_STATUS, 1, "busy");
    assert_means(VGPU_REG_POOL_ID, 'B', "B");
    assert_means(VGPU_REG_POOL_ID, '"', "not a letter");
    assert_means(VGPU_REG_PRIORITY, 2, "high");
    assert_means(VGPU_REG_VM_ID, 17, "17");
    assert_means(VGPU_REG_ERROR_CODE, 7, "queue-full");
    assert_means(VGPU_REG_PROTOCOL_VER, 0x00010000, "1.0");
    assert_means(VGPU_REG_CAPABILITIES, 3, "basic interrupt");
    assert_means(VGPU_REG_CAPABILITIES, 0, "");
    assert_means(VGPU_REG_INTERRUPT_CTRL, 1, "on completion");
    assert_means(VGPU_REG_SCRATCH, 1, "");
}

static void test_random(void **state)
{
    (void)state;
    struct random a = random_seed(1), b = random_seed(1), c = random_seed(2);
    uint32_t first = random_next(&a);

    assert_int_equal(first, random_next(&b));
    assert_int_not_equal(first, random_next(&c));
    for (int i = 0; i < 1000; i++)
        assert_true(random_below(&a, 10) < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tap),
        cmocka_unit_test(test_tap_without_tests),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_latency),
        cmocka_unit_test(test_register_table),
        cmocka_unit_test(test_register_meanings),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
