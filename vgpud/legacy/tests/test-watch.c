/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "legacy-watch.h"

#define GUARD_MS 60000 /* a test that waits this long has failed */

typedef struct {
    char *base;
    GString *news; /* "+name" appeared, "-name" vanished, "name" changed; with blanks behind */
    guint changes;
    VgpuLegacyWatch *watch;
} Fixture;

static void on_appeared(const char *name, int dir, gpointer data)
{
    struct stat info;

    assert_int_equal(fstat(dir, &info), 0);
    g_string_append_printf(((Fixture *)data)->news, "+%s ", name);
}

static void on_changed(const char *name, gpointer data)
{
    Fixture *fixture = data;

    fixture->changes++;
    g_string_append_printf(fixture->news, "%s ", name);
}

static void on_vanished(const char *name, gpointer data)
{
    g_string_append_printf(((Fixture *)data)->news, "-%s ", name);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->base = g_dir_make_tmp("vgpu-legacy-XXXXXX", NULL);
    fixture->news = g_string_new(NULL);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->watch, vgpu_legacy_watch_free);
    g_autoptr(GSubprocess) rm =
        g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, NULL, "rm", "-rf", fixture->base, NULL);
    g_subprocess_wait(rm, NULL, NULL);
    g_string_free(fixture->news, TRUE);
    g_free(fixture->base);
    g_free(fixture);
    return 0;
}

static void begin(Fixture *fixture)
{
    static const VgpuLegacyWatchHandlers handlers = {on_appeared, on_changed, on_vanished};
    g_autoptr(GError) error = NULL;

    fixture->watch = vgpu_legacy_watch_new(fixture->base, &handlers, fixture, &error);
    assert_non_null(fixture->watch);
}

static char *in_base(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->base, name, NULL);
}

static void make(const Fixture *fixture, const char *name)
{
    g_autofree char *path = in_base(fixture, name);

    assert_int_equal(g_mkdir(path, 0777), 0);
}

static void put(const Fixture *fixture, const char *name)
{
    g_autofree char *path = in_base(fixture, name);
    FILE *file = g_fopen(path, "w");

    assert_non_null(file);
    fputs("x\n", file);
    fclose(file);
}

static gboolean on_guard(gpointer data G_GNUC_UNUSED)
{
    g_error("nothing happened for %d ms", GUARD_MS);
    return G_SOURCE_REMOVE;
}

/* All that there has been since the last time is @expected. inotify tells of it in order. */
static void expect(Fixture *fixture, const char *expected)
{
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);

    while (fixture->news->len < strlen(expected))
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
    assert_string_equal(fixture->news->str, expected);
    g_string_truncate(fixture->news, 0);
}

static void test_what_is_there(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *link = in_base(fixture, "link");

    make(fixture, "b");
    make(fixture, "a");
    make(fixture, ".hidden");
    put(fixture, "file");
    assert_int_equal(symlink("a", link), 0);
    begin(fixture);
    expect(fixture, "+a a +b b ");
}

static void test_what_comes_and_goes(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *a = in_base(fixture, "a");
    g_autofree char *b = in_base(fixture, "b");

    begin(fixture);
    make(fixture, "a");
    expect(fixture, "+a a ");
    put(fixture, "a/request.txt");
    expect(fixture, "a ");
    put(fixture, "a/response.txt"); /* nobody wants to know */
    assert_int_equal(g_rename(a, b), 0);
    expect(fixture, "-a +b b ");
    put(fixture, "b/request.txt");
    expect(fixture, "b ");
    put(fixture, "b/other");
    g_autofree char *other = in_base(fixture, "b/other");
    g_autofree char *request = in_base(fixture, "b/request.txt");
    assert_int_equal(g_rename(other, request), 0);
    expect(fixture, "b ");
    /* Another one of the same name. */
    assert_int_equal(g_rename(b, a), 0);
    make(fixture, "b");
    expect(fixture, "-b +a a +b b ");
}

static void test_a_file_that_stays_open(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = in_base(fixture, "a/request.txt");

    make(fixture, "a");
    begin(fixture);
    expect(fixture, "+a a ");
    FILE *file = g_fopen(path, "w");
    expect(fixture, "a ");
    fputs("x\n", file);
    fflush(file);
    expect(fixture, "a ");
    fclose(file);
}

static void test_the_base_goes(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *a = in_base(fixture, "a");

    make(fixture, "a");
    begin(fixture);
    expect(fixture, "+a a ");
    assert_int_equal(g_rmdir(a), 0);
    expect(fixture, "-a ");
    make(fixture, "b");
    expect(fixture, "+b b ");
    g_autofree char *elsewhere = g_strconcat(fixture->base, ".moved", NULL);
    assert_int_equal(g_rename(fixture->base, elsewhere), 0);
    expect(fixture, "-b ");
    assert_int_equal(g_rename(elsewhere, fixture->base), 0);
}

static void test_no_more_than_so_many(void **state)
{
    Fixture *fixture = *state;

    for (guint i = 0; i < VGPU_LEGACY_WATCH_MAX + 5; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);
        make(fixture, name);
    }
    begin(fixture);
    assert_int_equal(fixture->changes, VGPU_LEGACY_WATCH_MAX);
}

static void test_a_storm(void **state)
{
    Fixture *fixture = *state;
    const gint64 begin_us = g_get_monotonic_time();

    make(fixture, "a");
    make(fixture, "b");
    begin(fixture);
    for (guint i = 0; i < 5000; i++) {
        put(fixture, "a/request.txt");
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
    const double seconds = (double)(g_get_monotonic_time() - begin_us) / G_USEC_PER_SEC;
    /* A burst of 500, 500 in a second, and 10 looks at the end of a pause; however long it took. */
    assert_true(fixture->changes <= 2 + 500 + 1 + (guint)(seconds * (500 + 10)) + 1);

    /* The last write is seen, if late; and in between, another's at once. */
    g_string_truncate(fixture->news, 0);
    put(fixture, "a/request.txt");
    put(fixture, "b/request.txt");
    const char *last[] = {"b ", "a "};
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(last); i++)
        while (strstr(fixture->news->str, last[i]) == NULL)
            g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_there),          TEST(test_what_comes_and_goes),
        TEST(test_a_file_that_stays_open), TEST(test_the_base_goes),
        TEST(test_no_more_than_so_many),   TEST(test_a_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
