/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-socket.h"

static void on_connection(int fd, gpointer data)
{
    guint *connections = data;

    (*connections)++;
    close(fd);
}

static void test_life(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("vgpu-socket-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "vm.sock", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    guint connections = 0;
    GStatBuf st;

    assert_true(g_file_set_contents(path, "left by a dead vgpud", -1, NULL));
    VgpuDeviceSocket *server =
        vgpu_device_socket_new(path, getgid(), on_connection, &connections, &error);
    assert_non_null(server);
    assert_int_equal(g_stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0660);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    for (int i = 0; i < 3; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        char byte;

        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        while (connections == (guint)i)
            g_main_context_iteration(NULL, TRUE);
        assert_int_equal(read(client, &byte, 1), 0);
        close(client);
    }

    vgpu_device_socket_free(server);
    assert_int_equal(g_rmdir(folder), 0); /* nothing is left in it */
}

/* Without descriptors it waits and takes the connection later, instead of turning without end. */
static void test_no_descriptors(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("vgpu-socket-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "vm.sock", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct rlimit old, none;
    guint connections = 0, turns = 0;

    VgpuDeviceSocket *server =
        vgpu_device_socket_new(path, getgid(), on_connection, &connections, NULL);
    assert_non_null(server);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)client + 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (g_main_context_iteration(NULL, FALSE) && turns < 100)
        turns++;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(connections, 0);
    assert_in_range(turns, 1, 3);

    while (connections == 0)
        g_main_context_iteration(NULL, TRUE);
    close(client);
    vgpu_device_socket_free(server);
    assert_int_equal(g_rmdir(folder), 0);
}

static void test_a_path_that_is_too_long(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strnfill(108, 'x');

    assert_null(vgpu_device_socket_new(name, getgid(), on_connection, NULL, &error));
    assert_non_null(strstr(error->message, "longer than the 107 bytes"));
}

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;

    assert_null(
        vgpu_device_socket_new("/nonexistent/x.sock", getgid(), on_connection, NULL, &error));
    assert_non_null(strstr(error->message, "/nonexistent/x.sock"));
}

static void test_group(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    gid_t group = 12345;

    assert_true(vgpu_device_socket_group("root", &group, &error));
    assert_int_equal(group, 0);
    assert_false(vgpu_device_socket_group("no-such-group-here", &group, &error));
    assert_non_null(strstr(error->message, "no-such-group-here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_a_path_that_is_too_long),
        cmocka_unit_test(test_a_folder_that_is_not_there),
        cmocka_unit_test(test_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
