/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "settings.h"

static VgpuSettings *parse(const char *text, GError **error)
{
    return vgpu_settings_parse(text, strlen(text), "vgpud.conf", error);
}

static void test_defaults(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VgpuSettings) settings = parse("", &error);

    assert_non_null(settings);
    assert_string_equal(settings->connect, "qemu:///system");
    assert_string_equal(settings->run_dir, "/run/vgpud");
    assert_string_equal(settings->worker_groups[0], "video");
    assert_null(settings->socket_group);
    assert_int_equal(settings->request_timeout_ms, 5000);
    assert_null(settings->legacy_dir);
    assert_int_equal(settings->fault_budget, 10);
    assert_int_equal(settings->error_budget, 1000);
    assert_int_equal(settings->backend_fault_budget, 100);
    assert_int_equal(settings->quarantine_max_s, 3600);
    assert_int_equal(settings->breaker_vms, 3);
}

static void test_values(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VgpuSettings) settings =
        parse("[vgpud]\nrun-dir=/run/other\nrequest-timeout-ms=250\nworker-groups= a , b\n"
              "fault-budget=0\nsocket-group=qemu\nerror-budget=65535\nbackend-fault-budget=7\n"
              "quarantine-max-s=5\nbreaker-vms=0\n",
              &error);

    assert_non_null(settings);
    assert_string_equal(settings->run_dir, "/run/other");
    assert_int_equal(settings->request_timeout_ms, 250);
    assert_string_equal(settings->worker_groups[1], "b");
    assert_int_equal(settings->fault_budget, 0);
    assert_int_equal(settings->error_budget, 65535);
    assert_int_equal(settings->backend_fault_budget, 7);
    assert_int_equal(settings->quarantine_max_s, 5);
    assert_int_equal(settings->breaker_vms, 0);
    assert_string_equal(settings->socket_group, "qemu");
}

static void test_legacy(void **state)
{
    (void)state;
    g_autoptr(VgpuSettings) with = parse("[legacy]\ndirectory=/srv/vgpu\nidle-s=5\n", NULL);
    g_autoptr(VgpuSettings) without = parse("[legacy]\ndirectory=\n", NULL);

    assert_string_equal(with->legacy_dir, "/srv/vgpu");
    assert_int_equal(with->legacy_idle_s, 5);
    assert_null(without->legacy_dir);
    assert_int_equal(without->legacy_idle_s, 60);
}

#define TEN "0123456789"

static void test_longest_run_dir(void **state)
{
    (void)state;
    g_autoptr(VgpuSettings) settings =
        parse("[vgpud]\nrun-dir=/" TEN TEN TEN TEN TEN TEN "1\n", NULL);

    assert_non_null(settings);
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[vgpud]\nrun_dir=/x\n", "vgpud.conf: [vgpud] run_dir: there is no such key"},
        {"[vgpud]\nrun-dir=x\n", "vgpud.conf: [vgpud] run-dir: 'x' is not an absolute path"},
        {"[vgpud]\nrun-dir=/" TEN TEN TEN TEN TEN TEN "12\n", "is longer than 62 bytes"},
        {"[vgpud]\nrequest-timeout-ms=0\n",
         "request-timeout-ms: '0' is not a whole number from 10"},
        {"[vgpud]\nfault-budget=65\n", "fault-budget: '65' is not a whole number from 0 to 64"},
        {"[vgpud]\nerror-budget=65536\n", "error-budget: '65536' is not a whole number from 0"},
        {"[vgpud]\nbreaker-vms=1\n", "[vgpud] breaker-vms: one VM is too few; 0 switches it off"},
        {"[vgpud]\nworker-uid-base=0\n", "worker-uid-base: '0'"},
        {"[pools]\n", "vgpud.conf: [pools]: there is no such group; known: [vgpud], [legacy]"},
        {"[legacy]\ndirectory=srv\n", "[legacy] directory: 'srv' is not an absolute path"},
        {"[legacy]\nidle-s=0\n", "[legacy] idle-s: '0' is not a whole number from 1 to 86400"},
        {"[legacy]\nrun-dir=/x\n", "[legacy] run-dir: there is no such key"},
        {"nonsense", "vgpud.conf: "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(parse(cases[i].text, &error));
        if (strstr(error->message, cases[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].expected, error->message);
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    assert_int_equal(g_unlink(path), 0);
}

static void test_pools_of_a_folder(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("vgpu-settings-XXXXXX", NULL);
    g_autofree char *conf = g_build_filename(folder, "vgpud.ini", NULL);
    g_autofree char *text = g_strdup_printf("[vgpud]\npools-dir=%s\n", folder);

    write_file(folder, "vgpud.ini", text);
    g_autoptr(VgpuSettings) none = vgpu_settings_load(conf, &error);
    assert_non_null(none);
    assert_non_null(vgpu_pools_get(none->pools, 'A')); /* the built-in ones */
    assert_non_null(vgpu_pools_get(none->pools, 'B'));

    write_file(folder, "c.conf", "[pool]\nname=C\n[member x]\n");
    write_file(folder, "c.conf.bak", "[nonsense");
    g_autoptr(VgpuSettings) one = vgpu_settings_load(conf, &error);
    assert_non_null(one);
    assert_non_null(vgpu_pools_get(one->pools, 'C'));
    assert_null(vgpu_pools_get(one->pools, 'A'));

    write_file(folder, "d.conf", "[pool]\nname=C\n[member x]\n");
    assert_null(vgpu_settings_load(conf, &error));
    assert_non_null(strstr(error->message, "d.conf: [pool] name: there is a pool C already"));

    remove_file(folder, "c.conf");
    remove_file(folder, "c.conf.bak");
    remove_file(folder, "d.conf");
    remove_file(folder, "vgpud.ini");
    assert_int_equal(g_rmdir(folder), 0);
}

static void test_a_missing_file_is_an_error(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;

    assert_null(vgpu_settings_load("/nonexistent/vgpud.conf", &error));
    assert_non_null(strstr(error->message, "/nonexistent/vgpud.conf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_legacy),
        cmocka_unit_test(test_longest_run_dir),
        cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_pools_of_a_folder),
        cmocka_unit_test(test_a_missing_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
