/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#define FILE_NAME "state.json"
#define VERSION   1

struct VgpuStateFile {
    char *path;
    GHashTable *quarantined; /* uuid -> gint64 * */
    GHashTable *draining;    /* set of "POOL/NAME" */
};

static void note(VgpuStateFile *self, const char *uuid, gint64 until_us)
{
    g_hash_table_replace(self->quarantined, g_strdup(uuid), g_memdup2(&until_us, sizeof(until_us)));
}

static gboolean read_object(VgpuStateFile *self, JsonObject *object)
{
    JsonNode *version = json_object_get_member(object, "version");
    JsonNode *table = json_object_get_member(object, "quarantined");
    JsonObjectIter iter;
    const char *uuid;
    JsonNode *until;

    if (version == NULL || !JSON_NODE_HOLDS_VALUE(version) ||
        json_node_get_int(version) != VERSION || table == NULL || !JSON_NODE_HOLDS_OBJECT(table))
        return FALSE;
    json_object_iter_init(&iter, json_node_get_object(table));
    while (json_object_iter_next(&iter, &uuid, &until)) {
        if (!g_uuid_string_is_valid(uuid) || !JSON_NODE_HOLDS_VALUE(until) ||
            json_node_get_value_type(until) != G_TYPE_INT64)
            return FALSE;
        note(self, uuid, json_node_get_int(until));
    }
    return TRUE;
}

/* The files of versions without draining have no such key. */
static gboolean read_draining(VgpuStateFile *self, JsonObject *object)
{
    JsonNode *list = json_object_get_member(object, "draining");

    if (list == NULL)
        return TRUE;
    if (!JSON_NODE_HOLDS_ARRAY(list))
        return FALSE;
    JsonArray *names = json_node_get_array(list);
    for (guint i = 0; i < json_array_get_length(names); i++) {
        JsonNode *name = json_array_get_element(names, i);
        if (!JSON_NODE_HOLDS_VALUE(name) || json_node_get_value_type(name) != G_TYPE_STRING)
            return FALSE;
        g_hash_table_add(self->draining, g_strdup(json_node_get_string(name)));
    }
    return TRUE;
}

static gboolean read_text(VgpuStateFile *self, const char *text, gsize length)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    JsonNode *root;

    if (!json_parser_load_from_data(parser, text, (gssize)length, NULL))
        return FALSE;
    root = json_parser_get_root(parser);
    return root != NULL && JSON_NODE_HOLDS_OBJECT(root) &&
           read_object(self, json_node_get_object(root)) &&
           read_draining(self, json_node_get_object(root));
}

static void set_aside(VgpuStateFile *self)
{
    g_autofree char *aside = g_strconcat(self->path, ".corrupt", NULL);

    g_hash_table_remove_all(self->quarantined);
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
    self->quarantined = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    self->draining = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_file_get_contents(self->path, &text, &length, &error)) {
        if (!read_text(self, text, length))
            set_aside(self);
    } else if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_warning("%s", error->message);
    }
    return self;
}

gint64 vgpu_state_file_quarantined(const VgpuStateFile *self, const char *uuid, gint64 now_us)
{
    const gint64 *until_us = g_hash_table_lookup(self->quarantined, uuid);

    return until_us != NULL && *until_us > now_us ? *until_us : 0;
}

static void write_file(const VgpuStateFile *self)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    gpointer uuid, until_us;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "version");
    json_builder_add_int_value(builder, VERSION);
    json_builder_set_member_name(builder, "quarantined");
    json_builder_begin_object(builder);
    g_hash_table_iter_init(&iter, self->quarantined);
    while (g_hash_table_iter_next(&iter, &uuid, &until_us)) {
        json_builder_set_member_name(builder, uuid);
        json_builder_add_int_value(builder, *(gint64 *)until_us);
    }
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "draining");
    json_builder_begin_array(builder);
    g_hash_table_iter_init(&iter, self->draining);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        json_builder_add_string_value(builder, uuid);
    json_builder_end_array(builder);
    json_builder_end_object(builder);

    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    /* By a new file and a rename: a vgpud that is killed leaves the old one or the new one. */
    if (!g_file_set_contents_full(self->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                  &error))
        g_warning("%s; a vgpud that is started again will not know of this", error->message);
}

void vgpu_state_file_set_quarantined(VgpuStateFile *self, const char *uuid, gint64 until_us)
{
    const gint64 *known = g_hash_table_lookup(self->quarantined, uuid);

    if (until_us == (known != NULL ? *known : 0))
        return;
    if (until_us != 0)
        note(self, uuid, until_us);
    else
        g_hash_table_remove(self->quarantined, uuid);
    write_file(self);
}

gboolean vgpu_state_file_draining(const VgpuStateFile *self, const char *member)
{
    return g_hash_table_contains(self->draining, member);
}

void vgpu_state_file_set_draining(VgpuStateFile *self, const char *member, gboolean draining)
{
    if (draining == vgpu_state_file_draining(self, member))
        return;
    if (draining)
        g_hash_table_add(self->draining, g_strdup(member));
    else
        g_hash_table_remove(self->draining, member);
    write_file(self);
}

void vgpu_state_file_free(VgpuStateFile *self)
{
    g_hash_table_unref(self->draining);
    g_hash_table_unref(self->quarantined);
    g_free(self->path);
    g_free(self);
}
