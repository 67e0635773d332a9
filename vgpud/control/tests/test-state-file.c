/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "state-file.h"

#define WEB "0b4c2a7e-1111-4222-8333-123456789abc"
#define DB  "0b4c2a7e-2222-4222-8333-123456789abc"

/* What follows @level is the rest of that object. */
#define OFFENDER(level)                                                                            \
    "{\"version\":1,\"quarantined\":{},\"offenders\":{\"" WEB "\":{\"level\":" level "}}}"

static char *folder, *path, *aside;

static int set_up(void **state)
{
    (void)state;
    folder = g_dir_make_tmp("vgpu-state-XXXXXX", NULL);
    path = g_build_filename(folder, "state.json", NULL);
    aside = g_build_filename(folder, "state.json.corrupt", NULL);
    return folder == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    g_unlink(path);
    g_unlink(aside);
    int result = g_rmdir(folder);
    g_free(folder);
    g_free(path);
    g_free(aside);
    return result;
}

static gint64 until(const VgpuStateFile *file, const char *uuid)
{
    VgpuQuarantine quarantine = {0};

    vgpu_state_file_get_quarantine(file, uuid, &quarantine);
    vgpu_quarantine_clear(&quarantine);
    return quarantine.until_us;
}

static void set_until(VgpuStateFile *file, const char *uuid, gint64 until_us)
{
    char reason[] = "why";
    const VgpuQuarantine quarantine = {.until_us = until_us,
                                       .reason = until_us != 0 ? reason : NULL};

    vgpu_state_file_set_quarantine(file, uuid, &quarantine, 1000);
}

static void test_survives(void **state)
{
    (void)state;
    VgpuStateFile *file = vgpu_state_file_open(folder);

    assert_int_equal(until(file, WEB), 0);
    set_until(file, WEB, 0);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS)); /* nothing to say, nothing written */
    set_until(file, WEB, 5000);
    set_until(file, DB, VGPU_QUARANTINE_FOREVER);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    assert_int_equal(until(file, WEB), 5000);
    set_until(file, WEB, 0);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    assert_int_equal(until(file, WEB), 0);
    assert_int_equal(until(file, DB), VGPU_QUARANTINE_FOREVER);
    vgpu_state_file_free(file);
    assert_false(g_file_test(aside, G_FILE_TEST_EXISTS));
}

static void test_why_and_what_next(void **state G_GNUC_UNUSED)
{
    VgpuQuarantine quarantine = {0};
    VgpuStateFile *file = vgpu_state_file_open(folder);

    vgpu_quarantine_begin(&quarantine, 30, 100, "too \"much\"\n", 1000);
    vgpu_state_file_set_quarantine(file, WEB, &quarantine, 1000);
    vgpu_state_file_free(file);
    vgpu_quarantine_clear(&quarantine);

    file = vgpu_state_file_open(folder);
    quarantine = (VgpuQuarantine){0};
    vgpu_state_file_get_quarantine(file, WEB, &quarantine);
    assert_int_equal(quarantine.until_us, 1000 + 30 * G_USEC_PER_SEC);
    assert_string_equal(quarantine.reason, "too \"much\"\n");
    /* It is over, and what the next one would be is kept. */
    const gint64 forget_us = quarantine.forget_us;
    vgpu_quarantine_end(&quarantine, FALSE);
    vgpu_state_file_set_quarantine(file, WEB, &quarantine, 31 * G_USEC_PER_SEC);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    quarantine = (VgpuQuarantine){0};
    vgpu_state_file_get_quarantine(file, WEB, &quarantine);
    assert_int_equal(quarantine.until_us, 0);
    assert_null(quarantine.reason);
    assert_int_equal(quarantine.level, 1);
    assert_int_equal(quarantine.forget_us, forget_us);
    /* Until it matters no more. */
    const VgpuQuarantine other = {.until_us = VGPU_QUARANTINE_FOREVER};
    vgpu_state_file_set_quarantine(file, DB, &other, forget_us);
    vgpu_state_file_free(file);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_null(strstr(text, WEB));
    assert_non_null(strstr(text, DB));
}

static void test_a_broken_file_is_set_aside(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"version\":2,\"quarantined\":{}}",
        "{\"version\":\"1\",\"quarantined\":{}}",
        "{\"version\":1}",
        "{\"version\":1,\"quarantined\":[]}",
        "{\"version\":1,\"quarantined\":{\"../web\":5}}",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":\"5\"}}",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":{}}}",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":5},\"",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":5},\"draining\":{}}",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":5},\"draining\":[1]}",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":5,\"x\":6}}",
        "{\"version\":1,\"quarantined\":{\"" WEB "\":5},\"offenders\":[]}",
        "{\"version\":1,\"quarantined\":{},\"offenders\":{\"" WEB "\":5}}",
        OFFENDER("65,\"forget\":1,\"reason\":\"\""),
        OFFENDER("-1,\"forget\":1,\"reason\":\"\""),
        OFFENDER("1,\"forget\":1,\"reason\":null"),
        OFFENDER("1,\"forget\":\"1\",\"reason\":\"\""),
        "{\"version\":1,\"quarantined\":{},\"draining\":[\"x\"],\"drain-reasons\":{\"x\":1}}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree char *kept = NULL;

        assert_true(g_file_set_contents(path, broken[i], -1, NULL));
        VgpuStateFile *file = vgpu_state_file_open(folder);
        assert_int_equal(until(file, WEB), 0);
        assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        assert_true(g_file_get_contents(aside, &kept, NULL, NULL));
        assert_string_equal(kept, broken[i]);
        set_until(file, WEB, 9999);
        vgpu_state_file_free(file);

        file = vgpu_state_file_open(folder);
        assert_int_equal(until(file, WEB), 9999);
        vgpu_state_file_free(file);
    }
}

/* What a former version wrote. */
static void test_old_file(void **state G_GNUC_UNUSED)
{
    const char *old = "{\"version\":1,\"quarantined\":{\"" WEB "\":5},\"draining\":[\"A/x\"]}";
    g_autofree char *reason = NULL;

    assert_true(g_file_set_contents(path, old, -1, NULL));
    VgpuStateFile *file = vgpu_state_file_open(folder);
    assert_int_equal(until(file, WEB), 5);
    assert_true(vgpu_state_file_draining(file, "A/x", &reason));
    assert_null(reason);
    vgpu_state_file_free(file);
}

static void expect_draining(const VgpuStateFile *file, const char *member, gboolean is,
                            const char *why)
{
    g_autofree char *reason = NULL;

    assert_int_equal(vgpu_state_file_draining(file, member, &reason), is);
    assert_true(g_strcmp0(reason, why) == 0);
}

static void test_draining(void **state)
{
    (void)state;
    VgpuStateFile *file = vgpu_state_file_open(folder);

    vgpu_state_file_set_draining(file, "A/left", FALSE, NULL);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    vgpu_state_file_set_draining(file, "A/left", TRUE, NULL);
    vgpu_state_file_set_draining(file, "B/\"x\"", TRUE, "it failed");
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    expect_draining(file, "A/left", TRUE, NULL);
    expect_draining(file, "B/\"x\"", TRUE, "it failed");
    expect_draining(file, "A/right", FALSE, NULL);
    vgpu_state_file_set_draining(file, "A/left", FALSE, NULL);
    vgpu_state_file_set_draining(file, "B/\"x\"", TRUE, NULL);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    expect_draining(file, "A/left", FALSE, NULL);
    expect_draining(file, "B/\"x\"", TRUE, NULL);
    vgpu_state_file_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_why_and_what_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_draining, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_file_is_set_aside, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
