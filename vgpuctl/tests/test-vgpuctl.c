/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program itself against a real service on a bus of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbus-service.h"
#include "example-model.h"

static const char *program;
static const char *policy; /* data/org.vgpud1.conf */

typedef struct {
    GTestDBus *bus;
    const char *address;
    ExampleModel *example;
    VgpuDBusService *service;
    char *out; /* of the last run */
    char *err;
} Fixture;

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->address = g_test_dbus_get_bus_address(fixture->bus);
    fixture->example = example_model_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->service, vgpu_dbus_service_free);
    example_model_free(fixture->example);
    g_test_dbus_stop(fixture->bus);
    g_object_unref(fixture->bus);
    g_free(fixture->out);
    g_free(fixture->err);
    g_free(fixture);
    return 0;
}

static void on_appeared(GDBusConnection *connection G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                        const char *owner G_GNUC_UNUSED, gpointer user_data)
{
    *(gboolean *)user_data = TRUE;
}

/* Starts the service and waits until it has its name. */
static void start_service(Fixture *fixture)
{
    g_autoptr(GDBusConnection) client =
        g_dbus_connection_new_for_address_sync(fixture->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    gboolean there = FALSE;
    guint watch = g_bus_watch_name_on_connection(
        client, VGPU_DBUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared, NULL, &there, NULL);

    fixture->service = vgpu_dbus_service_new(fixture->address, &fixture->example->model,
                                             &fixture->example->actions);
    while (!there)
        g_main_context_iteration(NULL, TRUE);
    g_bus_unwatch_name(watch);
}

static void on_finished(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    *(GAsyncResult **)user_data = g_object_ref(result);
}

/* Runs vgpuctl with @arguments, separated by spaces, on the test's bus, while the main loop, and so
 * the service, goes on. Returns its exit status. */
static int vgpuctl(Fixture *fixture, const char *arguments)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autofree char *line = g_strjoin(" ", program, arguments, NULL);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GAsyncResult) result = NULL;

    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", fixture->address, TRUE);
    g_autoptr(GSubprocess) process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    assert_non_null(process);
    g_subprocess_communicate_utf8_async(process, NULL, NULL, on_finished, &result);
    while (result == NULL)
        g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&fixture->out, g_free);
    g_clear_pointer(&fixture->err, g_free);
    assert_true(g_subprocess_communicate_utf8_finish(process, result, &fixture->out, &fixture->err,
                                                     &error));
    assert_true(g_subprocess_get_if_exited(process));
    return g_subprocess_get_exit_status(process);
}

/* The last run's output, which must be one JSON document and a newline. */
static JsonNode *parse_json(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(fixture->out, &error);

    assert_null(error);
    assert_true(g_str_has_suffix(fixture->out, "\n"));
    return node;
}

