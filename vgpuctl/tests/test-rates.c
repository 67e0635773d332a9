/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast counters run, and how top shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rates.h"
#include "show.h"

#define SECOND G_USEC_PER_SEC

/* aa{sv} of VMs in GVariant's text form. */
static GVariant *parse(const char *text)
{
    return g_variant_ref_sink(g_variant_new_parsed(text));
}

#define VM(name, since, requests, device)                                                          \
    "{'name': <'" name "'>, 'uuid': <'" name "'>, 'pool': <'A'>, 'priority': <'low'>, "            \
    "'state': <'serving'>, 'since-us': <int64 " since ">, 'requests': <uint64 " requests ">, "     \
    "'errors': <{'timeout': uint64 " requests "}>, 'bytes-in': <uint64 " requests ">, "            \
    "'bytes-out': <uint64 0>, 'device-ns': <uint64 " device ">, 'service-ns': <uint64 " device     \
    ">}"

static GVariant *vm(GVariant *vms, guint i, const char *name)
{
    GVariant *dict = g_variant_get_child_value(vms, i);
    const char *actual = NULL;

    assert_true(g_variant_lookup(dict, "name", "&s", &actual));
    assert_string_equal(actual, name);
    return dict;
}

static void assert_rate(GVariant *dict, const char *key, gdouble expected)
{
    gdouble rate = -1;

    assert_true(g_variant_lookup(dict, key, "d", &rate));
    assert_true(rate > expected - 0.001 && rate < expected + 0.001);
}

static void test_rates(void **state)
{
    (void)state;
    g_autoptr(VgpuctlRates) rates = vgpuctl_rates_new();
    g_autoptr(GVariant) before =
        parse("[" VM("a", "1", "100", "0") "," VM("b", "1", "50", "1000") "]");
    g_autoptr(GVariant) after = parse("[" VM("a", "1", "120", "1000000") "," VM(
        "b", "1", "50", "1000000001000") "," VM("c", "1", "70", "70") "]");
    guint64 mean = 0;

    g_autoptr(GVariant) first = vgpuctl_rates_add(rates, before, 5 * SECOND);
    g_autoptr(GVariant) quiet = vm(first, 0, "a");
    assert_false(g_variant_lookup(quiet, "busy", "d", NULL));

    g_autoptr(GVariant) second = vgpuctl_rates_add(rates, after, 7 * SECOND);
    assert_int_equal(g_variant_n_children(second), 3);
    g_autoptr(GVariant) b = vm(second, 0, "b"); /* the busiest first */
    g_autoptr(GVariant) a = vm(second, 1, "a");
    g_autoptr(GVariant) c = vm(second, 2, "c");
    assert_rate(a, "requests-per-s", 10);
    assert_rate(a, "errors-per-s", 10);
    assert_rate(a, "bytes-in-per-s", 10);
    assert_rate(a, "bytes-out-per-s", 0);
    assert_rate(a, "busy", 0.0005);
    assert_true(g_variant_lookup(a, "interval-service-ns", "t", &mean));
    assert_int_equal(mean, 50000);
    assert_rate(b, "requests-per-s", 0);
    assert_rate(b, "busy", 500);
    assert_true(g_variant_lookup(b, "interval-service-ns", "t", &mean));
    assert_int_equal(mean, 0);
    assert_false(g_variant_lookup(c, "busy", "d", NULL)); /* new */
}

/* A VM that was started again, a counter that a worker turned back, a clock that stands. */
static void test_odd_counters(void **state)
{
    (void)state;
    g_autoptr(VgpuctlRates) rates = vgpuctl_rates_new();
    g_autoptr(GVariant) before =
        parse("[" VM("a", "1", "100", "100") "," VM("b", "1", "100", "100") "]");
    g_autoptr(GVariant) after =
        parse("[" VM("a", "2", "200", "200") "," VM("b", "1", "10", "10") "]");

    g_variant_unref(vgpuctl_rates_add(rates, before, SECOND));
    g_autoptr(GVariant) second = vgpuctl_rates_add(rates, after, 2 * SECOND);
    g_autoptr(GVariant) a = vm(second, 0, "a");
    g_autoptr(GVariant) b = vm(second, 1, "b");
    assert_false(g_variant_lookup(a, "busy", "d", NULL));
    assert_rate(b, "busy", 0);
    g_autoptr(GVariant) third = vgpuctl_rates_add(rates, after, 2 * SECOND);
    g_autoptr(GVariant) still = vm(third, 0, "a");
    assert_false(g_variant_lookup(still, "busy", "d", NULL));
}

static void test_table(void **state)
{
    (void)state;
    g_autoptr(VgpuctlRates) rates = vgpuctl_rates_new();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GVariant) before = parse("[" VM("a", "1", "100", "0") "]");
    g_autoptr(GVariant) after =
        parse("[" VM("a", "1", "4196", "512000000") "," VM("b", "1", "0", "0") "]");

    g_variant_unref(vgpuctl_rates_add(rates, before, SECOND));
    g_autoptr(GVariant) second = vgpuctl_rates_add(rates, after, 2 * SECOND);
    vgpuctl_show_top(second, out);
    assert_string_equal(out->str, "VM  POOL  PRIORITY  STATE     REQ/S   ERR/S    BUSY      MEAN  "
                                  "WAIT  MEMORY     IN/S  OUT/S\n"
                                  "a   A     low       serving  4096.0  4096.0  51.2 %  125.0 us   "
                                  "  -     0 B  4.0 KiB    0 B\n"
                                  "b   A     low       serving       -       -       -         -   "
                                  "  -     0 B        -      -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_odd_counters),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
