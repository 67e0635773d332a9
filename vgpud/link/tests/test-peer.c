/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = g_dir_make_tmp("vgpu-peer-XXXXXX", NULL);
    return folder == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    g_autofree char *path = g_build_filename(folder, "web.pid", NULL);

    g_unlink(path);
    int result = g_rmdir(folder);
    g_free(folder);
    return result;
}

static void write_pid_file(const char *text)
{
    g_autofree char *path = g_build_filename(folder, "web.pid", NULL);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void assert_not_proven(pid_t pid, const char *name, const char *expected)
{
    g_autoptr(GError) error = NULL;

    assert_int_equal(vgpu_peer_prove(pid, folder, name, &error), -1);
    if (strstr(error->message, expected) == NULL)
        fail_msg("'%s' is not in '%s'", expected, error->message);
}

static void test_the_kernel_names_the_peer(void **state)
{
    (void)state;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(vgpu_peer_pid(pair[0]), getpid());
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(vgpu_peer_pid(-1), 0);
}

static void test_the_pid_file_decides(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *own = g_strdup_printf("%d\n", (int)getpid());

    assert_not_proven(getpid(), "web", "web.pid"); /* there is none yet */
    write_pid_file(own);
    int pidfd = vgpu_peer_prove(getpid(), folder, "web", &error);
    assert_true(pidfd >= 0);
    close(pidfd);
    assert_not_proven(getppid(), "web", "libvirt says that its QEMU is process");
    assert_not_proven(0, "web", "gone");
    write_pid_file("no number");
    assert_not_proven(getpid(), "web", "web.pid: ");
    write_pid_file("99999999999999999999");
    assert_not_proven(getpid(), "web", "web.pid: ");
    assert_not_proven(getpid(), "../web", "no domain name");
}

static void test_the_pidfd_tells_the_end(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    int hold[2];
    pid_t found;

    assert_int_equal(pipe(hold), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(hold[1]);
        _exit((int)read(hold[0], &byte, 1));
    }
    close(hold[0]);
    g_autofree char *text = g_strdup_printf("%d", (int)child);
    write_pid_file(text);
    struct pollfd end = {.fd = vgpu_peer_find(folder, "web", &found, &error), .events = POLLIN};
    assert_true(end.fd >= 0);
    assert_int_equal(found, child);
    assert_int_equal(poll(&end, 1, 0), 0);
    close(hold[1]);
    assert_int_equal(poll(&end, 1, 10000), 1);
    close(end.fd);
    waitpid(child, NULL, 0);
    assert_int_equal(vgpu_peer_find(folder, "web", &found, &error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_kernel_names_the_peer),
        cmocka_unit_test(test_the_pid_file_decides),
        cmocka_unit_test(test_the_pidfd_tells_the_end),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
