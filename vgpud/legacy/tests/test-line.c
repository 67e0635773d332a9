/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "legacy-line.h"

static VgpuLegacyLineResult parse(const char *text, VgpuLegacyLine *line)
{
    return vgpu_legacy_line_parse(text, strlen(text), line);
}

static void test_a_request(void **state G_GNUC_UNUSED)
{
    VgpuLegacyLine line;

    assert_int_equal(parse("B:2:17:20:22\n", &line), VGPU_LEGACY_LINE_OK);
    assert_int_equal(line.pool, 'B');
    assert_int_equal(line.priority, VGPU_PRIORITY_HIGH);
    assert_int_equal(line.vm, 17);
    assert_int_equal(line.numbers[0], 20);
    assert_int_equal(line.numbers[1], 22);
    assert_false(line.is_signed);
}

static void test_what_is_put_up_with(void **state G_GNUC_UNUSED)
{
    static const char *const texts[] = {
        "A:0:1:1:2\r\n",         "A:0:1:1:2\nA:0:1:1:2\n",
        "A:0:1:1:2\nwhatever",   "A:00:01:001:2\n",
        "A:0:20:0:4294967295\n", "A:0:1:-2147483648:2147483647\n",
        "A:0:1:-0:3000000000\n", "A:0:1:00000000000000000000000000000000000000000001:02\n",
    };
    VgpuLegacyLine line;

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        if (parse(texts[i], &line) != VGPU_LEGACY_LINE_OK)
            fail_msg("refused: %s", texts[i]);
}

static void test_partial(void **state G_GNUC_UNUSED)
{
    static const char whole[] = "A:0:1:1:2\n";
    char full[VGPU_LEGACY_LINE_MAX];
    VgpuLegacyLine line;

    for (gsize length = 0; length < strlen(whole); length++)
        assert_int_equal(vgpu_legacy_line_parse(whole, length, &line), VGPU_LEGACY_LINE_PARTIAL);
    assert_int_equal(vgpu_legacy_line_parse(whole, strlen(whole), &line), VGPU_LEGACY_LINE_OK);

    /* What can never become a line is not waited for. */
    memset(full, '1', sizeof(full));
    assert_int_equal(vgpu_legacy_line_parse(full, sizeof(full) - 1, &line),
                     VGPU_LEGACY_LINE_PARTIAL);
    assert_int_equal(vgpu_legacy_line_parse(full, sizeof(full), &line), VGPU_LEGACY_LINE_MALFORMED);
}

static void test_malformed(void **state G_GNUC_UNUSED)
{
    static const char *const texts[] = {
        "\n",
        "\r\n",
        "A\n",
        ":::::\n",
        "A:0:1:1\n",
        "A:0:1:1:2:\n",
        "A:0:1:1:2:3\n",
        /* pool */
        "a:0:1:1:2\n",
        "1:0:1:1:2\n",
        "AB:0:1:1:2\n",
        ":0:1:1:2\n",
        "\xc3\x84:0:1:1:2\n",
        /* priority */
        "A:3:1:1:2\n",
        "A:-1:1:1:2\n",
        "A::1:1:2\n",
        "A:high:1:1:2\n",
        "A:+1:1:1:2\n",
        /* VM */
        "A:0:0:1:2\n",
        "A:0:21:1:2\n",
        "A:0:x:1:2\n",
        /* numbers */
        "A:0:1::2\n",
        "A:0:1:1:\n",
        "A:0:1:1: 2\n",
        "A:0:1:1:2 \n",
        "A:0:1:1.5:2\n",
        "A:0:1:0x1:2\n",
        "A:0:1:1:2,\n",
        "A:0:1:4294967296:0\n",
        "A:0:1:-2147483649:0\n",
        "A:0:1:-1:2147483648\n",
        "A:0:1:99999999999999999999:0\n",
        "A:0:1:--1:0\n",
    };
    VgpuLegacyLine line;

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        if (parse(texts[i], &line) != VGPU_LEGACY_LINE_MALFORMED)
            fail_msg("not refused: %s", texts[i]);
    assert_int_equal(vgpu_legacy_line_parse("A:0:1:1:2\0\n", 11, &line),
                     VGPU_LEGACY_LINE_MALFORMED);
}

/* What the worker is sent, and what the guest reads of its answer. */
static void expect_sum(const char *request, const char *response)
{
    VgpuLegacyLine line;

    assert_int_equal(parse(request, &line), VGPU_LEGACY_LINE_OK);
    g_autofree char *text = vgpu_legacy_line_result(&line, line.numbers[0] + line.numbers[1]);
    assert_string_equal(text, response);
}

static void test_results(void **state G_GNUC_UNUSED)
{
    expect_sum("A:0:1:20:22\n", "42\n");
    expect_sum("A:0:1:-20:-22\n", "-42\n");
    expect_sum("A:0:1:-1:1\n", "0\n");
    expect_sum("A:0:1:2000000000:2000000000\n", "4000000000\n");
    expect_sum("A:0:1:4294967295:1\n", "0\n");
}

static void test_errors(void **state G_GNUC_UNUSED)
{
    g_autofree char *text = vgpu_legacy_line_error(VGPU_ERROR_QUARANTINED);

    assert_string_equal(text, "ERROR 0x0b quarantined\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request), cmocka_unit_test(test_what_is_put_up_with),
        cmocka_unit_test(test_partial),   cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_results),   cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
