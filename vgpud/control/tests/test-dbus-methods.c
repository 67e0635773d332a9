/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods that change something, as root; who else may is vgpuctl's tests' matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "bus-client.h"
#include "dbus-service.h"
#include "example-model.h"

#define INVALID "org.freedesktop.DBus.Error.InvalidArgs"

typedef struct {
    GTestDBus *bus;
    ExampleModel *example;
    VgpuDBusService *service;
    GDBusConnection *client;
} Fixture;

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->example = example_model_new();
    fixture->service = vgpu_dbus_service_new(g_test_dbus_get_bus_address(fixture->bus),
                                             &fixture->example->model, &fixture->example->actions);
    fixture->client = bus_client_connect(g_test_dbus_get_bus_address(fixture->bus));
    bus_client_await_name(fixture->client, TRUE);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    g_object_unref(fixture->client);
    vgpu_dbus_service_free(fixture->service);
    example_model_free(fixture->example);
    g_test_dbus_stop(fixture->bus);
    g_object_unref(fixture->bus);
    g_free(fixture);
    return 0;
}

/* Calls @method with @arguments, in GVariant's text form; it must work and ask for @asked. */
static void assert_asks(Fixture *fixture, const char *method, const char *arguments,
                        const char *asked)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_new_parsed(arguments);
    g_autoptr(GVariant) reply = bus_client_manager(fixture->client, method, value, "()", &error);

    if (reply == NULL)
        fail_msg("%s%s: %s", method, arguments, error->message);
    assert_string_equal(fixture->example->asked->str, asked);
    g_string_truncate(fixture->example->asked, 0);
}

/* The call must fail with @name and a text that has @part in it, and ask for nothing. */
static void assert_fails(Fixture *fixture, const char *method, const char *arguments,
                         const char *name, const char *part)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_new_parsed(arguments);
    g_autoptr(GVariant) reply = bus_client_manager(fixture->client, method, value, "*", &error);

    assert_null(reply);
    g_autofree char *actual = g_dbus_error_get_remote_error(error);
    assert_string_equal(actual, name);
    if (strstr(error->message, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, error->message);
}

static void test_set_vm(void **state)
{
    Fixture *fixture = *state;

    /* What is not named stays; the VM may be meant by its name, number or UUID. */
    assert_asks(fixture, "SetVm", "('web', {'pool': <'B'>})", "set " EXAMPLE_UUID " B high\n");
    assert_asks(fixture, "SetVm", "('3', {'priority': <'low'>})", "set " EXAMPLE_UUID " A low\n");
    assert_asks(fixture, "SetVm", "('" EXAMPLE_UUID "', {'priority': <'medium'>, 'pool': <'B'>})",
                "set " EXAMPLE_UUID " B medium\n");

    assert_asks(fixture, "SetVm",
                "('web', {'requests-per-second': <uint32 50>, 'burst': <uint32 5>})",
                "set " EXAMPLE_UUID " A high 50/s burst 5\n");
    assert_fails(fixture, "SetVm", "('web', {'burst': <uint32 1000001>})", INVALID,
                 "burst is 1000001; allowed is up to 1000000");
    assert_fails(fixture, "SetVm", "('web', {'burst': <5>})", INVALID, "\"burst\"");

    assert_fails(fixture, "SetVm", "('nobody', {'pool': <'B'>})", VGPU_DBUS_ERROR_NOT_FOUND,
                 "no running VM \"nobody\"");
    assert_fails(fixture, "SetVm", "('web', @a{sv} {})", INVALID, "nothing is to be changed");
    assert_fails(fixture, "SetVm", "('web', {'pool': <'Z'>})", INVALID, "there are: A, B");
    assert_fails(fixture, "SetVm", "('web', {'pool': <'AB'>})", INVALID, "\"AB\"");
    assert_fails(fixture, "SetVm", "('web', {'pool': <''>})", INVALID, "\"\"");
    assert_fails(fixture, "SetVm", "('web', {'pool': <1>})", INVALID,
                 "\"pool\" is not one of pool and priority (strings)");
    assert_fails(fixture, "SetVm", "('web', {'priority': <'urgent'>})", INVALID,
                 "low, medium, high");
    assert_fails(fixture, "SetVm", "('web', {'colour': <'red'>})", INVALID, "\"colour\"");
    assert_string_equal(fixture->example->asked->str, "");
}