static void assert_shows(Fixture *fixture, const char *part)
{
    if (strstr(fixture->out, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, fixture->out);
}

static void test_status(void **state)
{
    Fixture *fixture = *state;
    start_service(fixture);

    assert_int_equal(vgpuctl(fixture, "status"), 0);
    assert_shows(fixture, "vgpud:    version " VGPU_VERSION ", protocol 1.0, up 0 s\n");
    assert_shows(fixture, "libvirt:  connected to qemu:///system, libvirt 9.0.0, QEMU 7.2.22\n");
    assert_shows(fixture, "VMs:      2 (1 reserved, 1 serving)\n");
    assert_shows(fixture,
                 "VM   NUMBER  POOL  PRIORITY  STATE     DEVICE       REQUESTS  ERRORS     MEAN  "
                 "LAST\n"
                 "db   9       B     low       reserved  -                   0       0      0 s  "
                 "never\n"
                 "web  3       A     high      serving   Example GPU      1000       7  20.0 us  "
                 "now\n");
    assert_string_equal(fixture->err, "");

    fixture->example->model.libvirt_connected = FALSE;
    fixture->example->model.libvirt_detail = "no socket";
    assert_int_equal(vgpuctl(fixture, "status"), 0);
    assert_shows(fixture, "libvirt:  NOT CONNECTED to qemu:///system: no socket\n");
    fixture->example->model.libvirt_detail = NULL;
    assert_int_equal(vgpuctl(fixture, "status"), 0);
    assert_shows(fixture, "libvirt:  NOT CONNECTED to qemu:///system\n");
}

static void test_status_json(void **state)
{
    Fixture *fixture = *state;
    start_service(fixture);

    assert_int_equal(vgpuctl(fixture, "--json status"), 0);
    g_autoptr(JsonNode) node = parse_json(fixture);
    JsonObject *status = json_node_get_object(node);
    assert_string_equal(json_object_get_string_member(status, "version"), VGPU_VERSION);
    assert_true(json_object_get_boolean_member(status, "libvirt-connected"));
    assert_int_equal(json_object_get_int_member(status, "vm-count"), 2);
    JsonObject *states = json_object_get_object_member(status, "vms-by-state");
    assert_int_equal(json_object_get_int_member(states, "serving"), 1);
    JsonArray *vms = json_object_get_array_member(status, "vms");
    assert_int_equal(json_array_get_length(vms), 2);
}

static void test_list(void **state)
{
    Fixture *fixture = *state;
    start_service(fixture);

    assert_int_equal(vgpuctl(fixture, "list"), 0);
    assert_true(g_str_has_prefix(fixture->out, "VM   NUMBER"));
    assert_int_equal(vgpuctl(fixture, "list --json"), 0);
    g_autoptr(JsonNode) node = parse_json(fixture);
    JsonObject *vm = json_array_get_object_element(json_node_get_array(node), 1);
    assert_string_equal(json_object_get_string_member(vm, "name"), "web");
    assert_int_equal(json_object_get_int_member(vm, "vm-id"), 3);
    assert_int_equal(json_object_get_int_member(vm, "requests"), 1000);
    JsonObject *errors = json_object_get_object_member(vm, "errors");
    assert_int_equal(json_object_get_int_member(errors, "timeout"), 2);

    vgpu_sessions_remove(fixture->example->sessions, fixture->example->serving->uuid);
    vgpu_sessions_remove(fixture->example->sessions, fixture->example->waiting->uuid);
    assert_int_equal(vgpuctl(fixture, "list"), 0);
    assert_string_equal(fixture->out, "no running VM has a vgpu\n");
    assert_int_equal(vgpuctl(fixture, "list --json"), 0);
    assert_string_equal(fixture->out, "[]\n");
}

static void test_show(void **state)
{
    Fixture *fixture = *state;
    start_service(fixture);

    assert_int_equal(vgpuctl(fixture, "show 3"), 0);
    assert_shows(fixture, "name:           web\n");
    assert_shows(fixture, "uuid:           " EXAMPLE_UUID "\n");
    assert_shows(fixture, "worker process: 1250\n");
    assert_shows(fixture, "device:         Example GPU\n");
    assert_shows(fixture, "errors:         7 (5 invalid-request, 2 timeout)\n");
    assert_shows(fixture, "data:           39.1 KiB in, 35.2 KiB out\n");
    assert_shows(fixture, "mean service:   20.0 us\n");
    assert_null(strstr(fixture->out, "failure"));

    vgpu_page_set_text(fixture->example->serving->page->failure, "no OpenCL platform");
    atomic_store(&fixture->example->serving->page->state, VGPU_PAGE_FAILED);
    assert_int_equal(vgpuctl(fixture, "show web"), 0);
    assert_shows(fixture, "failure:        no OpenCL platform\n");
    assert_int_equal(vgpuctl(fixture, "list"), 0);
    assert_shows(fixture, "no OpenCL platform");

    assert_int_equal(vgpuctl(fixture, "--json show " EXAMPLE_UUID), 0);
    g_autoptr(JsonNode) node = parse_json(fixture);
    assert_string_equal(json_object_get_string_member(json_node_get_object(node), "backend-state"),
                        "failed");
}

static void test_pools(void **state)
{
    Fixture *fixture = *state;
    start_service(fixture);

    assert_int_equal(vgpuctl(fixture, "pools"), 0);
    assert_string_equal(fixture->out,
                        "POOL  MEMBER  BACKEND  VMS  DEVICE       LIMIT PER VM     DESCRIPTION\n"
                        "A     gpu0    opencl   1/4  Example GPU  100/s, burst 10  fast GPUs\n"
                        "A     gpu1    opencl     0  (0:1)        100/s, burst 10  fast GPUs\n"
                        "B     none    null       0  (the first)  none             -\n");

    assert_int_equal(vgpuctl(fixture, "--json pools"), 0);
    g_autoptr(JsonNode) node = parse_json(fixture);
    JsonObject *pool = json_array_get_object_element(json_node_get_array(node), 0);
    JsonArray *members = json_object_get_array_member(pool, "members");
    JsonObject *member = json_array_get_object_element(members, 0);
    JsonArray *names = json_object_get_array_member(member, "device-names");
    assert_string_equal(json_array_get_string_element(names, 0), "Example GPU");
}

static void test_hostile_names(void **state)
{
    Fixture *fixture = *state;
    VgpuSession *session = fixture->example->serving;
    start_service(fixture);

    g_free(session->name);
    session->name = g_strdup("w\x1b[2J\nb");
    assert_int_equal(vgpuctl(fixture, "list"), 0);
    assert_shows(fixture, "w\\x1b[2J\\x0ab  3 ");
    assert_null(strchr(fixture->out, '\x1b'));
    assert_int_equal(vgpuctl(fixture, "show 3"), 0);
    assert_null(strchr(fixture->out, '\x1b'));
    assert_int_equal(vgpuctl(fixture, "show no\x1b[2J"), 1);
    assert_null(strchr(fixture->err, '\x1b'));

    assert_int_equal(vgpuctl(fixture, "--json show 3"), 0);
    g_autoptr(JsonNode) node = parse_json(fixture);
    assert_string_equal(json_object_get_string_member(json_node_get_object(node), "name"),
                        "w\x1b[2J\nb");
}

static void test_failures(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(vgpuctl(fixture, "status"), 3);
    assert_non_null(strstr(fixture->err, "vgpud is not running"));
    assert_non_null(strstr(fixture->err, "systemctl start vgpud"));
    assert_int_equal(vgpuctl(fixture, "--bus unix:path=/nonexistent/bus --json list"), 3);
    assert_string_equal(fixture->out, "");
    assert_non_null(strstr(fixture->err, "cannot reach the D-Bus \"unix:path=/nonexistent/bus\""));

    start_service(fixture);
    assert_int_equal(vgpuctl(fixture, "--json show nobody"), 1);
    assert_string_equal(fixture->out, "");
    assert_string_equal(fixture->err, "vgpuctl: there is no running VM \"nobody\" with a vgpu\n");

    g_autofree char *with_bus = g_strdup_printf("list --bus %s", fixture->address);
    assert_int_equal(vgpuctl(fixture, with_bus), 0);
}

static void test_usage(void **state)
{
    static const char *const wrong[] = {"show",       "show a b",   "status now", "frobnicate",
                                        "--nonsense", "list --bus", "show \xff"};
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        assert_int_equal(vgpuctl(fixture, wrong[i]), 2);
        assert_string_equal(fixture->out, "");
        assert_true(g_str_has_prefix(fixture->err, "vgpuctl: "));
    }
    assert_int_equal(vgpuctl(fixture, "--help"), 0);
    assert_shows(fixture, "vgpuctl show web1");
    assert_int_equal(vgpuctl(fixture, "--version"), 0);
    assert_string_equal(fixture->out, "vgpuctl " VGPU_VERSION "\n");
}

