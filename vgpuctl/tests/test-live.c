/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events --follow and top: what goes on, in a pipe and in a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <glib-unix.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runner.h"

#define OTHER_SCREEN "\x1b[?1049h"
#define OWN_SCREEN   "\x1b[?1049l"

static void assert_line(GDataInputStream *lines, const char *part)
{
    g_autofree char *line = runner_read_line(lines);

    assert_non_null(line);
    runner_assert_in(line, part);
}

static void test_quarantine_and_breaker(void **state)
{
    Runner *runner = *state;
    VgpuSession *web = runner->example->serving;
    const char *const members[] = {"A/gpu0", "B/gpu\033", NULL};

    runner_start_service(runner);
    vgpu_quarantine_order(&web->quarantine, VGPU_QUARANTINE_FOREVER, "by an operator");
    web->worker_pid = 0;
    vgpu_session_set_state(web, VGPU_SESSION_QUARANTINED);
    vgpu_dbus_service_device_drained(runner->service, "opencl:0:0", members, "it failed");
    assert_int_equal(runner_run(runner, "events"), 0);
    runner_assert_in(runner->out,
                     "  quarantined   web: pool A, gpu0, high, quarantined until it is "
                     "released: by an operator\n");
    runner_assert_in(runner->out, "  device-drained  opencl:0:0: A/gpu0, B/gpu\\x1b: it failed\n");
    assert_int_equal(runner_run(runner, "list"), 0);
    runner_assert_in(runner->out, " quarantined ");
}

static void test_past_events(void **state)
{
    Runner *runner = *state;

    runner_start_service(runner);
    assert_int_equal(runner_run(runner, "events"), 0);
    runner_assert_in(runner->out, "  started       db: pool B, no place, low, reserved\n");
    runner_assert_in(runner->out,
                     "  started       web: pool A, gpu0, high, serving, worker 1250\n");
    assert_int_equal(runner_run(runner, "events --json"), 0);
    g_auto(GStrv) lines = g_strsplit(runner->out, "\n", -1);
    assert_int_equal(g_strv_length(lines), 3); /* one line for each; the last is empty */
    g_autoptr(JsonNode) node = json_from_string(lines[1], NULL);
    JsonObject *event = json_node_get_object(node);
    assert_string_equal(json_object_get_string_member(event, "kind"), "started");
    assert_string_equal(json_object_get_string_member(event, "uuid"), EXAMPLE_UUID);
    assert_int_equal(json_object_get_int_member(event, "serial"), 2);
}

static void test_follow(void **state)
{
    Runner *runner = *state;
    VgpuSession *web = runner->example->serving;

    runner_start_service(runner);
    g_autoptr(GSubprocess) process = runner_spawn(runner, "events --follow");
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    assert_line(lines, "  started       db:");
    assert_line(lines, "  started       web:");
    g_free(web->name);
    web->name = g_strdup("w\x1b[2J");
    web->priority = VGPU_PRIORITY_LOW;
    vgpu_session_changed(web);
    assert_line(lines, "  changed       w\\x1b[2J: pool A, gpu0, low, serving, worker 1250");
    vgpu_session_set_state(web, VGPU_SESSION_RESERVED);
    assert_line(lines, "  disconnected  ");
    vgpu_sessions_remove(runner->example->sessions, EXAMPLE_UUID);
    assert_line(lines, "  ended         ");

    /* It ends when vgpud does, and says so. */
    g_clear_pointer(&runner->service, vgpu_dbus_service_free);
    assert_int_equal(runner_await(process), 3);
    g_autofree char *rest = runner_read_line(lines);
    assert_null(rest);
    g_autoptr(GDataInputStream) errors =
        g_data_input_stream_new(g_subprocess_get_stderr_pipe(process));
    assert_line(errors, "vgpuctl: vgpud has ended");
}