static void test_attach_and_detach(void **state)
{
    Fixture *fixture = *state;

    assert_asks(fixture, "Attach", "('mail', {'pool': <'B'>})", "set mail B medium\n");
    assert_asks(fixture, "Attach", "('mail', {'pool': <'A'>, 'priority': <'high'>})",
                "set mail A high\n");
    assert_fails(fixture, "Attach", "('mail', {'priority': <'high'>})", INVALID, "pool is missing");
    assert_fails(fixture, "Attach", "('mail', {'pool': <'Z'>})", INVALID, "no pool \"Z\"");
    assert_asks(fixture, "Detach", "('mail',)", "remove mail\n");
    assert_asks(fixture, "DetachAll", "()", "detach-all\n");
    assert_asks(fixture, "AttachAll", "()", "attach-all\n");
    assert_asks(fixture, "Reload", "()", "reload\n");
    assert_asks(fixture, "Drain", "('A/gpu0', true)", "drain A/gpu0\n");
    assert_asks(fixture, "Drain", "('A/gpu0', false)", "undrain A/gpu0\n");
    assert_asks(fixture, "MoveVm", "('web', '', false)", "move web to ''\n");
    assert_asks(fixture, "MoveVm", "('3', 'gpu1', true)", "move web to 'gpu1' by force\n");
    assert_asks(fixture, "Quarantine", "('3', uint32 0)", "quarantine web for 0\n");
    assert_asks(fixture, "Quarantine", "('db', uint32 2592000)", "quarantine db for 2592000\n");
    assert_asks(fixture, "Release", "('web',)", "release web\n");
}

static void test_what_does_not_work(void **state)
{
    Fixture *fixture = *state;

    fixture->example->failure = "libvirt says no";
    assert_fails(fixture, "Detach", "('mail',)", VGPU_DBUS_ERROR_FAILED, "libvirt says no");
    assert_fails(fixture, "DetachAll", "()", VGPU_DBUS_ERROR_FAILED, "libvirt says no");
    assert_fails(fixture, "Inject", "('<domain/>',)", VGPU_DBUS_ERROR_FAILED, "libvirt says no");
    assert_fails(fixture, "Reload", "()", VGPU_DBUS_ERROR_FAILED, "libvirt says no");
    assert_fails(fixture, "Drain", "('A/gpu0', true)", VGPU_DBUS_ERROR_FAILED, "libvirt says no");
    assert_fails(fixture, "MoveVm", "('web', '', false)", VGPU_DBUS_ERROR_FAILED,
                 "libvirt says no");
    assert_fails(fixture, "Quarantine", "('web', uint32 2592001)",
                 "org.freedesktop.DBus.Error.InvalidArgs", "2592001 s is too long");
    assert_fails(fixture, "Quarantine", "('nobody', uint32 5)", VGPU_DBUS_ERROR_NOT_FOUND,
                 "nobody");
    assert_fails(fixture, "Release", "('nobody',)", VGPU_DBUS_ERROR_NOT_FOUND, "nobody");
    assert_fails(fixture, "MoveVm", "('nobody', '', false)", VGPU_DBUS_ERROR_NOT_FOUND, "nobody");
}

static void test_inject(void **state)
{
    Fixture *fixture = *state;
    const char *xml = NULL;
    g_autoptr(GVariant) reply = bus_client_manager(fixture->client, "Inject",
                                                   g_variant_new("(s)", "<domain/>"), "(s)", NULL);

    assert_non_null(reply);
    g_variant_get(reply, "(&s)", &xml);
    assert_string_equal(xml, "<domain/><!-- injected -->\n");
}

static void test_events(void **state)
{
    Fixture *fixture = *state;
    const char *text = NULL;

    vgpu_session_set_state(fixture->example->waiting, VGPU_SESSION_LINKED);
    g_autoptr(GVariant) reply =
        bus_client_manager(fixture->client, "ListEvents", NULL, "(aa{sv})", NULL);
    assert_non_null(reply);
    g_autoptr(GVariant) list = g_variant_get_child_value(reply, 0);
    assert_int_equal(g_variant_n_children(list), 3); /* the first two: both VMs started */
    g_autoptr(GVariant) last = g_variant_get_child_value(list, 2);
    assert_true(g_variant_lookup(last, "kind", "&s", &text));
    assert_string_equal(text, "connected");
    assert_true(g_variant_lookup(last, "name", "&s", &text));
    assert_string_equal(text, "db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_set_vm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_attach_and_detach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inject, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
    };

    if (geteuid() != 0)
        return 77; /* meson: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
