/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus-live.h"

#define CHANGE_ANNOTATION "org.freedesktop.DBus.Property.EmitsChangedSignal"

struct _VgpuDBusLive {
    GDBusInterfaceSkeleton parent_instance;
    GDBusInterfaceInfo *info;
    VgpuDBusRead read;
    gpointer source;
    GVariant *announced; /* a{sv}: the values that listeners know */
};

G_DEFINE_TYPE(VgpuDBusLive, vgpu_dbus_live, G_TYPE_DBUS_INTERFACE_SKELETON)

/* "QemuPid" -> "qemu-pid" */
static char *property_key(const char *name)
{
    GString *key = g_string_new(NULL);

    for (const char *c = name; *c != '\0'; c++) {
        if (g_ascii_isupper(*c) && c != name)
            g_string_append_c(key, '-');
        g_string_append_c(key, g_ascii_tolower(*c));
    }
    return g_string_free(key, FALSE);
}

static GVariant *take(GVariant *values, const GDBusPropertyInfo *property)
{
    g_autofree char *key = property_key(property->name);
    GVariant *value = g_variant_lookup_value(values, key, G_VARIANT_TYPE(property->signature));

    g_assert(value != NULL); /* the interface's XML and the model disagree */
    return value;
}

static GVariant *read_all(const VgpuDBusLive *live)
{
    return g_variant_ref_sink(live->read(live->source));
}

static gboolean has_signal(const GDBusPropertyInfo *property)
{
    const char *how = g_dbus_annotation_info_lookup(property->annotations, CHANGE_ANNOTATION);

    return how == NULL || g_str_equal(how, "true");
}

/* The properties as a{sv} by their D-Bus names, floating; @all: also those without signals. */
static GVariant *properties(const VgpuDBusLive *live, gboolean all)
{
    g_autoptr(GVariant) values = read_all(live);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; live->info->properties[i] != NULL; i++) {
        const GDBusPropertyInfo *property = live->info->properties[i];
        if (!all && !has_signal(property))
            continue;
        g_autoptr(GVariant) value = take(values, property);
        g_variant_builder_add(&dict, "{sv}", property->name, value);
    }
    return g_variant_builder_end(&dict);
}

static GVariant *get_property(GDBusConnection *connection G_GNUC_UNUSED,
                              const char *sender G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
                              const char *interface G_GNUC_UNUSED, const char *name,
                              GError **error G_GNUC_UNUSED, gpointer user_data)
{
    VgpuDBusLive *live = user_data;
    g_autoptr(GVariant) values = read_all(live);

    return take(values, g_dbus_interface_info_lookup_property(live->info, name));
}

/* The keys of @now whose value is another one in @before, as a{sv}, floating. */
static GVariant *difference(GVariant *before, GVariant *now)
{
    GVariantBuilder dict;
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_iter_init(&iter, now);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        g_autoptr(GVariant) old = g_variant_lookup_value(before, name, NULL);
        if (old == NULL || !g_variant_equal(old, value))
            g_variant_builder_add(&dict, "{sv}", name, value);
    }
    return g_variant_builder_end(&dict);
}

static void send_changes(VgpuDBusLive *live, GVariant *changes)
{
    GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON(live);
    const char *path = g_dbus_interface_skeleton_get_object_path(skeleton);
    GList *connections = g_dbus_interface_skeleton_get_connections(skeleton);

    for (const GList *link = connections; link != NULL; link = link->next)
        g_dbus_connection_emit_signal(
            link->data, NULL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
            g_variant_new("(s@a{sv}as)", live->info->name, changes, NULL), NULL);
    g_list_free_full(connections, g_object_unref);
}

void vgpu_dbus_live_update(VgpuDBusLive *live)
{
    GVariant *now = g_variant_ref_sink(properties(live, FALSE));
    g_autoptr(GVariant) changes = g_variant_ref_sink(difference(live->announced, now));

    g_variant_unref(live->announced);
    live->announced = now;
    if (g_variant_n_children(changes) > 0)
        send_changes(live, changes);
}

static GDBusInterfaceInfo *get_info(GDBusInterfaceSkeleton *skeleton)
{
    return VGPU_DBUS_LIVE(skeleton)->info;
}

static GDBusInterfaceVTable *get_vtable(GDBusInterfaceSkeleton *skeleton G_GNUC_UNUSED)
{
    static GDBusInterfaceVTable vtable = {.get_property = get_property};

    return &vtable;
}

static GVariant *get_properties(GDBusInterfaceSkeleton *skeleton)
{
    return properties(VGPU_DBUS_LIVE(skeleton), TRUE);
}

/* Nothing is ever put off. */
static void flush(GDBusInterfaceSkeleton *skeleton G_GNUC_UNUSED)
{
}

static void finalize(GObject *object)
{
    g_variant_unref(VGPU_DBUS_LIVE(object)->announced);
    G_OBJECT_CLASS(vgpu_dbus_live_parent_class)->finalize(object);
}

static void vgpu_dbus_live_class_init(VgpuDBusLiveClass *class)
{
    GDBusInterfaceSkeletonClass *skeleton = G_DBUS_INTERFACE_SKELETON_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = finalize;
    skeleton->get_info = get_info;
    skeleton->get_vtable = get_vtable;
    skeleton->get_properties = get_properties;
    skeleton->flush = flush;
}

static void vgpu_dbus_live_init(VgpuDBusLive *live G_GNUC_UNUSED)
{
}

VgpuDBusLive *vgpu_dbus_live_new(GDBusInterfaceInfo *info, VgpuDBusRead read, gpointer source)
{
    VgpuDBusLive *live = g_object_new(VGPU_TYPE_DBUS_LIVE, NULL);

    live->info = info;
    live->read = read;
    live->source = source;
    live->announced = g_variant_ref_sink(properties(live, FALSE));
    return live;
}
