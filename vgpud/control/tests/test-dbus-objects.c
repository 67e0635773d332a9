/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects of VMs and pools, and the signals that tell of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "bus-client.h"
#include "dbus-service.h"
#include "example-model.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define MANAGER    "org.freedesktop.DBus.ObjectManager"
#define WEB_PATH   "/org/vgpud1/vm/11111111_aaaa_1111_1111_111111111111"
#define NEW_UUID   "33333333-3333-3333-3333-333333333333"
#define NEW_PATH   "/org/vgpud1/vm/33333333_3333_3333_3333_333333333333"

typedef struct {
    GTestDBus *bus;
    ExampleModel *example;
    VgpuDBusService *service;
    GDBusConnection *client;
    GString *signals; /* "PATH MEMBER ARGUMENTS\n" each */
} Fixture;

static void on_signal(GDBusConnection *connection G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
                      const char *path, const char *interface G_GNUC_UNUSED, const char *name,
                      GVariant *arguments, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_autofree char *text = g_variant_print(arguments, FALSE);

    g_string_append_printf(fixture->signals, "%s %s %s\n", path, name, text);
}

static GVariant *get(Fixture *fixture, const char *path, const char *interface, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        bus_client_call(fixture->client, path, PROPERTIES, "Get",
                        g_variant_new("(ss)", interface, name), "(v)", &error);
    GVariant *value = NULL;

    assert_null(error);
    g_variant_get(reply, "(v)", &value);
    return value;
}

static guint64 requests(Fixture *fixture)
{
    g_autoptr(GVariant) value = get(fixture, WEB_PATH, "org.vgpud1.VM", "Requests");

    return g_variant_get_uint64(value);
}

/* All signals that were sent before now: a call's answer comes after them. */
static const char *signals(Fixture *fixture)
{
    requests(fixture);
    return fixture->signals->str;
}

static void assert_signal(Fixture *fixture, const char *part)
{
    if (strstr(signals(fixture), part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, fixture->signals->str);
}

static void assert_no_signal(Fixture *fixture, const char *part)
{
    if (strstr(signals(fixture), part) != NULL)
        fail_msg("\"%s\" is in:\n%s", part, fixture->signals->str);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->example = example_model_new();
    fixture->service = vgpu_dbus_service_new(g_test_dbus_get_bus_address(fixture->bus),
                                             &fixture->example->model, &fixture->example->actions);
    fixture->client = bus_client_connect(g_test_dbus_get_bus_address(fixture->bus));
    fixture->signals = g_string_new(NULL);
    bus_client_await_name(fixture->client, TRUE);
    g_dbus_connection_signal_subscribe(fixture->client, VGPU_DBUS_NAME, NULL, NULL, NULL, NULL,
                                       G_DBUS_SIGNAL_FLAGS_NONE, on_signal, fixture, NULL);
    requests(fixture); /* GIO asks who has the name; it hears nothing before the answer */
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
    g_string_free(fixture->signals, TRUE);
    g_free(fixture);
    return 0;
}

static void test_managed_objects(void **state)
{
    static const char *const paths[] = {"/org/vgpud1/pool/A", "/org/vgpud1/pool/B", WEB_PATH,
                                        "/org/vgpud1/vm/22222222_2222_2222_2222_222222222222"};
    Fixture *fixture = *state;
    const char *name = NULL;

    g_autoptr(GVariant) reply = bus_client_call(fixture->client, VGPU_DBUS_PATH, MANAGER,
                                                "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", NULL);
    assert_non_null(reply);
    g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
    assert_int_equal(g_variant_n_children(objects), G_N_ELEMENTS(paths));
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GVariant) object = g_variant_lookup_value(objects, paths[i], NULL);
        assert_non_null(object);
    }
    g_autoptr(GVariant) web = g_variant_lookup_value(objects, WEB_PATH, NULL);
    g_autoptr(GVariant) properties = g_variant_lookup_value(web, "org.vgpud1.VM", NULL);
    assert_int_equal(g_variant_n_children(properties), 42);
    assert_true(g_variant_lookup(properties, "Name", "&s", &name));
    assert_string_equal(name, "web");
}

/* A counter is read when asked for, and silent. */
static void test_counters(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(requests(fixture), 1000);
    atomic_store(&fixture->example->serving->page->requests, 1001);
    vgpu_session_changed(fixture->example->serving);
    assert_int_equal(requests(fixture), 1001);
    assert_string_equal(signals(fixture), "");
}

