/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vm-limits.h"

static VgpuKeyFile key_file(const char *text)
{
    VgpuKeyFile file = {.name = "a.conf", .domain = g_quark_from_static_string("test"), .code = 7};

    assert_true(vgpu_key_file_parse(&file, text, strlen(text), NULL));
    return file;
}

static gboolean read_rules(const char *text, VgpuLimitRules *rules, GError **error)
{
    const VgpuKeyFile file = key_file(text);

    *rules = (VgpuLimitRules){0};
    gboolean good = vgpu_limit_rules_read(&file, "pool", rules, error);
    g_key_file_unref(file.keys);
    return good;
}

static VgpuLimits one(enum vgpu_limit limit, guint32 value)
{
    VgpuLimits limits = {{0}};

    limits.value[limit] = value;
    return limits;
}

static void test_reads_rules(void **state)
{
    (void)state;
    VgpuLimitRules rules;

    assert_true(read_rules("[pool]\nmemory-mib=4096\ndefault-memory-mib=1024\nhandles=0\n"
                           "default-weight=200\nover-quota=wait\n",
                           &rules, NULL));
    assert_int_equal(rules.ceiling.value[VGPU_LIMIT_MEMORY], 4096);
    assert_int_equal(rules.standard.value[VGPU_LIMIT_MEMORY], 1024);
    assert_int_equal(rules.ceiling.value[VGPU_LIMIT_HANDLES], 0);
    assert_int_equal(rules.standard.value[VGPU_LIMIT_WEIGHT], 200);
    assert_true(rules.waits);
    assert_true(read_rules("[pool]\n", &rules, NULL));
    assert_false(rules.waits);
    assert_true(read_rules("[pool]\nover-quota=error\n", &rules, NULL));
    assert_false(rules.waits);
}

static void test_errors_name_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[pool]\nover-quota=drop\n", "a.conf: [pool] over-quota: 'drop' is neither"},
        {"[pool]\ndevice-time-percent=101\n",
         "a.conf: [pool] device-time-percent: '101' is not a whole number from 0 to 100"},
        {"[pool]\nmemory-mib=-1\n", "[pool] memory-mib: '-1'"},
        {"[pool]\nhandles=9\ndefault-handles=10\n",
         "[pool] default-handles: 10 is above handles=9, which no VM may pass"},
        {"[pool]\ndefault-outstanding=many\n", "[pool] default-outstanding: 'many'"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        VgpuLimitRules rules;

        assert_false(read_rules(cases[i].text, &rules, &error));
        if (strstr(error->message, cases[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].expected, error->message);
    }
}

static void test_every_key_is_known(void **state)
{
    (void)state;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    vgpu_limit_rules_add_keys(builder);
    g_auto(GStrv) keys = g_strv_builder_end(builder);
    assert_int_equal(g_strv_length(keys), 2 * VGPU_LIMIT_COUNT + 1);
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        enum vgpu_limit found;

        assert_true(g_strv_contains((const char *const *)keys, vgpu_limit_info(i)->name));
        assert_true(vgpu_limits_by_name(vgpu_limit_info(i)->name, &found));
        assert_int_equal(found, i);
    }
    enum vgpu_limit found;
    assert_false(vgpu_limits_by_name("memory", &found));
}

static void test_within(void **state)
{
    (void)state;
    static const struct {
        guint32 wish, standard, ceiling, expected;
    } cases[] = {
        {0, 0, 0, 0}, {5, 0, 0, 5},  {0, 3, 0, 3}, {5, 3, 0, 5},  {0, 0, 9, 9},
        {5, 0, 9, 5}, {50, 0, 9, 9}, {0, 3, 9, 3}, {50, 3, 9, 9}, {1, 3, 9, 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const VgpuLimits wish = one(VGPU_LIMIT_MEMORY, cases[i].wish);
        const VgpuLimitRules rules = {.ceiling = one(VGPU_LIMIT_MEMORY, cases[i].ceiling),
                                      .standard = one(VGPU_LIMIT_MEMORY, cases[i].standard)};
        VgpuLimits limits = vgpu_limits_within(&wish, &rules);

        assert_int_equal(limits.value[VGPU_LIMIT_MEMORY], cases[i].expected);
        assert_int_equal(limits.value[VGPU_LIMIT_HANDLES], 0);
    }
}

static void assert_rate(VgpuRate wish, VgpuRate ceiling, guint per_second, guint burst)
{
    const VgpuLimits wanted = {{wish.per_second, wish.burst}};
    const VgpuLimitRules rules = {.ceiling = {{ceiling.per_second, ceiling.burst}}};
    const VgpuLimits limits = vgpu_limits_within(&wanted, &rules);
    const VgpuRate rate = vgpu_limits_rate(&limits);

    assert_int_equal(rate.per_second, per_second);
    assert_int_equal(rate.burst, burst);
}

static void test_a_rate_within_a_ceiling(void **state)
{
    (void)state;
    const VgpuRate none = {0}, pool = {100, 10};

    assert_rate(none, none, 0, 1);
    assert_rate(none, pool, 100, 10);
    assert_rate((VgpuRate){50, 5}, pool, 50, 5);
    assert_rate((VgpuRate){50, 0}, pool, 50, 10);
    assert_rate((VgpuRate){0, 5}, pool, 100, 5);
    assert_rate((VgpuRate){500, 50}, pool, 100, 10); /* never more than the pool's */
    assert_rate((VgpuRate){500, 50}, none, 500, 50);
    assert_rate((VgpuRate){50, 5}, (VgpuRate){100, 0}, 50, 1);
}

static void test_text(void **state)
{
    (void)state;
    VgpuLimits limits = one(VGPU_LIMIT_MEMORY, 512), none = {{0}};

    limits.value[VGPU_LIMIT_WEIGHT] = 200;
    g_autofree char *text = vgpu_limits_format(&limits), *nothing = vgpu_limits_format(&none);
    assert_string_equal(text, "memory-mib 512, weight 200");
    assert_string_equal(nothing, "none");
    assert_false(vgpu_limits_equal(&limits, &none));
    assert_true(vgpu_limits_equal(&limits, &limits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_rules),
        cmocka_unit_test(test_errors_name_the_key),
        cmocka_unit_test(test_every_key_is_known),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_a_rate_within_a_ceiling),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
