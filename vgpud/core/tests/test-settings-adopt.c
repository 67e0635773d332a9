/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "settings-adopt.h"

/* Settings of @keys in [vgpud], with the pool of that letter. */
static VgpuSettings *make(const char *keys, char pool)
{
    g_autofree char *text = g_strdup_printf("[vgpud]\n%s\n", keys);
    g_autofree char *file = g_strdup_printf("[pool]\nname=%c\n[member x]\n", pool);
    g_autoptr(GError) error = NULL;
    VgpuSettings *settings = vgpu_settings_parse(text, strlen(text), "x.conf", &error);

    g_assert_no_error(error);
    settings->pools = vgpu_pools_new();
    assert_true(vgpu_pools_add(settings->pools, file, strlen(file), "p.conf", NULL));
    return settings;
}

static void test_pools_and_live_keys(void **state)
{
    (void)state;
    g_autoptr(VgpuSettings) settings = make("", 'A');
    g_autoptr(VgpuSettings) next =
        make("request-timeout-ms=1234\nquarantine-s=5\nquarantine-max-s=6\nbreaker-vms=7\n"
             "worker-memory-mib=99\npools-dir=/x/y",
             'C');
    const VgpuPools *pools = settings->pools;

    assert_null(vgpu_settings_adopt(settings, next));
    assert_ptr_equal(settings->pools, pools);
    assert_null(vgpu_pools_get(pools, 'A'));
    assert_non_null(vgpu_pools_get(pools, 'C'));
    assert_int_equal(settings->request_timeout_ms, 1234);
    assert_int_equal(settings->quarantine_s, 5);
    assert_int_equal(settings->worker_memory_mib, 99);
    assert_int_equal(settings->quarantine_max_s, 6);
    assert_int_equal(settings->breaker_vms, 7);
    assert_string_equal(settings->pools_dir, "/x/y");
}

static void test_others_stay_and_are_named(void **state)
{
    (void)state;
    g_autoptr(VgpuSettings) settings = make("run-dir=/run/a", 'A');
    g_autoptr(VgpuSettings) next =
        make("connect=qemu:///session\nrun-dir=/run/b\nworker-groups=video\nfault-budget=3\n"
             "error-budget=4\nbackend-fault-budget=5",
             'A');

    g_autofree char *later = vgpu_settings_adopt(settings, next);
    assert_string_equal(later, "connect, run-dir, worker-groups, fault-budget, error-budget, "
                               "backend-fault-budget");
    assert_string_equal(settings->run_dir, "/run/a");
    assert_int_not_equal(settings->fault_budget, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools_and_live_keys),
        cmocka_unit_test(test_others_stay_and_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
