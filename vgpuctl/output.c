/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <errno.h>
#include <stdio.h>

#include "client.h"

void vgpuctl_append_json_node(GString *out, JsonNode *node, gboolean pretty)
{
    g_autofree char *text = json_to_string(node, pretty);

    g_string_append(out, text);
    g_string_append_c(out, '\n');
}

void vgpuctl_append_json(GString *out, GVariant *value, gboolean pretty)
{
    g_autoptr(JsonNode) node = json_gvariant_serialize(value);

    vgpuctl_append_json_node(out, node, pretty);
}

gboolean vgpuctl_write(GString *out, GError **error)
{
    gboolean written = fwrite(out->str, 1, out->len, stdout) == out->len && fflush(stdout) == 0;

    if (!written)
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_FAILED, "cannot write: %s", g_strerror(errno));
    g_string_truncate(out, 0);
    return written;
}