static gboolean on_change(gpointer user_data)
{
    VgpuSession *session = user_data;

    session->priority =
        session->priority == VGPU_PRIORITY_LOW ? VGPU_PRIORITY_HIGH : VGPU_PRIORITY_LOW;
    vgpu_session_changed(session);
    return G_SOURCE_CONTINUE;
}

/* Between what is remembered and what comes, nothing is lost and nothing comes twice. */
static void test_follow_without_a_gap(void **state)
{
    Runner *runner = *state;

    runner_start_service(runner);
    g_autoptr(GSubprocess) process = runner_spawn(runner, "events --follow --json");
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    guint source = g_timeout_add(1, on_change, runner->example->serving);
    gint64 last = 0;

    for (guint i = 0; i < 400; i++) {
        g_autofree char *line = runner_read_line(lines);
        assert_non_null(line);
        g_autoptr(JsonNode) node = json_from_string(line, NULL);
        gint64 serial = json_object_get_int_member(json_node_get_object(node), "serial");
        assert_true(i == 0 || serial == last + 1);
        last = serial;
    }
    g_source_remove(source);
    g_subprocess_force_exit(process);
    g_subprocess_wait(process, NULL, NULL);
}

static void test_plain_top(void **state)
{
    Runner *runner = *state;

    runner_start_service(runner);
    assert_int_equal(runner_run(runner, "top --interval 0.1"), 0);
    runner_assert_in(runner->out, "VM   POOL  PRIORITY  STATE     REQ/S");
    runner_assert_in(runner->out, "web  A     high      serving     0.0");
    assert_null(strchr(runner->out, '\x1b'));
    assert_int_equal(runner_run(runner, "top --interval 0.1 -n 3"), 0);
    g_auto(GStrv) tables = g_strsplit(runner->out, "\n\n", -1);
    assert_int_equal(g_strv_length(tables), 3);

    assert_int_equal(runner_run(runner, "top --json --interval 0.1"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    JsonObject *object = json_node_get_object(node);
    JsonArray *vms = json_object_get_array_member(object, "vms");
    assert_int_equal(json_array_get_length(vms), 2);
    assert_true(json_object_has_member(json_array_get_object_element(vms, 0), "busy"));
    assert_true(json_object_get_int_member(object, "time-us") > 0);
    assert_int_equal(runner_run(runner, "top --json --interval 0.1 --count 2"), 0);
    g_auto(GStrv) lines = g_strsplit(runner->out, "\n", -1);
    assert_int_equal(g_strv_length(lines), 3);
}

/* vgpuctl in a terminal of 40 columns and 4 lines. */
typedef struct {
    pid_t pid;
    int fd; /* the terminal's other end */
    GString *screen;
} Terminal;

static Terminal open_terminal(Runner *runner, const char *interval)
{
    const struct winsize size = {.ws_row = 4, .ws_col = 40};
    Terminal terminal = {.screen = g_string_new(NULL)};

    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", runner->address, TRUE);
    terminal.pid = forkpty(&terminal.fd, NULL, NULL, &size);
    assert_true(terminal.pid >= 0);
    if (terminal.pid == 0) {
        execl(runner_program, runner_program, "top", "--interval", interval, NULL);
        _exit(127);
    }
    return terminal;
}

static gboolean on_output(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer user_data)
{
    Terminal *terminal = user_data;
    char buffer[4096];
    ssize_t count = read(fd, buffer, sizeof(buffer));

    if (count > 0)
        g_string_append_len(terminal->screen, buffer, count);
    else
        g_string_append(terminal->screen, "<closed>"); /* EIO: the program has ended */
    return count > 0;
}

/* Runs the main loop until @text was shown after the @times-th time. */
static void await_text(Terminal *terminal, const char *text, guint times)
{
    guint source = g_unix_fd_add(terminal->fd, G_IO_IN | G_IO_HUP, on_output, terminal);

    for (;;) {
        guint seen = 0;
        for (const char *c = terminal->screen->str; (c = strstr(c, text)) != NULL; c++)
            seen++;
        if (seen >= times)
            break;
        if (strstr(terminal->screen->str, "<closed>") != NULL)
            fail_msg("\"%s\" is not %u times in:\n%s", text, times, terminal->screen->str);
        g_main_context_iteration(NULL, TRUE);
    }
    if (strstr(terminal->screen->str, "<closed>") == NULL)
        g_source_remove(source);
}

static gboolean is_cooked(const Terminal *terminal)
{
    struct termios now;

    assert_int_equal(tcgetattr(terminal->fd, &now), 0);
    return (now.c_lflag & (ICANON | ECHO)) == (ICANON | ECHO);
}

/* The program has ended by itself with @status, and the terminal is as it was. */
static void close_terminal(Terminal *terminal, int expected)
{
    int status;

    await_text(terminal, OWN_SCREEN, 1);
    await_text(terminal, "<closed>", 1);
    assert_int_equal(waitpid(terminal->pid, &status, 0), terminal->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
    assert_true(is_cooked(terminal));
    close(terminal->fd);
    g_string_free(terminal->screen, TRUE);
}

static void test_terminal(void **state)
{
    Runner *runner = *state;

    runner_start_service(runner);
    g_free(runner->example->waiting->name);
    runner->example->waiting->name = g_strdup("z\x1b[2J");
    Terminal terminal = open_terminal(runner, "0.1");
    await_text(&terminal, "vgpuctl top ", 2); /* it refreshes */
    assert_true(g_str_has_prefix(terminal.screen->str, OTHER_SCREEN));
    assert_false(is_cooked(&terminal));
    assert_null(strstr(terminal.screen->str, "\x1b[2J"));
    /* 4 lines of 40 columns: they are cut, and of two VMs one fits. */
    runner_assert_in(terminal.screen->str, "VM        POOL  PRIORITY  STATE     R...\x1b[K");
    assert_non_null(strstr(terminal.screen->str, "web"));
    assert_null(strstr(terminal.screen->str, "z\\x1b[2J  B"));
    assert_int_equal(write(terminal.fd, "xq", 2), 2);
    close_terminal(&terminal, 0);
}

/* Another size, another picture, at once. */
static void test_resize(void **state)
{
    const struct winsize size = {.ws_row = 30, .ws_col = 120};
    Runner *runner = *state;

    runner_start_service(runner);
    Terminal terminal = open_terminal(runner, "3600");
    await_text(&terminal, "db ", 1);
    assert_null(strstr(terminal.screen->str, "q ends it"));
    assert_int_equal(ioctl(terminal.fd, TIOCSWINSZ, &size), 0);
    await_text(&terminal, "web  A", 1);
    runner_assert_in(terminal.screen->str, "q ends it");
    assert_int_equal(write(terminal.fd, "q", 1), 1);
    close_terminal(&terminal, 0);
}

static void test_signals_restore_the_terminal(void **state)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    Runner *runner = *state;

    runner_start_service(runner);
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        Terminal terminal = open_terminal(runner, "3600");
        await_text(&terminal, "db ", 1);
        assert_int_equal(kill(terminal.pid, numbers[i]), 0);
        close_terminal(&terminal, 0);
    }
}

static void test_terminal_without_vgpud(void **state)
{
    Runner *runner = *state;

    runner_start_service(runner);
    Terminal terminal = open_terminal(runner, "0.1");
    await_text(&terminal, "db ", 1);
    g_clear_pointer(&runner->service, vgpu_dbus_service_free);
    await_text(&terminal, "vgpud is not running", 1);
    close_terminal(&terminal, 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quarantine_and_breaker, runner_set_up,
                                        runner_tear_down),
        cmocka_unit_test_setup_teardown(test_past_events, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_follow, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_follow_without_a_gap, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_plain_top, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_terminal, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_resize, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_signals_restore_the_terminal, runner_set_up,
                                        runner_tear_down),
        cmocka_unit_test_setup_teardown(test_terminal_without_vgpud, runner_set_up,
                                        runner_tear_down),
    };

    if (argc != 2)
        return 2;
    runner_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
