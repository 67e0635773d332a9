/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hook server over its real socket: what it lets through, and what it does with the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook-server.h"
#include "vgpu-hook.h"

#define REQUEST "vgpu-hook 1 prepare begin\n"
#define NOBODY  65534

typedef struct {
    char *run_dir;
    char *path;
    VgpuHookServer *server;
    guint calls;         /* of the handler */
    const char *refusal; /* what it answers; NULL: go on */
    char *operation;     /* of the last call */
    char *sub_operation; /* of the last call */
    GString *xml;        /* of the last call */
} Fixture;

static guint warnings;

static GLogWriterOutput count_warnings(GLogLevelFlags level, const GLogField *fields G_GNUC_UNUSED,
                                       gsize n_fields G_GNUC_UNUSED,
                                       gpointer user_data G_GNUC_UNUSED)
{
    warnings += (level & G_LOG_LEVEL_WARNING) != 0;
    return G_LOG_WRITER_HANDLED;
}

static gboolean on_request(const VgpuHookRequest *request, GError **error, gpointer user_data)
{
    Fixture *fixture = user_data;

    fixture->calls++;
    g_free(fixture->operation);
    g_free(fixture->sub_operation);
    fixture->operation = g_strdup(request->operation);
    fixture->sub_operation = g_strdup(request->sub_operation);
    g_string_truncate(fixture->xml, 0);
    g_string_append_len(fixture->xml, request->xml, (gssize)request->xml_length);
    assert_int_equal(request->xml[request->xml_length], '\0');
    if (fixture->refusal == NULL)
        return TRUE;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, fixture->refusal);
    return FALSE;
}

static void start_server(Fixture *fixture, guint timeout_ms)
{
    g_autoptr(GError) error = NULL;

    fixture->server =
        vgpu_hook_server_new(fixture->run_dir, timeout_ms, on_request, fixture, &error);
    assert_null(error);
    assert_non_null(fixture->server);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->run_dir = g_dir_make_tmp("vgpud-hook-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->run_dir, VGPU_HOOK_SOCKET, NULL);
    fixture->xml = g_string_new(NULL);
    warnings = 0;
    *state = fixture;
    return fixture->run_dir == NULL;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->server, vgpu_hook_server_free);
    g_unlink(fixture->path);
    g_rmdir(fixture->run_dir);
    g_string_free(fixture->xml, TRUE);
    g_free(fixture->operation);
    g_free(fixture->sub_operation);
    g_free(fixture->path);
    g_free(fixture->run_dir);
    g_free(fixture);
    return 0;
}

