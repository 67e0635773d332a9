/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#define FILE_NAME "state.json"
#define VERSION   1

struct VgpuStateFile {
    char *path;
    GHashTable *quarantines; /* uuid -> VgpuQuarantine */
    GHashTable *draining;    /* "POOL/NAME" -> the reason, NULL: an operator's will */
};

static void quarantine_free(gpointer data)
{
    vgpu_quarantine_clear(data);
    g_free(data);
}

/* That of the VM, made if it has none yet. */
static VgpuQuarantine *of(VgpuStateFile *self, const char *uuid)
{
    VgpuQuarantine *quarantine = g_hash_table_lookup(self->quarantines, uuid);

    if (quarantine == NULL) {
        quarantine = g_new0(VgpuQuarantine, 1);
        g_hash_table_insert(self->quarantines, g_strdup(uuid), quarantine);
    }
    return quarantine;
}

/* The member's value; the type is checked. */
static gboolean read_number(JsonObject *object, const char *key, gint64 *number)
{
    JsonNode *node = json_object_get_member(object, key);

    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    *number = json_node_get_int(node);
    return TRUE;
}

/* Borrowed; NULL: it is no text. */
static const char *text_of(JsonNode *node)
{
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

/* *table NULL: there is no such member, as in the files of former versions. */
static gboolean read_table(JsonObject *object, const char *key, JsonObject **table)
{
    JsonNode *node = json_object_get_member(object, key);

    *table = node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    return node == NULL || *table != NULL;
}

static gboolean read_quarantined(VgpuStateFile *self, JsonObject *object)
{
    JsonObject *table;
    JsonObjectIter iter;
    const char *uuid;
    JsonNode *node;

    if (!read_table(object, "quarantined", &table) || table == NULL)
        return FALSE;
    json_object_iter_init(&iter, table);
    while (json_object_iter_next(&iter, &uuid, &node)) {
        if (!g_uuid_string_is_valid(uuid) || !read_number(table, uuid, &of(self, uuid)->until_us))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_offender(VgpuQuarantine *quarantine, JsonNode *node)
{
    gint64 level, forget_us;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return FALSE;
    JsonObject *object = json_node_get_object(node);
    const char *reason = text_of(json_object_get_member(object, "reason"));
    if (!read_number(object, "level", &level) || level < 0 || level > 64 ||
        !read_number(object, "forget", &forget_us) || reason == NULL)
        return FALSE;
    quarantine->level = (guint)level;
    quarantine->forget_us = forget_us;
    g_free(quarantine->reason);
    quarantine->reason = *reason != '\0' ? g_strdup(reason) : NULL;
    return TRUE;
}

static gboolean read_offenders(VgpuStateFile *self, JsonObject *object)
{
    JsonObject *table;
    JsonObjectIter iter;
    const char *uuid;
    JsonNode *node;

    if (!read_table(object, "offenders", &table))
        return FALSE;
    if (table == NULL)
        return TRUE;
    json_object_iter_init(&iter, table);
    while (json_object_iter_next(&iter, &uuid, &node)) {
        if (!g_uuid_string_is_valid(uuid) || !read_offender(of(self, uuid), node))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_draining(VgpuStateFile *self, JsonObject *object)
{
    JsonNode *list = json_object_get_member(object, "draining");
    JsonObject *reasons;

    if (!read_table(object, "drain-reasons", &reasons))
        return FALSE;
    if (list == NULL)
        return TRUE;
    if (!JSON_NODE_HOLDS_ARRAY(list))
        return FALSE;
    JsonArray *names = json_node_get_array(list);
    for (guint i = 0; i < json_array_get_length(names); i++) {
        const char *name = text_of(json_array_get_element(names, i));
        if (name == NULL)
            return FALSE;
        JsonNode *reason = reasons != NULL ? json_object_get_member(reasons, name) : NULL;
        if (reason != NULL && text_of(reason) == NULL)
            return FALSE;
        g_hash_table_insert(self->draining, g_strdup(name), g_strdup(text_of(reason)));
    }
    return TRUE;
}

static gboolean read_text(VgpuStateFile *self, const char *text, gsize length)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    gint64 version;

    if (!json_parser_load_from_data(parser, text, (gssize)length, NULL))
        return FALSE;
    JsonNode *root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
        return FALSE;
    JsonObject *object = json_node_get_object(root);
    return read_number(object, "version", &version) && version == VERSION &&
           read_quarantined(self, object) && read_offenders(self, object) &&
           read_draining(self, object);
}

static void set_aside(VgpuStateFile *self)
{
    g_autofree char *aside = g_strconcat(self->path, ".corrupt", NULL);

    g_hash_table_remove_all(self->quarantines);
    g_hash_table_remove_all(self->draining);
    if (g_rename(self->path, aside) == 0)
        g_warning("%s cannot be understood: moved to %s; what it held, quarantines and draining "
                  "members, is lost, all "
                  "else is read from libvirt",
                  self->path, aside);
    else
        g_warning("%s cannot be understood, nor moved away: %s", self->path, g_strerror(errno));
}

VgpuStateFile *vgpu_state_file_open(const char *run_dir)
{
    VgpuStateFile *self = g_new0(VgpuStateFile, 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize length;

    self->path = g_build_filename(run_dir, FILE_NAME, NULL);
    self->quarantines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, quarantine_free);
    self->draining = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (g_file_get_contents(self->path, &text, &length, &error)) {
        if (!read_text(self, text, length))
            set_aside(self);
    } else if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_warning("%s", error->message);
    }
    return self;
}

void vgpu_state_file_get_quarantine(const VgpuStateFile *self, const char *uuid,
                                    VgpuQuarantine *quarantine)
{
    const VgpuQuarantine *known = g_hash_table_lookup(self->quarantines, uuid);

    if (known != NULL)
        vgpu_quarantine_copy(quarantine, known);
}

static void add_quarantines(const VgpuStateFile *self, JsonBuilder *builder)
{
    GHashTableIter iter;
    gpointer uuid, value;

    json_builder_set_member_name(builder, "quarantined");
    json_builder_begin_object(builder);
    g_hash_table_iter_init(&iter, self->quarantines);
    while (g_hash_table_iter_next(&iter, &uuid, &value)) {
        json_builder_set_member_name(builder, uuid);
        json_builder_add_int_value(builder, ((const VgpuQuarantine *)value)->until_us);
    }
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "offenders");
    json_builder_begin_object(builder);
    g_hash_table_iter_init(&iter, self->quarantines);
    while (g_hash_table_iter_next(&iter, &uuid, &value)) {
        const VgpuQuarantine *quarantine = value;
        json_builder_set_member_name(builder, uuid);
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "level");
        json_builder_add_int_value(builder, quarantine->level);
        json_builder_set_member_name(builder, "forget");
        json_builder_add_int_value(builder, quarantine->forget_us);
        json_builder_set_member_name(builder, "reason");
        json_builder_add_string_value(builder,
                                      quarantine->reason != NULL ? quarantine->reason : "");
        json_builder_end_object(builder);
    }
    json_builder_end_object(builder);
}

static void add_draining(const VgpuStateFile *self, JsonBuilder *builder)
{
    GHashTableIter iter;
    gpointer name, reason;

    json_builder_set_member_name(builder, "draining");
    json_builder_begin_array(builder);
    g_hash_table_iter_init(&iter, self->draining);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        json_builder_add_string_value(builder, name);
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "drain-reasons");
    json_builder_begin_object(builder);
    g_hash_table_iter_init(&iter, self->draining);
    while (g_hash_table_iter_next(&iter, &name, &reason)) {
        if (reason == NULL)
            continue;
        json_builder_set_member_name(builder, name);
        json_builder_add_string_value(builder, reason);
    }
    json_builder_end_object(builder);
}