static void test_changes(void **state)
{
    Fixture *fixture = *state;
    VgpuSession *web = fixture->example->serving;

    web->priority = VGPU_PRIORITY_LOW;
    web->worker_pid = 77;
    vgpu_session_changed(web);
    assert_signal(fixture, WEB_PATH " PropertiesChanged ('org.vgpud1.VM', "
                                    "{'Priority': <'low'>, 'WorkerPid': <uint32 77>}, []");
    assert_signal(fixture, "/org/vgpud1 Event ('changed', '" EXAMPLE_UUID "', {");
    g_string_truncate(fixture->signals, 0);
    vgpu_session_changed(web);
    assert_string_equal(signals(fixture), "");
    vgpu_session_set_state(web, VGPU_SESSION_RESERVED);
    assert_signal(fixture, "{'State': <'reserved'>}, []");
    g_autoptr(GVariant) priority = get(fixture, WEB_PATH, "org.vgpud1.VM", "Priority");
    assert_string_equal(g_variant_get_string(priority, NULL), "low");
}

static void test_come_and_go(void **state)
{
    Fixture *fixture = *state;
    VgpuMember *member = vgpu_pools_place(fixture->example->pools, 'A', NULL);
    g_autoptr(VgpuSession) session =
        vgpu_session_new(NEW_UUID, "new", 5, 'A', VGPU_PRIORITY_LOW, member, NULL);

    vgpu_sessions_add(fixture->example->sessions, session);
    assert_signal(fixture, "/org/vgpud1 InterfacesAdded ('" NEW_PATH "', {'org.vgpud1.VM': {");
    assert_signal(fixture, "/org/vgpud1 Event ('started', '" NEW_UUID "'");
    assert_signal(
        fixture,
        "/org/vgpud1/pool/A PropertiesChanged ('org.vgpud1.Pool', {'Used': <uint32 2>}, []");
    assert_no_signal(fixture, "pool/B");
    g_autoptr(GVariant) name = get(fixture, NEW_PATH, "org.vgpud1.VM", "Name");
    assert_string_equal(g_variant_get_string(name, NULL), "new");

    g_string_truncate(fixture->signals, 0);
    vgpu_session_set_state(session, VGPU_SESSION_ENDED);
    vgpu_sessions_remove(fixture->example->sessions, NEW_UUID);
    assert_signal(fixture, "{'Used': <uint32 1>}");
    assert_signal(fixture, "InterfacesRemoved ('" NEW_PATH "', ['org.vgpud1.VM'])");
    assert_signal(fixture, "Event ('ended', '" NEW_UUID "'");

    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) gone =
        bus_client_call(fixture->client, NEW_PATH, PROPERTIES, "Get",
                        g_variant_new("(ss)", "org.vgpud1.VM", "Name"), "(v)", &error);
    assert_null(gone);
}

static void test_pool(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GVariant) rate =
        get(fixture, "/org/vgpud1/pool/A", "org.vgpud1.Pool", "RequestsPerSecond");
    g_autoptr(GVariant) members = get(fixture, "/org/vgpud1/pool/A", "org.vgpud1.Pool", "Members");

    assert_int_equal(g_variant_get_uint32(rate), 100);
    assert_int_equal(g_variant_n_children(members), 2);
}

/* A pool comes, one goes, one changes, with a VM in it. */
static void test_other_pools(void **state)
{
    Fixture *fixture = *state;
    VgpuPools *pools = fixture->example->pools, *next = vgpu_pools_new();
    const char *a = "[pool]\nname=A\npolicy=fair\n[member gpu1]\ndevice=0:1\n",
               *c = "[pool]\nname=C\n[member x]\n";

    assert_true(vgpu_pools_add(next, a, strlen(a), "a.conf", NULL));
    assert_true(vgpu_pools_add(next, c, strlen(c), "c.conf", NULL));
    vgpu_pools_merge(pools, next);
    vgpu_pools_free(next);
    vgpu_dbus_service_pools_changed(fixture->service);
    assert_signal(fixture, "/org/vgpud1 InterfacesAdded ('/org/vgpud1/pool/C', ");
    assert_signal(fixture,
                  "/org/vgpud1 InterfacesRemoved ('/org/vgpud1/pool/B', ['org.vgpud1.Pool'])");
    assert_signal(fixture, "'Policy': <'fair'>");
    assert_signal(fixture, "'Draining': <['gpu0']>");

    g_string_truncate(fixture->signals, 0);
    vgpu_session_set_state(fixture->example->serving, VGPU_SESSION_ENDED);
    assert_true(vgpu_pools_sweep(pools));
    vgpu_dbus_service_pools_changed(fixture->service);
    assert_signal(fixture, "'Draining': <@as []>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_managed_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_pools, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