/* The kernel completes a connection before the server accepts it, so this never waits. */
static int connect_client(const Fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, fixture->path, sizeof(address.sun_path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static gboolean set_flag(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
                         gpointer user_data)
{
    *(gboolean *)user_data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Runs the main loop, and so the server, until @fd is ready. */
static void await(int fd, GIOCondition condition)
{
    gboolean ready = FALSE;

    g_unix_fd_add(fd, condition, set_flag, &ready);
    while (!ready)
        g_main_context_iteration(NULL, TRUE);
}

/* Runs what is due and does not wait. */
static void settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* Returns FALSE when the server has closed the connection. */
static gboolean send_bytes(int fd, const char *bytes, gsize length)
{
    while (length > 0) {
        gssize sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            await(fd, G_IO_OUT);
            continue;
        }
        if (sent < 0)
            return FALSE;
        bytes += sent;
        length -= (gsize)sent;
    }
    return TRUE;
}

/* Everything that the server says until it closes; @fd is closed. */
static char *receive_all(int fd)
{
    GString *reply = g_string_new(NULL);
    char buffer[4096];

    for (;;) {
        await(fd, G_IO_IN | G_IO_HUP);
        gssize got = recv(fd, buffer, sizeof(buffer), 0);
        if (got <= 0)
            break;
        g_string_append_len(reply, buffer, got);
    }
    close(fd);
    return g_string_free(reply, FALSE);
}

static char *ask(const Fixture *fixture, const char *bytes, gsize length)
{
    int fd = connect_client(fixture);

    send_bytes(fd, bytes, length);
    shutdown(fd, SHUT_WR);
    return receive_all(fd);
}

static void assert_refused(const char *reply, const char *part)
{
    assert_true(g_str_has_prefix(reply, VGPU_HOOK_REFUSE));
    assert_true(g_str_has_suffix(reply, "\n"));
    assert_ptr_equal(strchr(reply, '\n'), reply + strlen(reply) - 1);
    assert_non_null(strstr(reply, part));
}

static void test_lets_through(void **state)
{
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    g_autofree char *reply = ask(fixture, REQUEST "<domain/>\n", strlen(REQUEST "<domain/>\n"));

    assert_string_equal(reply, "ok\n");
    assert_int_equal(fixture->calls, 1);
    assert_string_equal(fixture->operation, "prepare");
    assert_string_equal(fixture->sub_operation, "begin");
    assert_string_equal(fixture->xml->str, "<domain/>\n");
    assert_int_equal(warnings, 0);
}

static void test_takes_pieces(void **state)
{
    static const char text[] = REQUEST "<domain>\n</domain>";
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    int fd = connect_client(fixture);
    for (const char *c = text; *c != '\0'; c++) {
        send_bytes(fd, c, 1);
        settle();
    }
    assert_int_equal(fixture->calls, 0);
    shutdown(fd, SHUT_WR);
    g_autofree char *reply = receive_all(fd);

    assert_string_equal(reply, "ok\n");
    assert_string_equal(fixture->xml->str, "<domain>\n</domain>");
}

static void test_refuses_in_one_line(void **state)
{
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    fixture->refusal = "no pool\n\x1b[31m\xc2\x9bZ\xff here";
    g_autofree char *reply = ask(fixture, REQUEST, strlen(REQUEST));
    assert_string_equal(reply, "refuse no pool  [31m Z\xef\xbf\xbd here\n");

    /* Two bytes a character, so that the cut would fall into the middle of one. */
    g_autoptr(GString) text = g_string_new("x");
    while (text->len < 2 * VGPU_HOOK_MAX_TEXT)
        g_string_append(text, "\xc3\xa4");
    for (guint i = 0; i < 2; i++) {
        fixture->refusal = text->str + i; /* with the odd byte in front, and without */
        g_autofree char *cut = ask(fixture, REQUEST, strlen(REQUEST));
        assert_in_range(strlen(cut), VGPU_HOOK_MAX_TEXT - 1, VGPU_HOOK_MAX_TEXT);
        assert_true(g_utf8_validate(cut, -1, NULL));
        assert_refused(cut, "\xc3\xa4");
    }
    assert_int_equal(warnings, 0);
}

static void test_bounds_the_xml(void **state)
{
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);
    gsize length = strlen(REQUEST) + VGPU_HOOK_MAX_XML;
    g_autofree char *bytes = g_malloc(length + 1);

    memset(bytes, ' ', length + 1);
    memcpy(bytes, REQUEST, strlen(REQUEST));
    g_autofree char *longest = ask(fixture, bytes, length);
    assert_string_equal(longest, "ok\n");
    assert_int_equal(fixture->xml->len, VGPU_HOOK_MAX_XML);

    g_autofree char *too_long = ask(fixture, bytes, length + 1);
    assert_refused(too_long, "too long");
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(warnings, 1);
}

/* Refused as soon as it is clear, without waiting for the end of what may never end. */
static void test_garbage_is_refused_at_once(void **state)
{
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);
    g_autofree char *long_line = g_strnfill(VGPU_HOOK_MAX_LINE, 'a');
    memcpy(long_line, VGPU_HOOK_GREETING, strlen(VGPU_HOOK_GREETING));
    const struct {
        const char *bytes;
        const char *part;
    } cases[] = {
        {"GET / HTTP/1.0\r\n", "not a request"},
        {"vgpu-hook 2 prepare begin\n", "version 1"},
        {"x", "not a request"},
        {long_line, "first line is too long"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fd = connect_client(fixture);
        send_bytes(fd, cases[i].bytes, strlen(cases[i].bytes));
        g_autofree char *reply = receive_all(fd);
        assert_refused(reply, cases[i].part);
        assert_int_equal(warnings, i + 1);
    }
    assert_int_equal(fixture->calls, 0);
}

static void test_bad_requests(void **state)
{
    static const char *const lines[] = {
        "",
        "vgpu-hook 1 prepare begin",
        "vgpu-hook 1 prepare\n",
        "vgpu-hook 1 prepare  begin\n",
        "vgpu-hook 1 prepare begin more\n",
        "vgpu-hook 1 Prepare begin\n",
        "vgpu-hook 1 prepare begin\r\n",
        "vgpu-hook 1 ../x begin\n",
        "vgpu-hook 1 \n",
    };
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *reply = ask(fixture, lines[i], strlen(lines[i]));
        assert_refused(reply, "OPERATION SUB-OPERATION");
    }
    g_autofree char *in_line = ask(fixture, "vgpu-hook 1 pre\0pare begin\n", 27);
    assert_refused(in_line, "OPERATION SUB-OPERATION");
    g_autofree char *in_xml = ask(fixture, REQUEST "<a>\0</a>", strlen(REQUEST) + 8);
    assert_refused(in_xml, "NUL");
    assert_int_equal(fixture->calls, 0);
}

static void test_slow_client(void **state)
{
    Fixture *fixture = *state;
    start_server(fixture, 100);

    int slow = connect_client(fixture);
    send_bytes(slow, REQUEST "<domain>", strlen(REQUEST "<domain>"));
    settle();
    g_autofree char *other = ask(fixture, REQUEST, strlen(REQUEST));
    assert_string_equal(other, "ok\n");
    g_autofree char *reply = receive_all(slow);
    assert_refused(reply, "in time");
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(warnings, 1);
}

