/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON, and standard output. */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

/* Appends @value as one JSON document and a newline; @pretty: on several lines. */
void vgpuctl_append_json(GString *out, GVariant *value, gboolean pretty);
void vgpuctl_append_json_node(GString *out, JsonNode *node, gboolean pretty);

/* Writes @out to standard output, at once, and empties it. FALSE with @error set. */
gboolean vgpuctl_write(GString *out, GError **error);
