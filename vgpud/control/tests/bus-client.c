/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-client.h"

#include "dbus-service.h"

GDBusConnection *bus_client_connect(const char *address)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    g_assert_no_error(error);
    return connection;
}

static void on_appeared(GDBusConnection *connection G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                        const char *owner G_GNUC_UNUSED, gpointer user_data)
{
    *(gboolean *)user_data = TRUE;
}

static void on_vanished(GDBusConnection *connection G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                        gpointer user_data)
{
    *(gboolean *)user_data = FALSE;
}

void bus_client_await_name(GDBusConnection *client, gboolean owned)
{
    gboolean now = !owned;
    guint watch =
        g_bus_watch_name_on_connection(client, VGPU_DBUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                       on_appeared, on_vanished, &now, NULL);

    while (now != owned)
        g_main_context_iteration(NULL, TRUE);
    g_bus_unwatch_name(watch);
}

static void on_result(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    *(GAsyncResult **)user_data = g_object_ref(result);
}

GVariant *bus_client_call(GDBusConnection *client, const char *path, const char *interface,
                          const char *method, GVariant *arguments, const char *type, GError **error)
{
    g_autoptr(GAsyncResult) result = NULL;

    g_dbus_connection_call(client, VGPU_DBUS_NAME, path, interface, method, arguments,
                           G_VARIANT_TYPE(type), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL,
                           on_result, &result);
    while (result == NULL)
        g_main_context_iteration(NULL, TRUE);
    return g_dbus_connection_call_finish(client, result, error);
}

GVariant *bus_client_manager(GDBusConnection *client, const char *method, GVariant *arguments,
                             const char *type, GError **error)
{
    return bus_client_call(client, VGPU_DBUS_PATH, "org.vgpud1.Manager", method, arguments, type,
                           error);
}

static const char system_like[] =
    "<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context='default'>"
    "<allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
    "<allow send_type='signal'/><allow send_requested_reply='true' send_type='method_return'/>"
    "<allow send_requested_reply='true' send_type='error'/><allow receive_type='*'/>"
    "<allow send_destination='org.freedesktop.DBus'/>"
    /* As polkit's own policy has it. */
    "<allow send_destination='org.freedesktop.PolicyKit1'/></policy>"
    "<policy user='65534'><allow own='org.freedesktop.PolicyKit1'/></policy>"
    "<include>%s</include></busconfig>";

GSubprocess *bus_client_start_system_like(const char *folder, const char *address,
                                          const char *policy)
{
    g_autofree char *path = g_build_filename(folder, "bus.conf", NULL);
    g_autofree char *text = g_strdup_printf(system_like, address, policy);
    g_autofree char *option = g_strconcat("--config-file=", path, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    GSubprocess *daemon = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, "dbus-daemon",
                                           "--nofork", "--print-address", option, NULL);
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(daemon));
    g_autofree char *up = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    g_assert_nonnull(up);
    return daemon;
}
