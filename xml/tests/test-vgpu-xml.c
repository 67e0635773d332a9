/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program vgpu-xml (argv[1]) as a shell uses it, on the examples (argv[2]). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "vgpu-xml-error.h"

static const char *program;
static char *q35;  /* path of an example */
static char *demo; /* has no <uuid> */

typedef struct {
    int status;
    char *output, *errors;
} Result;

static void result_clear(Result *result)
{
    g_free(result->output);
    g_free(result->errors);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Result, result_clear)

/* @arguments: one string, separated by single spaces. */
static Result run(const char *arguments, const char *input, const char *variable)
{
    Result result = {0};
    g_autofree char *line = g_strconcat(program, " ", arguments, NULL);
    g_auto(GStrv) argv = g_strsplit(g_strchomp(line), " ", -1);
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *file = NULL;

    /* A file, not a pipe: a vgpu-xml that ends over its options does not read it. */
    close(g_file_open_tmp("vgpu-xml-XXXXXX", &file, NULL));
    assert_true(g_file_set_contents(file, input != NULL ? input : "", -1, NULL));
    g_subprocess_launcher_set_stdin_file_path(launcher, file);
    g_subprocess_launcher_unsetenv(launcher, "VGPU_EMULATOR");
    g_subprocess_launcher_unsetenv(launcher, "VGPU_RUN_DIR");
    if (variable != NULL)
        g_subprocess_launcher_setenv(launcher, variable, "/from/environment", TRUE);
    g_autoptr(GSubprocess) process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, NULL);
    assert_non_null(process);
    assert_true(
        g_subprocess_communicate_utf8(process, NULL, NULL, &result.output, &result.errors, NULL));
    result.status = g_subprocess_get_exit_status(process);
    assert_int_equal(g_unlink(file), 0);
    return result;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s\n  does not have: %s", text, part);
}

static void test_validate(void **state)
{
    g_autofree char *arguments = g_strconcat("validate ", q35, NULL);
    g_auto(Result) good = run(arguments, NULL, NULL);
    g_auto(Result) none = run("validate -", "<domain/>", NULL);
    g_auto(Result) bad = run("validate",
                             "<domain><metadata>\n<v:vgpu xmlns:v='" VGPU_XML_NAMESPACE
                             "' pool='7'/></metadata></domain>",
                             NULL);
    g_auto(Result) missing = run("validate /nonexistent/x.xml", NULL, NULL);

    (void)state;
    assert_int_equal(good.status, 0);
    assert_string_equal(good.output, "ok: pool A, priority high\n");
    assert_string_equal(good.errors, "");
    assert_int_equal(none.status, 0);
    assert_string_equal(none.output, "no vgpu element\n");
    assert_int_equal(bad.status, 1);
    assert_string_equal(bad.output, "");
    assert_string_equal(
        bad.errors, "stdin:2: <v:vgpu> attribute 'pool' is '7'; allowed is one letter A to Z\n");
    assert_int_equal(missing.status, 1);
    assert_has(missing.errors, "/nonexistent/x.xml: cannot read: ");
}

static void test_inject_and_remove(void **state)
{
    g_autofree char *arguments = g_strconcat("inject ", q35, NULL);
    g_autofree char *original = NULL;
    g_auto(Result) injected = run(arguments, NULL, NULL);
    g_auto(Result) removed = run("remove", injected.output, NULL);

    (void)state;
    assert_true(g_file_get_contents(q35, &original, NULL, NULL));
    assert_int_equal(injected.status, 0);
    assert_has(injected.output,
               "<emulator>/usr/libexec/vgpud/qemu/bin/qemu-system-x86_64</emulator>");
    assert_has(injected.output, "path=/run/vgpud/vm/6f1e1b6e-27a5-4d6c-9f43-0d5c7c1d3a10.sock,");
    assert_has(injected.output, "\"vm-id\":1}");
    assert_int_equal(removed.status, 0);
    assert_string_equal(removed.output, original);
}

static void test_options(void **state)
{
    g_autofree char *plain = g_strconcat("inject ", q35, NULL);
    g_autofree char *all =
        g_strconcat("inject --emulator /e --run-dir /r --vm-id 4294967295 ", q35, NULL);
    g_autofree char *socket_option = g_strconcat("inject --socket /s/x.sock ", demo, NULL);
    g_auto(Result) options = run(all, NULL, "VGPU_EMULATOR");
    g_auto(Result) emulator = run(plain, NULL, "VGPU_EMULATOR");
    g_auto(Result) run_dir = run(plain, NULL, "VGPU_RUN_DIR");
    g_auto(Result) with_socket = run(socket_option, NULL, NULL);

    (void)state;
    assert_has(options.output, "<emulator>/e</emulator>");
    assert_has(options.output, "path=/r/vm/6f1e1b6e-");
    assert_has(options.output, "\"vm-id\":4294967295}");
    assert_has(emulator.output, "<emulator>/from/environment</emulator>");
    assert_has(run_dir.output, "path=/from/environment/vm/6f1e1b6e-");
    assert_has(with_socket.output, "path=/s/x.sock,");
}

static void test_errors(void **state)
{
    static const char *const usages[] = {
        "",
        "frobnicate",
        "validate a b",
        "validate --vm-id 3",
        "inject --vm-id x",
        "inject --vm-id -1",
        "inject --vm-id 4294967296",
        "remove --no-such-option",
    };
    g_autofree char *arguments = g_strconcat("inject ", demo, NULL);
    g_auto(Result) no_uuid = run(arguments, NULL, NULL);
    g_auto(Result) no_element = run("inject --socket /s", "<domain type='kvm'/>", NULL);

    (void)state;
    assert_int_equal(no_uuid.status, 1);
    assert_has(no_uuid.errors, "demo.xml: the domain has no <uuid>");
    assert_has(no_uuid.errors, "--socket");
    assert_int_equal(no_element.status, 1);
    assert_has(no_element.errors, "stdin: the domain has no element <vgpu:vgpu ");
    for (gsize i = 0; i < G_N_ELEMENTS(usages); i++) {
        g_auto(Result) result = run(usages[i], NULL, NULL);
        assert_int_equal(result.status, 2);
        assert_string_equal(result.output, "");
        assert_has(result.errors, "Try 'vgpu-xml --help'");
    }
}

static void test_help(void **state)
{
    static const char *const calls[] = {"--help", "--version", "inject --help"};

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_auto(Result) result = run(calls[i], NULL, NULL);
        assert_int_equal(result.status, 0);
        assert_has(result.output, "vgpu-xml");
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validate), cmocka_unit_test(test_inject_and_remove),
        cmocka_unit_test(test_options),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_help),
    };

    if (argc != 3)
        return 2;
    program = argv[1];
    q35 = g_build_filename(argv[2], "persistent-q35.xml", NULL);
    demo = g_build_filename(argv[2], "demo.xml", NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    g_free(q35);
    g_free(demo);
    return failed;
}
