/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-plug.h"

#include "host-qmp.h"
#include "session.h"
#include "vgpu-codec.h"

#define DEVICE_PATH "/machine/peripheral/" VGPU_ID_DEVICE

/*
 * A guest must give the device back, and one that is still booting does not hear that it should:
 * QEMU is told again and again. How long, until it is left with the guest.
 */
#define OUT_INTERVAL_MS 500
#define OUT_TRIES       20

/* A monitor that takes longer is worth a warning. */
#define SLOW_S 10

VgpuHostPlug *vgpu_host_plug_new(VgpuHostShared *shared, VgpuHostPlugKind kind, const char *uuid,
                                 const char *name, int id)
{
    VgpuHostPlug *plug = g_atomic_rc_box_new0(VgpuHostPlug);

    plug->shared = vgpu_host_shared_ref(shared);
    plug->kind = kind;
    plug->uuid = g_strdup(uuid);
    plug->name = g_strdup(name);
    plug->id = id;
    return plug;
}

static void clear_plug(gpointer data)
{
    VgpuHostPlug *plug = data;

    vgpu_host_shared_unref(plug->shared);
    g_free(plug->uuid);
    g_free(plug->name);
    g_free(plug->socket_path);
    g_clear_error(&plug->error);
}

void vgpu_host_plug_unref(VgpuHostPlug *plug)
{
    g_atomic_rc_box_release_full(plug, clear_plug);
}

static JsonObject *with_id(const char *id)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "id", id);
    return object;
}

static gboolean execute(virDomainPtr domain, const char *command, JsonObject *arguments,
                        GError **error)
{
    g_autoptr(JsonNode) result = vgpu_host_qmp(domain, command, arguments, error);

    return result != NULL;
}

static JsonObject *object_in(JsonObject *parent, const char *name)
{
    JsonObject *object = json_object_new();

    json_object_set_object_member(parent, name, object);
    return object;
}

static gboolean add_chardev(VgpuHostPlug *plug, virDomainPtr domain, GError **error)
{
    JsonObject *arguments = with_id(VGPU_ID_CHARDEV);
    JsonObject *backend = object_in(arguments, "backend");
    JsonObject *data, *address;

    json_object_set_string_member(backend, "type", "socket");
    data = object_in(backend, "data");
    address = object_in(data, "addr");
    json_object_set_string_member(address, "type", "unix");
    json_object_set_string_member(object_in(address, "data"), "path", plug->socket_path);
    json_object_set_boolean_member(data, "server", FALSE);
    json_object_set_int_member(data, "reconnect", 1);
    return execute(domain, "chardev-add", arguments, error);
}

/*
 * What a device behind a port has for its queues: the firmware gave an empty port a window of 2 MiB
 * of prefetchable memory (SeaBIOS), or what the port's pref64-reserve says, and Linux does not
 * widen it at a hot-plug. On i440fx the device sits on the root bus, where there is room for the
 * default.
 */
#define ROOT_BUS      "pci.0"
#define PORT_SHM_SIZE G_GINT64_CONSTANT(0x200000)
#define MAX_SHM_SIZE  G_GINT64_CONSTANT(0x4000000) /* the device's default */

static JsonNode *read_object(virDomainPtr domain, const char *path, const char *property,
                             GError **error)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    return vgpu_host_qmp(domain, "qom-get", arguments, error);
}

/* The largest BAR that fits behind the port @bus, whose id libvirt gives to the bus. */
static gint64 port_shm_size(virDomainPtr domain, const char *bus)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", bus, NULL);
    g_autoptr(JsonNode) node = read_object(domain, path, "pref64-reserve", NULL);
    gint64 size = PORT_SHM_SIZE;

    if (node == NULL || json_node_get_value_type(node) != G_TYPE_INT64)
        return size;
    /* Not set is the largest number that there is. */
    const gint64 reserve = json_node_get_int(node);
    while (reserve < G_MAXINT64 && size < MAX_SHM_SIZE && 2 * size <= reserve)
        size *= 2;
    return size;
}

