/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

/* vgpud answers from memory; after so long it hangs. */
#define TIMEOUT_MS 10000

G_DEFINE_QUARK(vgpuctl_error, vgpuctl_error)

static char *bus_address(const char *bus, GError **error)
{
    if (g_str_equal(bus, "system"))
        return g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    if (g_str_equal(bus, "session"))
        return g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, NULL, error);
    return g_strdup(bus);
}

GDBusConnection *vgpuctl_connect(const char *bus, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *address = bus_address(bus, &failure);
    GDBusConnection *connection = NULL;

    if (address != NULL)
        connection = g_dbus_connection_new_for_address_sync(
            address,
            G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
            NULL, NULL, &failure);
    if (connection == NULL)
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_NOT_RUNNING,
                    "cannot reach the D-Bus \"%s\": %s; vgpud's bus is set by bus= in vgpud.conf "
                    "and --bus here",
                    bus, failure->message);
    return connection;
}

/* What @failure of a call means. */
static void set_call_error(GError **error, GError *failure)
{
    if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_NOT_RUNNING,
                            "vgpud is not running on this bus: start it (systemctl start vgpud; "
                            "journalctl -u vgpud says why it stopped), or name its bus with --bus");
    } else if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED,
                            "permission denied: vgpud answers root and the members of group vgpud");
    } else if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
               g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED, "vgpud did not answer");
    } else {
        g_dbus_error_strip_remote_error(failure);
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED, failure->message);
    }
}

GVariant *vgpuctl_call(GDBusConnection *connection, const char *method, GVariant *arguments,
                       const char *type, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *reply_type = g_strdup_printf("(%s)", type);
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        connection, "org.vgpud1", "/org/vgpud1", "org.vgpud1.Manager", method, arguments,
        G_VARIANT_TYPE(reply_type), G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MS, NULL, &failure);

    if (reply == NULL) {
        set_call_error(error, failure);
        return NULL;
    }
    return g_variant_get_child_value(reply, 0);
}
