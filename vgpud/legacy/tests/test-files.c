/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory as a guest fills it, well or badly meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "legacy-files.h"

typedef struct {
    char *outer;  /* what the guest must not reach */
    char *folder; /* the guest's */
    int dir;
    VgpuLegacyTaken taken;
    GError *error;
} Fixture;

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->outer = g_dir_make_tmp("vgpu-legacy-XXXXXX", NULL);
    fixture->folder = g_build_filename(fixture->outer, "vm1", NULL);
    g_mkdir(fixture->folder, 0777);
    fixture->dir = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = fixture;
    return fixture->dir >= 0 ? 0 : -1;
}

static void remove_tree(const char *path)
{
    g_autoptr(GSubprocess) rm =
        g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, NULL, "rm", "-rf", path, NULL);

    g_subprocess_wait(rm, NULL, NULL);
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    close(fixture->dir);
    remove_tree(fixture->outer);
    g_clear_error(&fixture->error);
    g_free(fixture->folder);
    g_free(fixture->outer);
    g_free(fixture);
    return 0;
}

static void put(const Fixture *fixture, const char *name, const char *text)
{
    const int fd = openat(fixture->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static char *in_folder(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->folder, name, NULL);
}

/* What a file says; NULL: it is not there. Links are followed: tests look where they lead. */
static char *get(const Fixture *fixture, const char *name)
{
    g_autofree char *path = in_folder(fixture, name);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static gboolean is_there(const Fixture *fixture, const char *name)
{
    struct stat info;

    return fstatat(fixture->dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

static VgpuLegacyFilesResult take(Fixture *fixture)
{
    g_clear_error(&fixture->error);
    return vgpu_legacy_files_take(fixture->dir, &fixture->taken, &fixture->error);
}

static gboolean answer(Fixture *fixture, const char *text)
{
    g_clear_error(&fixture->error);
    return vgpu_legacy_files_answer(fixture->dir, &fixture->taken, text, &fixture->error);
}

static void test_nothing(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_NONE);
    put(fixture, "request.txt", "");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_NONE);
}

static void test_partial_then_whole(void **state)
{
    Fixture *fixture = *state;

    put(fixture, "response.txt", "of before\n");
    put(fixture, "request.txt", "A:1:3:2");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_NONE);
    assert_true(is_there(fixture, "request.txt"));
    assert_true(is_there(fixture, "response.txt"));
    put(fixture, "request.txt", "A:1:3:20:22\n");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_true(fixture->taken.is_valid);
    assert_int_equal(fixture->taken.line.numbers[0], 20);
    assert_false(is_there(fixture, "request.txt"));
    assert_false(is_there(fixture, "response.txt"));
}

static void test_taken_once(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *kept = NULL;

    put(fixture, "request.txt", "A:1:3:20:22\n");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_NONE);
    kept = get(fixture, ".request.taken");
    assert_string_equal(kept, "A:1:3:20:22\n");
    put(fixture, "request.txt", "A:1:3:1:1\n");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_int_equal(fixture->taken.line.numbers[0], 1);
}

static void test_who_still_holds_the_file_writes_into_nothing(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = in_folder(fixture, "request.txt");
    const int late = (put(fixture, "request.txt", "A:1:3:20:22\n"), open(path, O_WRONLY));

    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_int_equal(write(late, "B:1:3:1:1\n", 10), 10);
    close(late);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_NONE);
    assert_int_equal(fixture->taken.line.pool, 'A');
}

static void test_malformed_is_taken(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *huge = g_strnfill(1 << 20, 'A');

    put(fixture, "request.txt", "nonsense\n");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_false(fixture->taken.is_valid);
    put(fixture, "request.txt", huge);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_false(fixture->taken.is_valid);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_NONE);
}

static void test_response(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = in_folder(fixture, "request.txt");
    g_autofree char *response = in_folder(fixture, "response.txt");
    struct stat info;

    put(fixture, "request.txt", "A:1:3:20:22\n");
    assert_int_equal(chown(path, 4711, 4712), 0);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_true(answer(fixture, "42\n"));
    g_autofree char *text = get(fixture, "response.txt");
    assert_string_equal(text, "42\n");
    assert_int_equal(stat(response, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0644);
    assert_int_equal(info.st_uid, 4711);
    assert_int_equal(info.st_gid, 4712);
    assert_false(is_there(fixture, ".response.new"));
}

static void test_a_request_that_was_given_up(void **state)
{
    Fixture *fixture = *state;

    put(fixture, "request.txt", "A:1:3:20:22\n");
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    put(fixture, "request.txt", "A:1:3:1:");
    assert_true(answer(fixture, "42\n"));
    assert_false(is_there(fixture, "response.txt"));
}

/* What is put in the place of request.txt, and is not a file. */
static void expect_refused(Fixture *fixture)
{
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_FAILED);
    assert_string_equal(fixture->error->message, "request.txt is not a regular file");
    assert_true(is_there(fixture, "request.txt"));
    assert_false(is_there(fixture, ".request.taken"));
}