static gboolean add_device(VgpuHostPlug *plug, virDomainPtr domain, GError **error)
{
    const char pool[] = {plug->config.pool, '\0'};
    JsonObject *arguments = with_id(VGPU_ID_DEVICE);

    json_object_set_string_member(arguments, "driver", "vgpu-stub");
    json_object_set_string_member(arguments, "bus", plug->place.bus);
    json_object_set_string_member(arguments, "addr", plug->place.addr);
    json_object_set_string_member(arguments, "chardev", VGPU_ID_CHARDEV);
    json_object_set_string_member(arguments, "pool", pool);
    json_object_set_string_member(arguments, "priority", vgpu_priority_name(plug->config.priority));
    json_object_set_int_member(arguments, "vm-id", plug->vm_id);
    if (strcmp(plug->place.bus, ROOT_BUS) != 0)
        json_object_set_int_member(arguments, "shm-size", port_shm_size(domain, plug->place.bus));
    return execute(domain, "device_add", arguments, error);
}

static JsonNode *read_property(virDomainPtr domain, const char *property, GError **error)
{
    return read_object(domain, DEVICE_PATH, property, error);
}

/* FALSE: no device of ours has these. */
static gboolean take_properties(VgpuHostPlug *plug, JsonNode *number, JsonNode *pool,
                                JsonNode *priority)
{
    if (json_node_get_value_type(number) != G_TYPE_INT64 ||
        json_node_get_value_type(pool) != G_TYPE_STRING ||
        json_node_get_value_type(priority) != G_TYPE_STRING)
        return FALSE;
    gint64 vm_id = json_node_get_int(number);
    const char *letter = json_node_get_string(pool);
    if (vm_id < 1 || vm_id > VGPU_VM_ID_MAX || !g_ascii_isupper(letter[0]) || letter[1] != '\0' ||
        !vgpu_config_parse_priority(json_node_get_string(priority), &plug->config.priority))
        return FALSE;
    plug->vm_id = (guint32)vm_id;
    plug->config.pool = letter[0];
    return TRUE;
}

/* Without an error when there is no device. */
static gboolean probe(VgpuHostPlug *plug, virDomainPtr domain, GError **error)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(JsonNode) number = read_property(domain, "vm-id", &missing);

    if (g_error_matches(missing, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_NO_DEVICE))
        return TRUE;
    if (number == NULL) {
        g_propagate_error(error, g_steal_pointer(&missing));
        return FALSE;
    }
    g_autoptr(JsonNode) pool = read_property(domain, "pool", error);
    g_autoptr(JsonNode) priority = pool != NULL ? read_property(domain, "priority", error) : NULL;
    if (priority == NULL)
        return FALSE;
    if (take_properties(plug, number, pool, priority))
        return TRUE;
    g_set_error_literal(error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_REFUSED,
                        "its device is not as vgpud made it");
    return FALSE;
}

static gboolean plug_in(VgpuHostPlug *plug, virDomainPtr domain, GError **error)
{
    /* One may be left: of a device that went with a reset, or of a vgpud that ended in between. */
    execute(domain, "chardev-remove", with_id(VGPU_ID_CHARDEV), NULL);
    if (!add_chardev(plug, domain, error))
        return FALSE;
    if (add_device(plug, domain, error))
        return TRUE;
    execute(domain, "chardev-remove", with_id(VGPU_ID_CHARDEV), NULL);
    return FALSE;
}

/* The device is gone when QEMU no longer knows what to delete: no event can be missed. */
static gboolean plug_out(virDomainPtr domain, GError **error)
{
    for (guint i = 0; i < OUT_TRIES; i++) {
        g_autoptr(GError) missing = NULL;

        if (!execute(domain, "device_del", with_id(VGPU_ID_DEVICE), &missing)) {
            if (g_error_matches(missing, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_NO_DEVICE)) {
                execute(domain, "chardev-remove", with_id(VGPU_ID_CHARDEV), NULL);
                return TRUE;
            }
            if (!g_error_matches(missing, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_REFUSED)) {
                g_propagate_error(error, g_steal_pointer(&missing));
                return FALSE;
            }
        }
        g_usleep(OUT_INTERVAL_MS * 1000);
    }
    g_set_error(error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_REFUSED,
                "its guest has not given the device back within %d s; it goes with the guest's "
                "next reset",
                OUT_TRIES * OUT_INTERVAL_MS / 1000);
    return FALSE;
}

