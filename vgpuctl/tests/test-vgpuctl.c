/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program itself against a real service on a bus of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "runner.h"

static void assert_shows(Runner *runner, const char *part)
{
    runner_assert_in(runner->out, part);
}

static void test_status(void **state)
{
    Runner *runner = *state;
    runner_start_service(runner);

    assert_int_equal(runner_run(runner, "status"), 0);
    assert_shows(runner, "vgpud:    version " VGPU_VERSION ", protocol 1.0, up 0 s\n");
    assert_shows(runner, "libvirt:  connected to qemu:///system, libvirt 9.0.0, QEMU 7.2.22\n");
    assert_shows(runner, "VMs:      2 (1 reserved, 1 serving)\n");
    assert_shows(runner,
                 "VM   NUMBER  POOL  PRIORITY  STATE    DEVICE       REQUESTS  ERRORS     MEAN  "
                 "LAST\n"
                 "db   9       B     low       waiting  -                   0       0      0 s  "
                 "never\n"
                 "web  3       A     high      serving  Example GPU      1000       7  20.0 us  "
                 "now\n");
    assert_string_equal(runner->err, "");

    runner->example->model.libvirt_connected = FALSE;
    runner->example->model.libvirt_detail = "no socket";
    assert_int_equal(runner_run(runner, "status"), 0);
    assert_shows(runner, "libvirt:  NOT CONNECTED to qemu:///system: no socket\n");
    runner->example->model.libvirt_detail = NULL;
    assert_int_equal(runner_run(runner, "status"), 0);
    assert_shows(runner, "libvirt:  NOT CONNECTED to qemu:///system\n");
}

