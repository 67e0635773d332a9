/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that are installed say what is true: all keys, with the defaults of the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "settings.h"

static char **arguments; /* vgpud.conf, then the pools' files */

static char *read_file(const char *path, gsize *length)
{
    char *text = NULL;

    assert_true(g_file_get_contents(path, &text, length, NULL));
    return text;
}

/* The file with every "#key=value" in force. Its prose has a blank behind the '#'. */
static char *uncommented(const char *text)
{
    g_autoptr(GRegex) commented = g_regex_new("^#([a-z])", G_REGEX_MULTILINE, 0, NULL);

    return g_regex_replace(commented, text, -1, 0, "\\1", 0, NULL);
}

static void test_as_installed(void **state G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    gsize length;
    g_autofree char *text = read_file(arguments[1], &length);
    g_autoptr(VgpuSettings) settings = vgpu_settings_parse(text, length, arguments[1], &error);

    assert_null(error);
    assert_non_null(settings);
}

static void test_shows_the_defaults(void **state G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    gsize length;
    g_autofree char *text = read_file(arguments[1], &length);
    g_autofree char *all = uncommented(text);
    g_autoptr(VgpuSettings) shown = vgpu_settings_parse(all, strlen(all), arguments[1], &error);
    g_autoptr(VgpuSettings) built_in = vgpu_settings_parse("", 0, "defaults", NULL);

    assert_null(error);
    assert_string_equal(shown->connect, built_in->connect);
    assert_string_equal(shown->bus, built_in->bus);
    assert_string_equal(shown->run_dir, built_in->run_dir);
    assert_string_equal(shown->cache_dir, built_in->cache_dir);
    assert_string_equal(shown->libvirt_run_dir, built_in->libvirt_run_dir);
    assert_string_equal(shown->emulator, built_in->emulator);
    assert_string_equal(shown->worker, built_in->worker);
    assert_string_equal(shown->pools_dir, built_in->pools_dir);
    assert_int_equal(shown->worker_uid_base, built_in->worker_uid_base);
    assert_int_equal(shown->worker_memory_mib, built_in->worker_memory_mib);
    g_autofree char *shown_groups = g_strjoinv(",", shown->worker_groups);
    g_autofree char *groups = g_strjoinv(",", built_in->worker_groups);
    assert_string_equal(shown_groups, groups);
    assert_int_equal(shown->request_timeout_ms, built_in->request_timeout_ms);
    assert_int_equal(shown->fault_budget, built_in->fault_budget);
    assert_int_equal(shown->fault_window_s, built_in->fault_window_s);
    assert_int_equal(shown->error_budget, built_in->error_budget);
    assert_int_equal(shown->backend_fault_budget, built_in->backend_fault_budget);
    assert_int_equal(shown->quarantine_s, built_in->quarantine_s);
    assert_int_equal(shown->quarantine_max_s, built_in->quarantine_max_s);
    assert_int_equal(shown->breaker_vms, built_in->breaker_vms);
    assert_null(shown->legacy_dir);
    assert_int_equal(shown->legacy_idle_s, built_in->legacy_idle_s);
}

static void test_names_every_key(void **state G_GNUC_UNUSED)
{
    static const char *const keys[] = {
        "connect",          "bus",
        "run-dir",          "cache-dir",
        "libvirt-run-dir",  "emulator",
        "worker",           "socket-group",
        "pools-dir",        "worker-uid-base",
        "worker-groups",    "request-timeout-ms",
        "fault-budget",     "fault-window-s",
        "quarantine-s",     "directory",
        "idle-s",           "error-budget",
        "breaker-vms",      "backend-fault-budget",
        "quarantine-max-s",
    };
    g_autofree char *text = read_file(arguments[1], NULL);

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *line = g_strdup_printf("\n#%s=", keys[i]);
        if (strstr(text, line) == NULL)
            fail_msg("%s does not show %s", arguments[1], keys[i]);
    }
}

/* What a host has without any pool file, so that removing them changes nothing. */
static void test_pools(void **state G_GNUC_UNUSED)
{
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;

    for (char **path = arguments + 2; *path != NULL; path++) {
        gsize length;
        g_autofree char *text = read_file(*path, &length);
        vgpu_pools_add(pools, text, length, *path, &error);
        assert_null(error);
    }
    g_autofree char *letters = vgpu_pools_letters(pools);
    assert_string_equal(letters, "A, B");
    for (char letter = 'A'; letter <= 'B'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(pools, letter);
        const VgpuMember *member = pool->members->pdata[0];
        assert_int_equal(pool->limits.ceiling.value[VGPU_LIMIT_RATE], 0);
        assert_int_equal(pool->members->len, 1);
        assert_string_equal(member->backend, "opencl");
        assert_string_equal(member->device, "");
        assert_int_equal(member->slots, 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_installed),
        cmocka_unit_test(test_shows_the_defaults),
        cmocka_unit_test(test_names_every_key),
        cmocka_unit_test(test_pools),
    };

    if (argc < 3)
        return 2;
    arguments = argv;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
