/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set, attach, detach, inject: what vgpuctl asks for, and who may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus-client.h"
#include "runner.h"

static const char *policy; /* data/org.vgpud1.conf */
static const char *polkit; /* tests/fake/fake-polkit */

/* What the service was asked for by the last run. */
static void assert_asked(Runner *runner, const char *asked)
{
    assert_string_equal(runner->example->asked->str, asked);
    g_string_truncate(runner->example->asked, 0);
}

static void test_changes(void **state)
{
    static const struct {
        const char *arguments, *asked;
    } cases[] = {
        {"set web --pool B", "set " EXAMPLE_UUID " B high\n"},
        {"set 3 --memory-mib 512 --weight 200 --device-time-percent 25",
         "set " EXAMPLE_UUID " A high device-time-percent 25 memory-mib 512 weight 200\n"},
        {"set 3 --requests-per-second 50 --burst 5", "set " EXAMPLE_UUID " A high 50/s burst 5\n"},
        {"set 3 --priority low", "set " EXAMPLE_UUID " A low\n"},
        {"attach mail --pool A", "set mail A medium\n"},
        {"attach --priority high --pool B mail", "set mail B high\n"},
        {"attach --all", "attach-all\n"},
        {"reload", "reload\n"},
        {"drain A/gpu0", "drain A/gpu0\n"},
        {"undrain A/gpu0", "undrain A/gpu0\n"},
        {"move web", "move web to ''\n"},
        {"move web gpu1 --force", "move web to 'gpu1' by force\n"},
        {"quarantine web", "quarantine web for 0\n"},
        {"quarantine --for 90 3", "quarantine web for 90\n"},
        {"release web", "release web\n"},
        {"detach mail", "remove mail\n"},
        {"detach --all", "detach-all\n"},
        {"detach -- --all", "remove --all\n"},
    };
    Runner *runner = *state;

    runner_start_service(runner);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_int_equal(runner_run(runner, cases[i].arguments), 0);
        assert_asked(runner, cases[i].asked);
        assert_string_equal(runner->out, "");
        assert_string_equal(runner->err, "");
    }
    assert_int_equal(runner_run(runner, "--json detach mail"), 0);
    assert_string_equal(runner->out, "{}\n");
}

static void test_refusals(void **state)
{
    Runner *runner = *state;

    assert_int_equal(runner_run(runner, "detach mail"), 3);
    runner_start_service(runner);
    assert_int_equal(runner_run(runner, "set web --pool Z"), 1);
    runner_assert_in(runner->err, "vgpuctl: there is no pool \"Z\"; there are: A, B\n");
    assert_int_equal(runner_run(runner, "quarantine web --for 0"), 2);
    runner_assert_in(runner->err, "--for takes a whole number");
    assert_int_equal(runner_run(runner, "quarantine web --for 5000000"), 1);
    runner_assert_in(runner->err, "is too long");
    assert_int_equal(runner_run(runner, "release web --for 5"), 2);
    assert_int_equal(runner_run(runner, "set nobody --pool A"), 1);
    runner_assert_in(runner->err, "there is no running VM \"nobody\"");
    assert_asked(runner, "");
    runner->example->failure = "domain 'mail' is just starting\x1b[2J";
    assert_int_equal(runner_run(runner, "attach mail --pool A"), 1);
    assert_string_equal(runner->err, "vgpuctl: domain 'mail' is just starting\\x1b[2J\n");
    assert_string_equal(runner->out, "");
}

