/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "bus-client.h"
#include "runner.h"

const char *runner_program;

int runner_set_up(void **state)
{
    Runner *runner = g_new0(Runner, 1);

    runner->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(runner->bus);
    runner->address = g_test_dbus_get_bus_address(runner->bus);
    runner->example = example_model_new();
    *state = runner;
    return 0;
}

int runner_tear_down(void **state)
{
    Runner *runner = *state;

    g_clear_pointer(&runner->service, vgpu_dbus_service_free);
    example_model_free(runner->example);
    g_test_dbus_stop(runner->bus);
    g_object_unref(runner->bus);
    g_free(runner->out);
    g_free(runner->err);
    g_free(runner);
    return 0;
}

void runner_start_service(Runner *runner)
{
    g_autoptr(GDBusConnection) client = bus_client_connect(runner->address);

    runner->service =
        vgpu_dbus_service_new(runner->address, &runner->example->model, &runner->example->actions);
    bus_client_await_name(client, TRUE);
}

GSubprocess *runner_spawn(Runner *runner, const char *arguments)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *line = g_strjoin(" ", runner_program, arguments, NULL);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    g_autoptr(GError) error = NULL;

    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", runner->address, TRUE);
    GSubprocess *process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    assert_null(error);
    return process;
}

static void on_finished(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    *(GAsyncResult **)user_data = g_object_ref(result);
}

static void await(GAsyncResult **result)
{
    while (*result == NULL)
        g_main_context_iteration(NULL, TRUE);
}

int runner_run(Runner *runner, const char *arguments)
{
    g_autoptr(GSubprocess) process = runner_spawn(runner, arguments);
    g_autoptr(GAsyncResult) result = NULL;

    g_subprocess_communicate_utf8_async(process, runner->input, NULL, on_finished, &result);
    await(&result);
    g_clear_pointer(&runner->out, g_free);
    g_clear_pointer(&runner->err, g_free);
    g_subprocess_communicate_utf8_finish(process, result, &runner->out, &runner->err, NULL);
    assert_true(g_subprocess_get_if_exited(process));
    return g_subprocess_get_exit_status(process);
}

char *runner_read_line(GDataInputStream *lines)
{
    g_autoptr(GAsyncResult) result = NULL;

    g_data_input_stream_read_line_async(lines, G_PRIORITY_DEFAULT, NULL, on_finished, &result);
    await(&result);
    return g_data_input_stream_read_line_finish_utf8(lines, result, NULL, NULL);
}

int runner_await(GSubprocess *process)
{
    g_autoptr(GAsyncResult) result = NULL;

    g_subprocess_wait_async(process, NULL, on_finished, &result);
    await(&result);
    assert_true(g_subprocess_get_if_exited(process));
    return g_subprocess_get_exit_status(process);
}

JsonNode *runner_parse_json(Runner *runner)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(runner->out, &error);

    assert_null(error);
    assert_true(g_str_has_suffix(runner->out, "\n"));
    return node;
}

void runner_assert_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}