static void write_file(const VgpuStateFile *self)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GError) error = NULL;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "version");
    json_builder_add_int_value(builder, VERSION);
    add_quarantines(self, builder);
    add_draining(self, builder);
    json_builder_end_object(builder);

    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    /* By a new file and a rename: a vgpud that is killed leaves the old one or the new one. */
    if (!g_file_set_contents_full(self->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                  &error))
        g_warning("%s; a vgpud that is started again will not know of this", error->message);
}

static gboolean matters(const VgpuQuarantine *quarantine, gint64 now_us)
{
    return quarantine->until_us > now_us ||
           (quarantine->level > 0 && quarantine->forget_us > now_us);
}

static gboolean is_of_the_past(gpointer uuid G_GNUC_UNUSED, gpointer quarantine, gpointer now_us)
{
    return !matters(quarantine, *(const gint64 *)now_us);
}

void vgpu_state_file_set_quarantine(VgpuStateFile *self, const char *uuid,
                                    const VgpuQuarantine *quarantine, gint64 now_us)
{
    const VgpuQuarantine *known = g_hash_table_lookup(self->quarantines, uuid);

    if (known == NULL
            ? !matters(quarantine, now_us)
            : known->until_us == quarantine->until_us && known->level == quarantine->level &&
                  known->forget_us == quarantine->forget_us &&
                  g_strcmp0(known->reason, quarantine->reason) == 0)
        return;
    vgpu_quarantine_copy(of(self, uuid), quarantine);
    g_hash_table_foreach_remove(self->quarantines, is_of_the_past, &now_us);
    write_file(self);
}

gboolean vgpu_state_file_draining(const VgpuStateFile *self, const char *member, char **reason)
{
    gpointer known = NULL;
    const gboolean is = g_hash_table_lookup_extended(self->draining, member, NULL, &known);

    *reason = g_strdup(known);
    return is;
}

void vgpu_state_file_set_draining(VgpuStateFile *self, const char *member, gboolean draining,
                                  const char *reason)
{
    g_autofree char *known = NULL;
    const gboolean was = vgpu_state_file_draining(self, member, &known);

    if (draining == was && (!draining || g_strcmp0(known, reason) == 0))
        return;
    if (draining)
        g_hash_table_replace(self->draining, g_strdup(member), g_strdup(reason));
    else
        g_hash_table_remove(self->draining, member);
    write_file(self);
}

void vgpu_state_file_free(VgpuStateFile *self)
{
    g_hash_table_unref(self->draining);
    g_hash_table_unref(self->quarantines);
    g_free(self->path);
    g_free(self);
}
