/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#define READ_TIMEOUT_MS   10000  /* vgpud answers from memory; after so long it hangs */
#define CHANGE_TIMEOUT_MS 300000 /* libvirt takes its time, and so does typing a password */

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

void vgpuctl_set_not_running(GError **error)
{
    g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_NOT_RUNNING,
                        "vgpud is not running on this bus: start it (systemctl start vgpud; "
                        "journalctl -u vgpud says why it stopped), or name its bus with --bus");
}

void vgpuctl_set_call_error(GError **error, GError *failure, gboolean by_bus)
{
    if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)) {
        vgpuctl_set_not_running(error);
    } else if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) && by_bus) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_DENIED,
                            "permission denied: vgpud answers root and the members of group vgpud");
    } else if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)) {
        g_dbus_error_strip_remote_error(failure);
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_DENIED, "permission denied: %s",
                    failure->message);
    } else if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
               g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED, "vgpud did not answer");
    } else {
        g_dbus_error_strip_remote_error(failure);
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED, failure->message);
    }
}

/* Sends @message, which it takes, and returns the answer's body, of @type; NULL with @error set. */
static GVariant *send_and_wait(GDBusConnection *connection, GDBusMessage *message, int timeout_ms,
                               const char *type, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GDBusMessage) reply = g_dbus_connection_send_message_with_reply_sync(
        connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, timeout_ms, NULL, NULL, &failure);

    g_object_unref(message);
    if (reply == NULL || g_dbus_message_to_gerror(reply, &failure)) {
        const char *sender = reply == NULL ? NULL : g_dbus_message_get_sender(reply);
        vgpuctl_set_call_error(error, failure, g_strcmp0(sender, "org.freedesktop.DBus") == 0);
        return NULL;
    }
    GVariant *body = g_dbus_message_get_body(reply);
    if (body == NULL && *type == '\0')
        return g_variant_ref_sink(g_variant_new("()"));
    g_autofree char *expected = g_strdup_printf("(%s)", type);
    if (body != NULL && g_variant_is_of_type(body, G_VARIANT_TYPE(expected)))
        return g_variant_ref(body);
    g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED,
                        "vgpud's answer is of an unknown kind: is it of another version?");
    return NULL;
}

static GDBusMessage *new_call(const char *method, GVariant *arguments)
{
    GDBusMessage *message =
        g_dbus_message_new_method_call(VGPUCTL_NAME, VGPUCTL_PATH, VGPUCTL_INTERFACE, method);

    if (arguments != NULL)
        g_dbus_message_set_body(message, arguments);
    return message;
}

GVariant *vgpuctl_call(GDBusConnection *connection, const char *method, GVariant *arguments,
                       const char *type, GError **error)
{
    g_autoptr(GVariant) body =
        send_and_wait(connection, new_call(method, arguments), READ_TIMEOUT_MS, type, error);

    return body == NULL ? NULL : g_variant_get_child_value(body, 0);
}

gboolean vgpuctl_change(GDBusConnection *connection, const char *method, GVariant *arguments,
                        GError **error)
{
    GDBusMessage *message = new_call(method, arguments);

    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
    g_autoptr(GVariant) body = send_and_wait(connection, message, CHANGE_TIMEOUT_MS, "", error);
    return body != NULL;
}