static void test_no_file_at_all(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = in_folder(fixture, "request.txt");
    g_autofree char *secret = g_build_filename(fixture->outer, "secret", NULL);

    assert_true(g_file_set_contents(secret, "A:1:3:20:22\n", -1, NULL));
    assert_int_equal(symlink("../secret", path), 0);
    expect_refused(fixture);
    g_unlink(path);
    assert_int_equal(symlink("nowhere", path), 0);
    expect_refused(fixture);
    g_unlink(path);
    assert_int_equal(mkfifo(path, 0666), 0);
    expect_refused(fixture); /* and nobody waits for a writer */
    g_unlink(path);
    g_mkdir(path, 0777);
    expect_refused(fixture);
    g_rmdir(path);
    if (mknod(path, S_IFCHR | 0666, makedev(1, 5)) == 0) /* /dev/zero */
        expect_refused(fixture);
}

/* rename(2) does nothing where both names are one file: it would be a request for ever. */
static void test_one_file_by_both_names(void **state)
{
    Fixture *fixture = *state;

    put(fixture, "request.txt", "A:1:3:20:22\n");
    assert_int_equal(linkat(fixture->dir, "request.txt", fixture->dir, ".request.taken", 0), 0);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_FAILED);
    assert_non_null(strstr(fixture->error->message, "cannot take away request.txt"));
}

static void test_folders_in_the_way(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *taken = in_folder(fixture, ".request.taken");
    g_autofree char *response = in_folder(fixture, "response.txt");
    g_autofree char *new = in_folder(fixture, ".response.new");

    put(fixture, "request.txt", "A:1:3:20:22\n");
    g_mkdir(taken, 0777);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_FAILED);
    g_rmdir(taken);
    g_mkdir(response, 0777);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_false(answer(fixture, "42\n"));
    assert_non_null(strstr(fixture->error->message, "cannot write response.txt"));
    assert_false(is_there(fixture, ".response.new"));
    g_rmdir(response);
    g_mkdir(new, 0777);
    assert_false(answer(fixture, "42\n"));
    g_rmdir(new);
    assert_true(answer(fixture, "42\n"));
}

static void test_links_are_replaced_not_followed(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *secret = g_build_filename(fixture->outer, "secret", NULL);

    assert_true(g_file_set_contents(secret, "of the host", -1, NULL));
    put(fixture, "request.txt", "A:1:3:20:22\n");
    assert_int_equal(symlinkat("../secret", fixture->dir, ".request.taken"), 0);
    assert_int_equal(symlinkat("../secret", fixture->dir, "response.txt"), 0);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
    assert_true(fixture->taken.is_valid);
    assert_int_equal(symlinkat("../secret", fixture->dir, "response.txt"), 0);
    assert_int_equal(symlinkat("../secret", fixture->dir, ".response.new"), 0);
    assert_true(answer(fixture, "42\n"));

    g_autofree char *text = get(fixture, "response.txt");
    assert_string_equal(text, "42\n");
    g_autofree char *outside = NULL;
    assert_true(g_file_get_contents(secret, &outside, NULL, NULL));
    assert_string_equal(outside, "of the host");
}

/* As an NFS client with a delegation has one: whoever opens the file must not wait for it. */
static void test_a_lease(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = in_folder(fixture, "request.txt");

    put(fixture, "request.txt", "A:1:3:20:22\n");
    const int holder = open(path, O_RDWR | O_CLOEXEC);
    signal(SIGIO, SIG_IGN);
    if (fcntl(holder, F_SETLEASE, F_WRLCK) < 0) {
        close(holder);
        print_message("no leases on this file system: %s\n", strerror(errno));
        return;
    }
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_AGAIN);
    assert_int_equal(fcntl(holder, F_SETLEASE, F_UNLCK), 0);
    close(holder);
    assert_int_equal(take(fixture), VGPU_LEGACY_FILES_TAKEN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),
        TEST(test_partial_then_whole),
        TEST(test_taken_once),
        TEST(test_who_still_holds_the_file_writes_into_nothing),
        TEST(test_malformed_is_taken),
        TEST(test_response),
        TEST(test_a_request_that_was_given_up),
        TEST(test_no_file_at_all),
        TEST(test_one_file_by_both_names),
        TEST(test_folders_in_the_way),
        TEST(test_links_are_replaced_not_followed),
        TEST(test_a_lease),
    };

    if (geteuid() != 0) {
        print_message("skipped: files of other users need root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
