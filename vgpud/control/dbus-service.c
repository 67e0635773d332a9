/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus-service.h"

#include <gio/gio.h>

#include "dbus-methods.h"
#include "dbus-objects.h"
#include "events.h"

/* Seconds between two tries to reach the bus: doubled each time, up to the second one. */
#define RETRY_FIRST 1u
#define RETRY_MAX   60u

struct VgpuDBusService {
    char *bus;
    VgpuSessions *sessions; /* watched */
    VgpuEvents *events;
    VgpuDBusManager *manager;
    VgpuDBusMethods *methods;
    VgpuDBusObjects *objects;
    GCancellable *connecting;
    GDBusConnection *connection; /* NULL while there is none */
    gulong closed_id;
    guint owner_id;
    guint retry_id;
    guint retry_seconds; /* 0: nothing has failed since we were connected */
};

static void connect_to_bus(VgpuDBusService *service);

static void on_event(const char *kind, const char *uuid, GVariant *details, gpointer user_data)
{
    VgpuDBusService *service = user_data;

    vgpu_dbus_manager_emit_event(service->manager, kind, uuid, details);
}

/* The object comes before the event that tells of it. */
static void on_news(VgpuSession *session, VgpuSessionNews news, gpointer user_data)
{
    VgpuDBusService *service = user_data;

    vgpu_dbus_objects_look(service->objects, session, news);
    vgpu_events_look(service->events, session, news);
}

static void disconnect(VgpuDBusService *service)
{
    if (service->connection == NULL)
        return;
    g_clear_handle_id(&service->owner_id, g_bus_unown_name);
    vgpu_dbus_objects_connect(service->objects, NULL);
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(service->manager));
    g_clear_signal_handler(&service->closed_id, service->connection);
    g_dbus_connection_close(service->connection, NULL, NULL, NULL);
    g_clear_object(&service->connection);
}

static gboolean on_retry(gpointer user_data)
{
    VgpuDBusService *service = user_data;

    service->retry_id = 0;
    connect_to_bus(service);
    return G_SOURCE_REMOVE;
}

/* @problem and @error say what happened; they are logged for the first try only. */
static void retry_later(VgpuDBusService *service, const char *problem, const GError *error)
{
    if (service->retry_seconds == 0)
        g_warning("D-Bus: %s the bus \"%s\" (%s): VMs go on, but vgpuctl cannot reach vgpud; "
                  "trying again",
                  problem, service->bus, error != NULL ? error->message : "closed");
    service->retry_seconds =
        service->retry_seconds == 0 ? RETRY_FIRST : MIN(service->retry_seconds * 2, RETRY_MAX);
    service->retry_id = g_timeout_add_seconds(service->retry_seconds, on_retry, service);
}

static void on_closed(GDBusConnection *connection G_GNUC_UNUSED, gboolean by_peer G_GNUC_UNUSED,
                      GError *error, gpointer user_data)
{
    VgpuDBusService *service = user_data;

    disconnect(service);
    retry_later(service, "lost", error);
}

static void on_name_lost(GDBusConnection *connection, const char *name, gpointer user_data)
{
    VgpuDBusService *service = user_data;

    if (connection == NULL || g_dbus_connection_is_closed(connection))
        return;
    g_warning("D-Bus: cannot have the name %s on the bus \"%s\": another vgpud has it, or the "
              "bus's policy (org.vgpud1.conf) does not let this user own it",
              name, service->bus);
}

static gboolean serve(VgpuDBusService *service, GError **error)
{
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(service->manager),
                                          service->connection, VGPU_DBUS_PATH, error))
        return FALSE;
    vgpu_dbus_objects_connect(service->objects, service->connection);
    service->closed_id =
        g_signal_connect(service->connection, "closed", G_CALLBACK(on_closed), service);
    service->owner_id = g_bus_own_name_on_connection(service->connection, VGPU_DBUS_NAME,
                                                     G_BUS_NAME_OWNER_FLAGS_NONE, NULL,
                                                     on_name_lost, service, NULL);
    return TRUE;
}

static void on_connected(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_for_address_finish(result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the service is gone */

    VgpuDBusService *service = user_data;
    service->connection = connection;
    if (connection == NULL || !serve(service, &error)) {
        disconnect(service);
        retry_later(service, "cannot reach", error);
        return;
    }
    if (service->retry_seconds != 0)
        g_message("D-Bus: reached the bus \"%s\"", service->bus);
    service->retry_seconds = 0;
}

/* The address that @bus stands for; NULL with @error set when there is none now. */
static char *bus_address(const char *bus, GError **error)
{
    if (g_str_equal(bus, "system"))
        return g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    if (g_str_equal(bus, "session"))
        return g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, NULL, error);
    return g_strdup(bus);
}

static void connect_to_bus(VgpuDBusService *service)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address = bus_address(service->bus, &error);

    if (address == NULL) {
        retry_later(service, "cannot reach", error);
        return;
    }
    /* A connection of our own: GIO's shared ones end the process when the bus goes away. */
    g_dbus_connection_new_for_address(address,
                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                      NULL, service->connecting, on_connected, service);
}

static void watch(VgpuDBusService *service, VgpuSessions *sessions)
{
    g_autoptr(GPtrArray) present = vgpu_sessions_list(sessions);

    for (guint i = 0; i < present->len; i++)
        on_news(present->pdata[i], VGPU_SESSION_NEWS_ADDED, service);
    service->sessions = sessions;
    vgpu_sessions_watch(sessions, on_news, service);
}

VgpuDBusService *vgpu_dbus_service_new(const char *bus, const VgpuModel *model,
                                       const VgpuActions *actions)
{
    VgpuDBusService *service = g_new0(VgpuDBusService, 1);

    service->bus = g_strdup(bus);
    service->connecting = g_cancellable_new();
    service->manager = vgpu_dbus_manager_skeleton_new();
    service->events = vgpu_events_new(on_event, service);
    service->methods = vgpu_dbus_methods_new(service->manager, model, actions, service->events);
    service->objects = vgpu_dbus_objects_new(model);
    watch(service, model->sessions);
    connect_to_bus(service);
    return service;
}

void vgpu_dbus_service_pools_changed(VgpuDBusService *service)
{
    vgpu_dbus_objects_pools_changed(service->objects);
}

void vgpu_dbus_service_device_drained(VgpuDBusService *service, const char *key,
                                      const char *const *members, const char *reason)
{
    vgpu_dbus_objects_pools_changed(service->objects);
    vgpu_events_device_drained(service->events, key, members, reason);
}

void vgpu_dbus_service_free(VgpuDBusService *service)
{
    if (service == NULL)
        return;
    vgpu_sessions_watch(service->sessions, NULL, NULL);
    g_cancellable_cancel(service->connecting);
    g_clear_handle_id(&service->retry_id, g_source_remove);
    vgpu_dbus_methods_free(service->methods);
    disconnect(service);
    vgpu_dbus_objects_free(service->objects);
    vgpu_events_free(service->events);
    g_object_unref(service->manager);
    g_object_unref(service->connecting);
    g_free(service->bus);
    g_free(service);
}