static gboolean carry_out(VgpuHostPlug *plug, virConnectPtr connection, GError **error)
{
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, plug->uuid);

    if (domain == NULL || (int)virDomainGetID(domain) != plug->id) {
        g_set_error_literal(error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_LIBVIRT,
                            "it has stopped meanwhile");
        return FALSE;
    }
    switch (plug->kind) {
    case VGPU_HOST_PLUG_PROBE:
        return probe(plug, domain, error);
    case VGPU_HOST_PLUG_IN:
        return plug_in(plug, domain, error);
    default:
        return plug_out(domain, error);
    }
}

static gboolean has_ended(VgpuHostShared *shared)
{
    g_async_queue_lock(shared->plugged);
    gboolean ended = shared->ended;
    g_async_queue_unlock(shared->plugged);
    return ended;
}

/* A result that stayed would keep what it lies in, and itself, for ever. */
static void hand_in(VgpuHostPlug *plug)
{
    g_async_queue_lock(plug->shared->plugged);
    if (!plug->shared->ended)
        g_async_queue_push_unlocked(plug->shared->plugged, g_atomic_rc_box_acquire(plug));
    g_async_queue_unlock(plug->shared->plugged);
}

static void run(gpointer data, gpointer user_data G_GNUC_UNUSED)
{
    g_autoptr(VgpuHostPlug) plug = data;

    if (has_ended(plug->shared))
        return;
    virConnectPtr connection = virConnectOpen(plug->shared->uri);
    if (connection != NULL) {
        virConnectSetKeepAlive(connection, VGPU_HOST_KEEPALIVE_S, VGPU_HOST_KEEPALIVE_COUNT);
        carry_out(plug, connection, &plug->error);
        virConnectClose(connection);
    } else {
        g_autofree char *reason = vgpu_host_libvirt_error();

        g_set_error_literal(&plug->error, VGPU_HOST_QMP_ERROR, VGPU_HOST_QMP_ERROR_LIBVIRT, reason);
    }
    g_atomic_int_set(&plug->finished, TRUE);
    hand_in(plug);
    vgpu_host_work_add(plug->shared->work, plug->uuid);
}

GThreadPool *vgpu_host_plug_pool_new(void)
{
    return g_thread_pool_new(run, NULL, VGPU_HOST_PLUG_MAX, FALSE, NULL);
}

void vgpu_host_plug_pool_free(GThreadPool *pool, VgpuHostShared *shared)
{
    VgpuHostPlug *plug;

    g_async_queue_lock(shared->plugged);
    shared->ended = TRUE;
    while ((plug = g_async_queue_try_pop_unlocked(shared->plugged)) != NULL)
        vgpu_host_plug_unref(plug);
    g_async_queue_unlock(shared->plugged);
    g_thread_pool_free(pool, FALSE, FALSE); /* those that wait see that it is over */
}

static gboolean on_slow(gpointer data)
{
    VgpuHostPlug *plug = data;

    if (!g_atomic_int_get(&plug->finished) && plug->shared->receiver != NULL)
        g_warning("domain '%s': its QEMU has not answered on its monitor for %d s; its vgpu device "
                  "waits for that",
                  plug->name, SLOW_S);
    return G_SOURCE_REMOVE;
}

void vgpu_host_plug_start(GThreadPool *pool, VgpuHostPlug *plug)
{
    /* Giving a device back is slow by nature. */
    if (plug->kind != VGPU_HOST_PLUG_OUT)
        g_timeout_add_seconds_full(G_PRIORITY_DEFAULT, SLOW_S, on_slow,
                                   g_atomic_rc_box_acquire(plug),
                                   (GDestroyNotify)vgpu_host_plug_unref);
    g_thread_pool_push(pool, plug, NULL);
}
