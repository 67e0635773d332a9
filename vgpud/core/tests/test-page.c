/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page.h"

static void test_both_sides_see_one_page(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    int fd;

    VgpuPage *ours = vgpu_page_create(&fd, &error);
    assert_non_null(ours);
    VgpuPage *theirs = vgpu_page_map(fd, &error);
    assert_non_null(theirs);
    const VgpuLimits limits = {{[VGPU_LIMIT_RATE] = 4000000000u, [VGPU_LIMIT_WEIGHT] = 3}};
    VgpuLimits read = {{0}};
    guint32 serial = 0;
    gboolean waits = FALSE;

    assert_false(vgpu_page_get_limits(theirs, &serial, &read, &waits));
    vgpu_page_set_limits(ours, &limits, TRUE);
    assert_true(vgpu_page_get_limits(theirs, &serial, &read, &waits));
    assert_true(vgpu_limits_equal(&read, &limits));
    assert_true(waits);
    assert_false(vgpu_page_get_limits(theirs, &serial, &read, &waits));
    atomic_fetch_add(&theirs->errors[VGPU_ERROR_TIMEOUT], 3);
    assert_int_equal(atomic_load(&ours->errors[VGPU_ERROR_TIMEOUT]), 3);
    /* Sealed: the worker cannot shrink it under vgpud. */
    assert_int_equal(ftruncate(fd, 0), -1);
    vgpu_page_unmap(theirs);
    vgpu_page_unmap(ours);
    close(fd);
}

static void test_a_wrong_page_is_refused(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;

    int fd = memfd_create("small", 0);
    assert_null(vgpu_page_map(fd, &error));
    assert_non_null(strstr(error->message, "too small"));
    g_clear_error(&error);
    assert_int_equal(ftruncate(fd, sizeof(VgpuPage)), 0);
    assert_null(vgpu_page_map(fd, &error));
    assert_non_null(strstr(error->message, "version"));
    close(fd);
}

static void test_text_is_cut_between_characters(void **state)
{
    (void)state;
    char field[VGPU_PAGE_TEXT_BYTES];
    g_autofree char *text = g_strnfill(VGPU_PAGE_TEXT_BYTES - 2, 'a');
    g_autofree char *longer = g_strconcat(text, "é", NULL); /* its second byte would not fit */

    vgpu_page_set_text(field, longer);
    assert_string_equal(field, text);
    vgpu_page_set_text(field, "one\nline");
    assert_string_equal(field, "one line");
}

static void test_hostile_text(void **state)
{
    (void)state;
    char field[VGPU_PAGE_TEXT_BYTES];

    memset(field, 0xff, sizeof(field)); /* no NUL, no UTF-8 */
    g_autofree char *text = vgpu_page_get_text(field);
    assert_true(g_utf8_validate(text, -1, NULL));
    g_strlcpy(field, "GPU\x1b[2J", sizeof(field));
    g_autofree char *escape = vgpu_page_get_text(field);
    assert_string_equal(escape, "GPU [2J");
}

static void test_buckets_of_waits(void **state)
{
    (void)state;
    assert_int_equal(vgpu_page_wait_bucket(0), 0);
    assert_int_equal(vgpu_page_wait_bucket(1000), 0);
    assert_int_equal(vgpu_page_wait_bucket(1001), 1);
    assert_int_equal(vgpu_page_wait_bucket(2000), 1);
    assert_int_equal(vgpu_page_wait_bucket(2001), 2);
    assert_int_equal(vgpu_page_wait_bucket(G_GUINT64_CONSTANT(1000) << 23), 23);
    assert_int_equal(vgpu_page_wait_bucket((G_GUINT64_CONSTANT(1000) << 23) + 1), 24);
    assert_int_equal(vgpu_page_wait_bucket(G_MAXUINT64), VGPU_PAGE_WAITS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides_see_one_page),
        cmocka_unit_test(test_a_wrong_page_is_refused),
        cmocka_unit_test(test_text_is_cut_between_characters),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_buckets_of_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
