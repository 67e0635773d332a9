/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.vgpud1 on a bus of the test's own, also when that bus goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "bus-client.h"
#include "dbus-service.h"
#include "example-model.h"

typedef struct {
    GTestDBus *bus;
    ExampleModel *example;
    VgpuDBusService *service;
} Fixture;

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->example = example_model_new();
    fixture->service = vgpu_dbus_service_new(g_test_dbus_get_bus_address(fixture->bus),
                                             &fixture->example->model, &fixture->example->actions);
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
    g_free(fixture);
    return 0;
}

static void test_methods(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GDBusConnection) client =
        bus_client_connect(g_test_dbus_get_bus_address(fixture->bus));
    const char *text = NULL;

    bus_client_await_name(client, TRUE);
    g_autoptr(GVariant) status = bus_client_manager(client, "GetStatus", NULL, "(a{sv})", NULL);
    g_autoptr(GVariant) pools = bus_client_manager(client, "ListPools", NULL, "(aa{sv})", NULL);
    g_autoptr(GVariant) vms = bus_client_manager(client, "ListVms", NULL, "(aa{sv})", NULL);
    g_autoptr(GVariant) vm =
        bus_client_manager(client, "GetVm", g_variant_new("(s)", "3"), "(a{sv})", NULL);
    assert_non_null(status);
    assert_non_null(pools);
    assert_non_null(vms);
    assert_non_null(vm);

    g_autoptr(GVariant) status_dict = g_variant_get_child_value(status, 0);
    assert_true(g_variant_lookup(status_dict, "version", "&s", &text));
    assert_string_equal(text, VGPU_VERSION);
    g_autoptr(GVariant) pool_list = g_variant_get_child_value(pools, 0);
    assert_int_equal(g_variant_n_children(pool_list), 2);
    g_autoptr(GVariant) first_pool = g_variant_get_child_value(pool_list, 0);
    assert_true(g_variant_lookup(first_pool, "name", "&s", &text));
    assert_string_equal(text, "A");
    g_autoptr(GVariant) vm_list = g_variant_get_child_value(vms, 0);
    assert_int_equal(g_variant_n_children(vm_list), 2);
    g_autoptr(GVariant) first_vm = g_variant_get_child_value(vm_list, 0);
    assert_true(g_variant_lookup(first_vm, "name", "&s", &text));
    assert_string_equal(text, "db");
    g_autoptr(GVariant) vm_dict = g_variant_get_child_value(vm, 0);
    assert_true(g_variant_lookup(vm_dict, "name", "&s", &text));
    assert_string_equal(text, "web");
}

static void test_not_found(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GDBusConnection) client =
        bus_client_connect(g_test_dbus_get_bus_address(fixture->bus));
    g_autoptr(GError) error = NULL;

    bus_client_await_name(client, TRUE);
    g_autoptr(GVariant) reply =
        bus_client_manager(client, "GetVm", g_variant_new("(s)", "nobody"), "(a{sv})", &error);
    assert_null(reply);
    g_autofree char *name = g_dbus_error_get_remote_error(error);
    assert_string_equal(name, VGPU_DBUS_ERROR_NOT_FOUND);
    assert_non_null(strstr(error->message, "nobody"));
}

static void test_free_gives_the_name_back(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GDBusConnection) client =
        bus_client_connect(g_test_dbus_get_bus_address(fixture->bus));

    bus_client_await_name(client, TRUE);
    g_clear_pointer(&fixture->service, vgpu_dbus_service_free);
    bus_client_await_name(client, FALSE);

    /* Also while the connection is still being made. */
    VgpuDBusService *early =
        vgpu_dbus_service_new(g_test_dbus_get_bus_address(fixture->bus), &fixture->example->model,
                              &fixture->example->actions);
    vgpu_dbus_service_free(early);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* A bus that is started again at the same address is found again. */
static void test_comes_back(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *dir = g_dir_make_tmp("vgpud-bus-XXXXXX", NULL);
    g_autofree char *address = g_strdup_printf("unix:path=%s/bus", dir);
    g_autofree char *argument = g_strdup_printf("--address=%s", address);
    g_autofree char *path = g_build_filename(dir, "bus", NULL);
    VgpuDBusService *service =
        vgpu_dbus_service_new(address, &fixture->example->model, &fixture->example->actions);

    for (guint i = 0; i < 2; i++) {
        g_autoptr(GSubprocess) daemon =
            g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, "dbus-daemon", "--session",
                             "--nofork", "--print-address", argument, NULL);
        assert_non_null(daemon);
        g_autoptr(GDataInputStream) lines =
            g_data_input_stream_new(g_subprocess_get_stdout_pipe(daemon));
        g_autofree char *up = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
        assert_non_null(up);

        g_autoptr(GDBusConnection) client = bus_client_connect(address);
        bus_client_await_name(client, TRUE);
        g_autoptr(GVariant) status = bus_client_manager(client, "GetStatus", NULL, "(a{sv})", NULL);
        assert_non_null(status);

        g_subprocess_force_exit(daemon);
        g_subprocess_wait(daemon, NULL, NULL);
    }
    vgpu_dbus_service_free(service);
    g_unlink(path);
    g_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_free_gives_the_name_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