static void test_inject(void **state)
{
    Runner *runner = *state;
    g_autofree char *much = g_strnfill((8u << 20) + 1, 'x');

    runner_start_service(runner);
    runner->input = "<domain>\n  <name>ä</name>\n</domain>\n";
    assert_int_equal(runner_run(runner, "inject"), 0);
    assert_string_equal(runner->out, "<domain>\n  <name>ä</name>\n</domain>\n<!-- injected -->\n");
    assert_int_equal(runner_run(runner, "inject --json"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    runner_assert_in(json_object_get_string_member(json_node_get_object(node), "xml"),
                     "<name>ä</name>");

    runner->example->failure = "the domain has no vgpu element";
    assert_int_equal(runner_run(runner, "inject"), 1);
    assert_string_equal(runner->out, "");
    assert_string_equal(runner->err, "vgpuctl: the domain has no vgpu element\n");
    runner->input = "\xe4";
    assert_int_equal(runner_run(runner, "inject"), 1);
    runner_assert_in(runner->err, "not UTF-8");
    runner->input = much;
    assert_int_equal(runner_run(runner, "inject"), 1);
    runner_assert_in(runner->err, "more than 8 MiB");
}

/* A bus like the system's, with vgpud as root, and vgpuctl run by nobody. */
typedef struct {
    Runner *runner;
    char *folder;
    char *address;
    char *as_nobody; /* the words to run vgpuctl with */
    char *copy;      /* of vgpuctl: the build folder may be closed to other users */
    char *polkit;    /* the same of fake-polkit */
    GSubprocess *bus;
    const char *real_program;
    const char *real_address;
} Host;

static void copy_program(const char *source, const char *target)
{
    g_autofree char *bytes = NULL;
    gsize length;

    assert_true(g_file_get_contents(source, &bytes, &length, NULL));
    assert_true(g_file_set_contents(target, bytes, (gssize)length, NULL));
    assert_int_equal(chmod(target, 0755), 0);
}

static void open_host(Host *host, Runner *runner, const char *bus_policy)
{
    host->runner = runner;
    host->folder = g_dir_make_tmp("vgpuctl-XXXXXX", NULL);
    host->address = g_strdup_printf("unix:path=%s/bus", host->folder);
    host->copy = g_build_filename(host->folder, "vgpuctl", NULL);
    host->as_nobody = g_strconcat(
        "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all ", host->copy, NULL);
    host->real_program = runner_program;
    host->real_address = runner->address;
    assert_int_equal(chmod(host->folder, 0755), 0);
    copy_program(runner_program, host->copy);
    host->polkit = g_build_filename(host->folder, "fake-polkit", NULL);
    copy_program(polkit, host->polkit);
    host->bus = bus_client_start_system_like(host->folder, host->address, bus_policy);
    runner->address = host->address;
    runner_start_service(runner);
}

static void close_host(Host *host)
{
    static const char *const files[] = {"bus", "bus.conf", "fake-polkit", "vgpuctl"};

    g_clear_pointer(&host->runner->service, vgpu_dbus_service_free);
    runner_program = host->real_program;
    host->runner->address = host->real_address;
    g_subprocess_force_exit(host->bus);
    g_subprocess_wait(host->bus, NULL, NULL);
    g_object_unref(host->bus);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(host->folder, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(host->folder);
    g_free(host->folder);
    g_free(host->address);
    g_free(host->copy);
    g_free(host->polkit);
    g_free(host->as_nobody);
}

/* Only root and the group may ask anything. */
static void test_bus_policy(void **state)
{
    Runner *runner = *state;
    Host host = {0};

    if (geteuid() != 0)
        skip();
    open_host(&host, runner, policy);
    int as_root = runner_run(runner, "status");
    runner_program = host.as_nobody;
    int as_nobody = runner_run(runner, "status");
    g_autofree char *text = g_strdup(runner->err);
    int change = runner_run(runner, "detach mail");
    close_host(&host);

    assert_int_equal(as_root, 0);
    assert_int_equal(as_nobody, 4);
    runner_assert_in(text, "permission denied: vgpud answers root and the members of group vgpud");
    assert_int_equal(change, 4);
    assert_asked(runner, "");
}

/* Our policy, with group vgpud being nobody's: who may read, and may change what polkit says. */
static char *policy_for_nobody(const char *folder)
{
    g_autofree char *text = NULL;
    char *path = g_build_filename(folder, "policy.conf", NULL);

    assert_true(g_file_get_contents(policy, &text, NULL, NULL));
    g_auto(GStrv) parts = g_strsplit(text, "<policy group=\"vgpud\">", -1);
    assert_int_equal(g_strv_length(parts), 2);
    g_autofree char *changed = g_strjoinv("<policy user=\"65534\">", parts);
    assert_true(g_file_set_contents(path, changed, -1, NULL));
    return path;
}

static void open_host_for_nobody(Host *host, Runner *runner)
{
    g_autofree char *folder = g_dir_make_tmp("vgpuctl-XXXXXX", NULL);
    g_autofree char *path = policy_for_nobody(folder);

    open_host(host, runner, path);
    g_unlink(path);
    g_rmdir(folder);
    runner_program = host->as_nobody;
}

/* What nobody's attempt to change something comes to when polkit says @answer; NULL: no polkit. */
static int try_change(Host *host, const char *answer, char **question)
{
    Runner *runner = host->runner;
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) lines = NULL;

    if (answer == NULL)
        return runner_run(runner, "detach mail");
    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL,
                               "setpriv", "--reuid=65534", "--clear-groups", host->polkit,
                               runner->address, answer, NULL);
    assert_non_null(process);
    lines = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    g_autofree char *ready = runner_read_line(lines);
    assert_string_equal(ready, "ready");
    int status = runner_run(runner, "detach mail");
    *question = runner_read_line(lines);
    g_output_stream_close(g_subprocess_get_stdin_pipe(process), NULL, NULL);
    runner_await(process);
    return status;
}

static void test_polkit(void **state)
{
    static const struct {
        const char *answer;
        int status;
        const char *asked, *text;
    } cases[] = {
        {NULL, 4, "", "there is no polkit on this bus"},
        {"no", 4, "", "polkit does not allow you org.vgpud1.manage"},
        {"challenge", 4, "", "polkit wants a password"},
        {"error", 4, "", "polkit did not answer (out of order)"},
        {"yes", 0, "remove mail\n", ""},
        {NULL, 4, "", "there is no polkit on this bus"}, /* nothing is remembered */
    };
    Runner *runner = *state;
    Host host = {0};

    if (geteuid() != 0)
        skip();
    open_host_for_nobody(&host, runner);
    assert_int_equal(runner_run(runner, "status"), 0); /* reading needs no polkit */
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *question = NULL;
        assert_int_equal(try_change(&host, cases[i].answer, &question), cases[i].status);
        assert_asked(runner, cases[i].asked);
        runner_assert_in(runner->err, cases[i].text);
        if (cases[i].answer == NULL)
            continue;
        /* The caller is named by its unique name; vgpuctl lets polkit ask a person: flag 1. */
        assert_true(g_str_has_prefix(question, "org.vgpud1.manage system-bus-name :1."));
        assert_true(g_str_has_suffix(question, " 1"));
    }
    close_host(&host);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_inject, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_bus_policy, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_polkit, runner_set_up, runner_tear_down),
    };

    if (argc != 4)
        return 2;
    runner_program = argv[1];
    policy = argv[2];
    polkit = argv[3];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