/* A bus with the system bus's rule, that what is not allowed is forbidden, and our policy. */
static const char system_like_bus[] =
    "<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context='default'>"
    "<allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
    "<allow send_type='signal'/><allow send_requested_reply='true' send_type='method_return'/>"
    "<allow send_requested_reply='true' send_type='error'/><allow receive_type='*'/>"
    "<allow send_destination='org.freedesktop.DBus'/></policy>"
    "<include>%s</include></busconfig>";

/* Starts it in @folder and waits until it listens at @address. */
static GSubprocess *start_system_like_bus(const char *folder, const char *address)
{
    g_autofree char *path = g_build_filename(folder, "bus.conf", NULL);
    g_autofree char *text = g_strdup_printf(system_like_bus, address, policy);
    g_autofree char *option = g_strconcat("--config-file=", path, NULL);

    assert_true(g_file_set_contents(path, text, -1, NULL));
    GSubprocess *daemon = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, "dbus-daemon",
                                           "--nofork", "--print-address", option, NULL);
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(daemon));
    g_autofree char *up = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    assert_non_null(up);
    return daemon;
}

static void copy_program(const char *target)
{
    g_autofree char *bytes = NULL;
    gsize length;

    assert_true(g_file_get_contents(program, &bytes, &length, NULL));
    assert_true(g_file_set_contents(target, bytes, (gssize)length, NULL));
    assert_int_equal(chmod(target, 0755), 0);
}

static void test_policy(void **state)
{
    Fixture *fixture = *state;
    const char *private_bus = fixture->address, *real_program = program;

    if (geteuid() != 0)
        skip();
    g_autofree char *folder = g_dir_make_tmp("vgpuctl-XXXXXX", NULL);
    g_autofree char *address = g_strdup_printf("unix:path=%s/bus", folder);
    g_autofree char *copy = g_build_filename(folder, "vgpuctl", NULL);
    g_autofree char *as_nobody =
        g_strconcat("setpriv --reuid=65534 --regid=65534 --clear-groups ", copy, NULL);
    assert_int_equal(chmod(folder, 0755), 0);
    copy_program(copy); /* the build folder may be closed to other users */
    g_autoptr(GSubprocess) daemon = start_system_like_bus(folder, address);

    fixture->address = address;
    start_service(fixture);
    int as_root_status = vgpuctl(fixture, "status");
    program = as_nobody;
    int as_nobody_status = vgpuctl(fixture, "status");
    program = real_program;
    fixture->address = private_bus;
    g_subprocess_force_exit(daemon);
    g_subprocess_wait(daemon, NULL, NULL);
    g_autofree char *config = g_build_filename(folder, "bus.conf", NULL);
    g_autofree char *socket = g_build_filename(folder, "bus", NULL);
    g_unlink(config);
    g_unlink(socket);
    g_unlink(copy);
    g_rmdir(folder);

    assert_int_equal(as_root_status, 0);
    assert_int_equal(as_nobody_status, 4);
    assert_non_null(strstr(fixture->err, "permission denied"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_status_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_show, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pools, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_usage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_policy, set_up, tear_down),
    };

    if (argc != 3)
        return 2;
    program = argv[1];
    policy = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