/* More of them than there are places, so that none may be kept. */
static void test_clients_that_do_not_wait(void **state)
{
    Fixture *fixture = *state;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    for (guint i = 0; i <= VGPU_HOOK_SERVER_MAX_CLIENTS; i++) {
        int fd = connect_client(fixture);
        send_bytes(fd, REQUEST, strlen(REQUEST));
        close(fd);
        while (fixture->calls == i)
            g_main_context_iteration(NULL, TRUE);
    }
    g_autofree char *reply = ask(fixture, REQUEST, strlen(REQUEST));
    assert_string_equal(reply, "ok\n");
}

static void test_many_clients(void **state)
{
    Fixture *fixture = *state;
    int idle[VGPU_HOOK_SERVER_MAX_CLIENTS];
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    for (guint i = 0; i < G_N_ELEMENTS(idle); i++)
        idle[i] = connect_client(fixture);
    settle();
    int late = connect_client(fixture);
    send_bytes(late, REQUEST, strlen(REQUEST));
    shutdown(late, SHUT_WR);
    settle();
    assert_int_equal(fixture->calls, 0);

    for (guint i = 0; i < G_N_ELEMENTS(idle); i++) {
        send_bytes(idle[i], REQUEST, strlen(REQUEST));
        shutdown(idle[i], SHUT_WR);
        g_autofree char *reply = receive_all(idle[i]);
        assert_string_equal(reply, "ok\n");
    }
    g_autofree char *reply = receive_all(late);
    assert_string_equal(reply, "ok\n");
    assert_int_equal(fixture->calls, G_N_ELEMENTS(idle) + 1);
}

static void test_second_server(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);

    assert_null(vgpu_hook_server_new(fixture->run_dir, VGPU_HOOK_SERVER_TIMEOUT_MS, on_request,
                                     fixture, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE));
    assert_non_null(strstr(error->message, "another vgpud"));
    g_autofree char *reply = ask(fixture, REQUEST, strlen(REQUEST));
    assert_string_equal(reply, "ok\n");
}

static void test_socket_file(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    struct stat st;

    /* What a killed vgpud leaves. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    g_strlcpy(address.sun_path, fixture->path, sizeof(address.sun_path));
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);

    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);
    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0600);
    g_autofree char *reply = ask(fixture, REQUEST, strlen(REQUEST));
    assert_string_equal(reply, "ok\n");

    g_clear_pointer(&fixture->server, vgpu_hook_server_free);
    assert_int_equal(access(fixture->path, F_OK), -1);

    assert_true(g_file_set_contents(fixture->path, "mine", -1, NULL));
    assert_null(vgpu_hook_server_new(fixture->run_dir, VGPU_HOOK_SERVER_TIMEOUT_MS, on_request,
                                     fixture, &error));
    assert_non_null(strstr(error->message, "not a socket"));
    assert_int_equal(access(fixture->path, F_OK), 0);
}

static void test_bad_run_dir(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *missing = g_build_filename(fixture->run_dir, "no", NULL);
    g_autofree char *name = g_strnfill(120, 'd');
    g_autofree char *deep = g_build_filename(fixture->run_dir, name, NULL);
    g_autoptr(GError) not_found = NULL;
    g_autoptr(GError) too_long = NULL;

    assert_null(vgpu_hook_server_new(missing, 1000, on_request, fixture, &not_found));
    assert_true(g_error_matches(not_found, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
    assert_int_equal(g_mkdir(deep, 0700), 0);
    assert_null(vgpu_hook_server_new(deep, 1000, on_request, fixture, &too_long));
    g_rmdir(deep);
    assert_non_null(strstr(too_long->message, "too long"));
}

/* The mode keeps others out; so does the server when the mode is wrong. */
static void test_only_root(void **state)
{
    Fixture *fixture = *state;
    int done[2];

    if (geteuid() != 0)
        skip();
    start_server(fixture, VGPU_HOOK_SERVER_TIMEOUT_MS);
    assert_int_equal(chmod(fixture->run_dir, 0755), 0);
    assert_int_equal(chmod(fixture->path, 0666), 0);
    assert_int_equal(pipe(done), 0);

    pid_t child = fork();
    if (child == 0) {
        char byte;
        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
            _exit(2);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        g_strlcpy(address.sun_path, fixture->path, sizeof(address.sun_path));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            _exit(3);
        send(fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        _exit(recv(fd, &byte, 1, 0) > 0 ? 4 : 0);
    }
    close(done[1]);
    await(done[0], G_IO_HUP);
    close(done[0]);

    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(fixture->calls, 0);
    assert_int_equal(warnings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lets_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_takes_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_in_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds_the_xml, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage_is_refused_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clients_that_do_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_run_dir, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_root, set_up, tear_down),
    };

    g_log_set_writer_func(count_warnings, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
