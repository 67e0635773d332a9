/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status, list, show, pools, version: what vgpud says, once. */
#include "command.h"
#include "dict.h"
#include "output.h"
#include "show.h"
#include "text.h"

/* One name a line, for completion; a name that is more than one line is left out. */
static void append_names(GString *out, GVariant *dicts)
{
    GVariantIter iter;
    GVariant *dict;

    g_variant_iter_init(&iter, dicts);
    while (g_variant_iter_loop(&iter, "@a{sv}", &dict)) {
        const char *name = vgpuctl_dict_string(dict, "name");
        g_autofree char *safe = vgpuctl_text_safe(name);
        if (g_str_equal(safe, name))
            g_string_append_printf(out, "%s\n", name);
    }
}

static GVariant *list_vms(const VgpuctlContext *context, GError **error)
{
    return vgpuctl_call(context->connection, "ListVms", NULL, "aa{sv}", error);
}

gboolean vgpuctl_run_list(VgpuctlContext *context, GError **error)
{
    g_autoptr(GVariant) vms = list_vms(context, error);

    if (vms == NULL)
        return FALSE;
    if (context->options->names)
        append_names(context->out, vms);
    else if (context->options->json)
        vgpuctl_append_json(context->out, vms, TRUE);
    else
        vgpuctl_show_vms(vms, g_get_real_time(), context->out);
    return TRUE;
}

gboolean vgpuctl_run_pools(VgpuctlContext *context, GError **error)
{
    g_autoptr(GVariant) pools =
        vgpuctl_call(context->connection, "ListPools", NULL, "aa{sv}", error);

    if (pools == NULL)
        return FALSE;
    if (context->options->names)
        append_names(context->out, pools);
    else if (context->options->json)
        vgpuctl_append_json(context->out, pools, TRUE);
    else
        vgpuctl_show_pools(pools, context->out);
    return TRUE;
}

gboolean vgpuctl_run_status(VgpuctlContext *context, GError **error)
{
    g_autoptr(GVariant) status =
        vgpuctl_call(context->connection, "GetStatus", NULL, "a{sv}", error);
    g_autoptr(GVariant) vms = status == NULL ? NULL : list_vms(context, error);

    if (vms == NULL)
        return FALSE;
    if (context->options->json) {
        g_autoptr(JsonNode) node = json_gvariant_serialize(status);
        json_object_set_member(json_node_get_object(node), "vms", json_gvariant_serialize(vms));
        vgpuctl_append_json_node(context->out, node, TRUE);
        return TRUE;
    }
    vgpuctl_show_status(status, context->out);
    g_string_append_c(context->out, '\n');
    vgpuctl_show_vms(vms, g_get_real_time(), context->out);
    return TRUE;
}

gboolean vgpuctl_run_show(VgpuctlContext *context, GError **error)
{
    g_autoptr(GVariant) vm = vgpuctl_call(context->connection, "GetVm",
                                          g_variant_new("(s)", context->argument), "a{sv}", error);

    if (vm == NULL)
        return FALSE;
    if (context->options->json)
        vgpuctl_append_json(context->out, vm, TRUE);
    else
        vgpuctl_show_vm(vm, g_get_real_time(), context->out);
    return TRUE;
}

gboolean vgpuctl_run_version(VgpuctlContext *context, GError **error)
{
    g_autoptr(GVariant) status =
        vgpuctl_call(context->connection, "GetStatus", NULL, "a{sv}", error);

    if (status == NULL)
        return FALSE;
    if (context->options->json) {
        g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "vgpuctl", VGPU_VERSION);
        json_object_set_string_member(object, "vgpud", vgpuctl_dict_string(status, "version"));
        json_object_set_string_member(object, "protocol", vgpuctl_dict_string(status, "protocol"));
        json_node_take_object(node, object);
        vgpuctl_append_json_node(context->out, node, TRUE);
        return TRUE;
    }
    g_autofree char *version = vgpuctl_text_safe(vgpuctl_dict_string(status, "version"));
    g_autofree char *protocol = vgpuctl_text_safe(vgpuctl_dict_string(status, "protocol"));
    g_string_append_printf(context->out, "vgpuctl " VGPU_VERSION "\nvgpud %s\nprotocol %s\n",
                           version, protocol);
    return TRUE;
}