static void test_status_json(void **state)
{
    Runner *runner = *state;
    runner_start_service(runner);

    assert_int_equal(runner_run(runner, "--json status"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
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
    Runner *runner = *state;
    runner_start_service(runner);

    assert_int_equal(runner_run(runner, "list"), 0);
    assert_true(g_str_has_prefix(runner->out, "VM   NUMBER"));
    assert_int_equal(runner_run(runner, "list --json"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    JsonObject *vm = json_array_get_object_element(json_node_get_array(node), 1);
    assert_string_equal(json_object_get_string_member(vm, "name"), "web");
    assert_int_equal(json_object_get_int_member(vm, "vm-id"), 3);
    assert_int_equal(json_object_get_int_member(vm, "requests"), 1000);
    JsonObject *errors = json_object_get_object_member(vm, "errors");
    assert_int_equal(json_object_get_int_member(errors, "timeout"), 2);

    vgpu_sessions_remove(runner->example->sessions, runner->example->serving->uuid);
    vgpu_sessions_remove(runner->example->sessions, runner->example->waiting->uuid);
    assert_int_equal(runner_run(runner, "list"), 0);
    assert_string_equal(runner->out, "no running VM has a vgpu\n");
    assert_int_equal(runner_run(runner, "list --json"), 0);
    assert_string_equal(runner->out, "[]\n");
}

static void test_show(void **state)
{
    Runner *runner = *state;
    runner_start_service(runner);

    assert_int_equal(runner_run(runner, "show 3"), 0);
    assert_shows(runner, "name:           web\n");
    assert_shows(runner, "uuid:           " EXAMPLE_UUID "\n");
    assert_shows(runner, "worker process: 1250\n");
    assert_shows(runner, "device:         Example GPU\n");
    assert_shows(runner, "errors:         7 (5 invalid-request, 2 timeout)\n");
    assert_shows(runner, "data:           39.1 KiB in, 35.2 KiB out\n");
    assert_shows(runner, "mean service:   20.0 us\n");
    assert_shows(runner, "worker faults:  2 (2 deadline)\n");
    assert_null(strstr(runner->out, "failure"));
    assert_null(strstr(runner->out, "quarantined"));

    VgpuSession *web = runner->example->serving;
    vgpu_quarantine_order(&web->quarantine, VGPU_QUARANTINE_FOREVER, "by an operator");
    assert_int_equal(runner_run(runner, "show 3"), 0);
    assert_shows(runner, "quarantined:    until it is released: by an operator\n");
    const VgpuLimits limits = {{[VGPU_LIMIT_RATE] = 50, [VGPU_LIMIT_MEMORY] = 512}};
    vgpu_session_limit(web, &limits, NULL);
    atomic_store(&web->page->used[VGPU_QUOTA_MEMORY], 3 << 20);
    atomic_store(&web->page->waits[1], 98);
    atomic_store(&web->page->waits[VGPU_PAGE_WAITS - 1], 2);
    atomic_store(&web->page->wait_ns, 2000000);
    assert_int_equal(runner_run(runner, "show web"), 0);
    assert_shows(runner, "limit:          50/s, burst 1, memory-mib 512\n");
    assert_shows(runner,
                 "waits:          100, half up to 2.0 us, 99 % over 8.4 s, in all 2.0 ms\n");
    assert_shows(runner,
                 "holds:          3.0 MiB of memory, 0 handles, 0 outstanding, 0 B of queues\n");

    vgpu_page_set_text(runner->example->serving->page->failure, "no OpenCL platform");
    atomic_store(&runner->example->serving->page->state, VGPU_PAGE_FAILED);
    assert_int_equal(runner_run(runner, "show web"), 0);
    assert_shows(runner, "failure:        no OpenCL platform\n");
    assert_int_equal(runner_run(runner, "list"), 0);
    assert_shows(runner, "no OpenCL platform");

    assert_int_equal(runner_run(runner, "--json show " EXAMPLE_UUID), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    assert_string_equal(json_object_get_string_member(json_node_get_object(node), "backend-state"),
                        "failed");
}

static void test_metrics(void **state)
{
    Runner *runner = *state;
    g_autofree char *folder = g_dir_make_tmp("vgpuctl-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "vgpud.prom", NULL);
    g_autofree char *to_file = g_strconcat("metrics --output ", path, NULL);
    g_autofree char *to_nowhere = g_strconcat("metrics --output ", path, "/x", NULL);
    g_autofree char *text = NULL;

    runner_start_service(runner);
    assert_int_equal(runner_run(runner, "metrics"), 0);
    assert_shows(runner, "\nvgpud_vm_requests_total{vm=\"web\",uuid=\"" EXAMPLE_UUID "\"} 1000\n");
    assert_int_equal(runner_run(runner, to_file), 0);
    assert_string_equal(runner->out, "");
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_true(g_str_has_prefix(text, "# HELP vgpud_build_info"));
    assert_int_equal(runner_run(runner, to_nowhere), 1);
    assert_int_equal(runner_run(runner, "--json metrics"), 2);
    g_unlink(path);
    g_rmdir(folder);
}

static void test_pools(void **state)
{
    Runner *runner = *state;
    runner_start_service(runner);

    VgpuMember *gpu1 = vgpu_pool_member(vgpu_pools_get(runner->example->pools, 'A'), "gpu1");
    gpu1->draining = TRUE;
    gpu1->load = 123;
    assert_int_equal(runner_run(runner, "pools"), 0);
    assert_string_equal(
        runner->out,
        "POOL  MEMBER  BACKEND  VMS  STATE     LOAD  DEVICE       LIMIT PER VM     DESCRIPTION\n"
        "A     gpu0    opencl   1/4  -          0 %  Example GPU  100/s, burst 10  fast GPUs\n"
        "A     gpu1    opencl     0  draining  12 %  (0:1)        100/s, burst 10  fast GPUs\n"
        "B     none    null       0  -          0 %  (the first)  none             -\n");

    gpu1->drain_reason = g_strdup("it failed for 3 VMs");
    assert_int_equal(runner_run(runner, "pools"), 0);
    assert_shows(runner, "  failed, draining  ");
    assert_true(g_str_has_suffix(runner->out,
                                 "\n\nA/gpu1 was drained by the breaker: it failed for "
                                 "3 VMs\n"));

    assert_int_equal(runner_run(runner, "--json pools"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    JsonObject *pool = json_array_get_object_element(json_node_get_array(node), 0);
    JsonArray *members = json_object_get_array_member(pool, "members");
    JsonObject *member = json_array_get_object_element(members, 0);
    JsonArray *names = json_object_get_array_member(member, "device-names");
    assert_string_equal(json_array_get_string_element(names, 0), "Example GPU");
}

static void test_names(void **state)
{
    Runner *runner = *state;
    runner_start_service(runner);

    assert_int_equal(runner_run(runner, "list --names"), 0);
    assert_string_equal(runner->out, "db\nweb\n");
    assert_int_equal(runner_run(runner, "pools --names"), 0);
    assert_string_equal(runner->out, "A\nB\n");
    g_free(runner->example->waiting->name);
    runner->example->waiting->name = g_strdup("two\nlines");
    assert_int_equal(runner_run(runner, "list --names"), 0);
    assert_string_equal(runner->out, "web\n");
}

static void test_hostile_names(void **state)
{
    Runner *runner = *state;
    VgpuSession *session = runner->example->serving;
    runner_start_service(runner);

    g_free(session->name);
    session->name = g_strdup("w\x1b[2J\nb");
    assert_int_equal(runner_run(runner, "list"), 0);
    assert_shows(runner, "w\\x1b[2J\\x0ab  3 ");
    assert_null(strchr(runner->out, '\x1b'));
    assert_int_equal(runner_run(runner, "show 3"), 0);
    assert_null(strchr(runner->out, '\x1b'));
    assert_int_equal(runner_run(runner, "show no\x1b[2J"), 1);
    assert_null(strchr(runner->err, '\x1b'));

    assert_int_equal(runner_run(runner, "--json show 3"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    assert_string_equal(json_object_get_string_member(json_node_get_object(node), "name"),
                        "w\x1b[2J\nb");
}

static void test_failures(void **state)
{
    Runner *runner = *state;

    assert_int_equal(runner_run(runner, "status"), 3);
    assert_non_null(strstr(runner->err, "vgpud is not running"));
    assert_non_null(strstr(runner->err, "systemctl start vgpud"));
    assert_int_equal(runner_run(runner, "--bus unix:path=/nonexistent/bus --json list"), 3);
    assert_string_equal(runner->out, "");
    assert_non_null(strstr(runner->err, "cannot reach the D-Bus \"unix:path=/nonexistent/bus\""));

    runner_start_service(runner);
    assert_int_equal(runner_run(runner, "--json show nobody"), 1);
    assert_string_equal(runner->out, "");
    assert_string_equal(runner->err, "vgpuctl: there is no running VM \"nobody\" with a vgpu\n");

    g_autofree char *with_bus = g_strdup_printf("list --bus %s", runner->address);
    assert_int_equal(runner_run(runner, with_bus), 0);
}

static void test_usage(void **state)
{
    static const char *const wrong[] = {
        "show",
        "show a b",
        "status now",
        "frobnicate",
        "--nonsense",
        "list --bus",
        "show \xff",
        /* Options of other commands. */
        "status --names",
        "list --all",
        "show --pool A web",
        "pools --follow",
        "list --count 3",
        "detach --priority low web",
        /* Too little or too much. */
        "set web",
        "set web --burst x",
        "list --burst 5",
        "set --pool B",
        "attach web",
        "attach --pool A",
        "attach",
        "attach --all web",
        "attach --all --pool A",
        "detach",
        "detach --all web",
        "inject web",
        "version now",
        "top --interval 0.01",
        "top --interval nan",
        "top --count -1",
    };
    Runner *runner = *state;

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        assert_int_equal(runner_run(runner, wrong[i]), 2);
        assert_string_equal(runner->out, "");
        assert_true(g_str_has_prefix(runner->err, "vgpuctl: "));
    }
    assert_int_equal(runner_run(runner, "--help"), 0);
    assert_shows(runner, "vgpuctl show web1");
    assert_int_equal(runner_run(runner, "--version"), 0);
    assert_string_equal(runner->out, "vgpuctl " VGPU_VERSION "\n");
    assert_int_equal(runner_run(runner, "version"), 3);
    runner_start_service(runner);
    assert_int_equal(runner_run(runner, "version"), 0);
    assert_string_equal(runner->out,
                        "vgpuctl " VGPU_VERSION "\nvgpud " VGPU_VERSION "\nprotocol 1.0\n");
    assert_int_equal(runner_run(runner, "version --json"), 0);
    g_autoptr(JsonNode) node = runner_parse_json(runner);
    assert_string_equal(json_object_get_string_member(json_node_get_object(node), "vgpud"),
                        VGPU_VERSION);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_status, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_status_json, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_list, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_show, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_metrics, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_pools, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_names, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_names, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_failures, runner_set_up, runner_tear_down),
        cmocka_unit_test_setup_teardown(test_usage, runner_set_up, runner_tear_down),
    };

    if (argc != 2)
        return 2;
    runner_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
