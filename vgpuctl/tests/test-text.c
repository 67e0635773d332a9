/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Safe text, columns, units and tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "show.h"
#include "table.h"
#include "text.h"

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    g_free(text);
}

static void test_safe(void **state G_GNUC_UNUSED)
{
    assert_text(vgpuctl_text_safe("web-1 \xc3\xa4 \xe6\xbc\xa2"), "web-1 \xc3\xa4 \xe6\xbc\xa2");
    assert_text(vgpuctl_text_safe("a\x1b[31mb\n\r\tc\x7f"), "a\\x1b[31mb\\x0a\\x0d\\x09c\\x7f");
    assert_text(vgpuctl_text_safe("\xc2\x9b"), "\\x9b");       /* CSI in eight bits */
    assert_text(vgpuctl_text_safe("\xe2\x80\xae"), "\\u202e"); /* right-to-left override */
    assert_text(vgpuctl_text_safe("\xe2\x80\xa8"), "\\u2028"); /* line separator */
    assert_text(vgpuctl_text_safe("x\xff"
                                  "y"),
                "x\xef\xbf\xbdy");
    assert_text(vgpuctl_text_safe(""), "");
}

static void test_columns(void **state G_GNUC_UNUSED)
{
    assert_int_equal(vgpuctl_text_columns("abc"), 3);
    assert_int_equal(vgpuctl_text_columns("\xc3\xa4"), 1);
    assert_int_equal(vgpuctl_text_columns("\xe6\xbc\xa2\xe5\xad\x97"), 4);
    assert_int_equal(vgpuctl_text_columns("a\xcc\x88"), 1); /* a and a combining diaeresis */

    assert_text(vgpuctl_text_fit("abcdef", 6), "abcdef");
    assert_text(vgpuctl_text_fit("abcdefg", 6), "abc...");
    assert_text(vgpuctl_text_fit("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 6),
                "\xe6\xbc\xa2...");
    assert_text(vgpuctl_text_fit("abcd", 3), "...");
}

static void test_units(void **state G_GNUC_UNUSED)
{
    assert_text(vgpuctl_text_bytes(0), "0 B");
    assert_text(vgpuctl_text_bytes(1023), "1023 B");
    assert_text(vgpuctl_text_bytes(40000), "39.1 KiB");
    assert_text(vgpuctl_text_bytes(G_GUINT64_CONSTANT(2) << 30), "2.0 GiB");
    assert_text(vgpuctl_text_bytes(G_MAXINT64), "8192.0 PiB");

    assert_text(vgpuctl_text_time(0), "0 s");
    assert_text(vgpuctl_text_time(999), "999.0 ns");
    assert_text(vgpuctl_text_time(20000), "20.0 us");
    assert_text(vgpuctl_text_time(1250000), "1.2 ms");
    assert_text(vgpuctl_text_time(G_GUINT64_CONSTANT(7200000000000)), "7200.0 s");

    assert_text(vgpuctl_text_uptime(59999999), "59 s");
    assert_text(vgpuctl_text_uptime(G_GINT64_CONSTANT(185) * G_USEC_PER_SEC), "3 min 5 s");
    assert_text(vgpuctl_text_uptime(G_GINT64_CONSTANT(7800) * G_USEC_PER_SEC), "2 h 10 min");
    assert_text(vgpuctl_text_uptime(G_GINT64_CONSTANT(90000) * G_USEC_PER_SEC), "1 d 1 h");
}

static void test_times(void **state G_GNUC_UNUSED)
{
    gint64 now = G_GINT64_CONSTANT(1700000000) * G_USEC_PER_SEC;

    assert_text(vgpuctl_text_ago(0, now), "never");
    assert_text(vgpuctl_text_ago(now, now), "now");
    assert_text(vgpuctl_text_ago(now + 5 * G_USEC_PER_SEC, now), "now");
    assert_text(vgpuctl_text_ago(G_MAXINT64, now), "now");
    assert_text(vgpuctl_text_ago(G_MININT64, now), "now");
    assert_text(vgpuctl_text_ago(-1, now), "now");
    assert_text(vgpuctl_text_ago(now - G_GINT64_CONSTANT(185) * G_USEC_PER_SEC, now),
                "3 min 5 s ago");

    assert_text(vgpuctl_text_date(0), "never");
    assert_text(vgpuctl_text_date(now), "2023-11-14 22:13:20"); /* TZ is set in main() */
    assert_text(vgpuctl_text_date(G_MAXINT64), "?");
}

static void test_table(void **state G_GNUC_UNUSED)
{
    static const char *const titles[] = {"NAME", ">COUNT", "LAST", NULL};
    g_autoptr(VgpuctlTable) table = vgpuctl_table_new(titles);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *fifty = g_strnfill(50, 'n');

    vgpuctl_table_add(table, "\xe6\xbc\xa2\xe5\xad\x97");
    vgpuctl_table_add(table, "7");
    vgpuctl_table_add(table, "x\ny");
    vgpuctl_table_add(table, "");
    vgpuctl_table_add(table, "123456");
    vgpuctl_table_add(table, fifty);
    vgpuctl_table_print(table, out);
    assert_string_equal(out->str, "NAME   COUNT  LAST\n"
                                  "\xe6\xbc\xa2\xe5\xad\x97       7  x\\x0ay\n"
                                  "-     123456  nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...\n");
}

/* A vgpud of another version may leave out what it likes, or send other types. */
static void test_missing_keys(void **state G_GNUC_UNUSED)
{
    g_autoptr(GVariant) empty = g_variant_ref_sink(g_variant_new_parsed("@a{sv} {}"));
    g_autoptr(GVariant) odd = g_variant_ref_sink(g_variant_new_parsed(
        "[{'name': <'x'>, 'requests': <'many'>, 'errors': <3>, 'vm-id': <@t 4>}]"));
    g_autoptr(GVariant) pools =
        g_variant_ref_sink(g_variant_new_parsed("[{'name': <'B'>}, {'members': <[@a{sv} {}]>}]"));
    g_autoptr(GString) out = g_string_new(NULL);

    vgpuctl_show_status(empty, out);
    vgpuctl_show_vm(empty, 0, out);
    g_string_truncate(out, 0);
    vgpuctl_show_vms(odd, 0, out);
    assert_non_null(strstr(out->str, "\nx   0       -     -         -      -              0"));
    g_string_truncate(out, 0);
    vgpuctl_show_pools(pools, out);
    assert_non_null(strstr(out->str, "\n-     -       -          0  -       0 %  (the first)  none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safe),  cmocka_unit_test(test_columns),
        cmocka_unit_test(test_units), cmocka_unit_test(test_times),
        cmocka_unit_test(test_table), cmocka_unit_test(test_missing_keys),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
