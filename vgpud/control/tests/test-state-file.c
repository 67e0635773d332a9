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

static void test_survives(void **state)
{
    (void)state;
    VgpuStateFile *file = vgpu_state_file_open(folder);

    assert_int_equal(vgpu_state_file_quarantined(file, WEB, 0), 0);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS)); /* nothing to say, nothing written */
    vgpu_state_file_set_quarantined(file, WEB, 5000);
    vgpu_state_file_set_quarantined(file, DB, 7000);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    assert_int_equal(vgpu_state_file_quarantined(file, WEB, 4999), 5000);
    assert_int_equal(vgpu_state_file_quarantined(file, WEB, 5000), 0); /* over */
    vgpu_state_file_set_quarantined(file, WEB, 0);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    assert_int_equal(vgpu_state_file_quarantined(file, WEB, 1), 0);
    assert_int_equal(vgpu_state_file_quarantined(file, DB, 1), 7000);
    vgpu_state_file_free(file);
    assert_false(g_file_test(aside, G_FILE_TEST_EXISTS));
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
    };

    for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree char *kept = NULL;

        assert_true(g_file_set_contents(path, broken[i], -1, NULL));
        VgpuStateFile *file = vgpu_state_file_open(folder);
        assert_int_equal(vgpu_state_file_quarantined(file, WEB, 0), 0);
        assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        assert_true(g_file_get_contents(aside, &kept, NULL, NULL));
        assert_string_equal(kept, broken[i]);
        vgpu_state_file_set_quarantined(file, WEB, 9);
        vgpu_state_file_free(file);

        file = vgpu_state_file_open(folder);
        assert_int_equal(vgpu_state_file_quarantined(file, WEB, 0), 9);
        vgpu_state_file_free(file);
    }
}

static void test_draining(void **state)
{
    (void)state;
    VgpuStateFile *file = vgpu_state_file_open(folder);

    vgpu_state_file_set_draining(file, "A/left", FALSE);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    vgpu_state_file_set_draining(file, "A/left", TRUE);
    vgpu_state_file_set_draining(file, "B/\"x\"", TRUE);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    assert_true(vgpu_state_file_draining(file, "A/left"));
    assert_true(vgpu_state_file_draining(file, "B/\"x\""));
    assert_false(vgpu_state_file_draining(file, "A/right"));
    vgpu_state_file_set_draining(file, "A/left", FALSE);
    vgpu_state_file_free(file);

    file = vgpu_state_file_open(folder);
    assert_false(vgpu_state_file_draining(file, "A/left"));
    vgpu_state_file_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_draining, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_file_is_set_aside, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
