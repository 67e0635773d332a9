/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-state.h"

#define ADDED_DEVICES     "devices"
#define ADDED_COMMANDLINE "commandline"
#define ADDED_NAMESPACE   "namespace"

void vgpu_state_free(VgpuState *state)
{
    if (state == NULL)
        return;
    g_free(state->installed);
    g_free(state->emulator);
    g_free(state->element);
    g_free(state);
}

static xmlNode *find_from(xmlNode *node)
{
    while (node != NULL && !vgpu_xml_in_namespace(node, VGPU_XML_STATE_NAMESPACE))
        node = node->next;
    return node;
}

xmlNode *vgpu_state_find(const VgpuDocument *document)
{
    const xmlNode *metadata = vgpu_xml_child(document->domain, NULL, "metadata");

    return metadata != NULL ? find_from(metadata->children) : NULL;
}

xmlNode *vgpu_state_find_next(const xmlNode *element)
{
    return find_from(element->next);
}

VgpuState *vgpu_state_read(const xmlNode *element)
{
    VgpuState *state = g_new0(VgpuState, 1);

    if (element == NULL)
        return state;
    state->installed = vgpu_xml_attribute(element, "installed");
    state->emulator = vgpu_xml_attribute(element, "emulator");
    state->element = vgpu_xml_attribute(element, "element");

    g_autofree char *added = vgpu_xml_attribute(element, "added");
    g_auto(GStrv) words = g_strsplit(added != NULL ? added : "", " ", -1);
    const char *const *list = (const char *const *)words;
    state->added_devices = g_strv_contains(list, ADDED_DEVICES);
    state->added_commandline = g_strv_contains(list, ADDED_COMMANDLINE);
    state->added_namespace = g_strv_contains(list, ADDED_NAMESPACE);
    return state;
}

gboolean vgpu_state_equal(const VgpuState *a, const VgpuState *b)
{
    return g_strcmp0(a->installed, b->installed) == 0 && g_strcmp0(a->emulator, b->emulator) == 0 &&
           g_strcmp0(a->element, b->element) == 0 && a->added_devices == b->added_devices &&
           a->added_commandline == b->added_commandline && a->added_namespace == b->added_namespace;
}

static void add_attribute(GString *text, const char *name, const char *value)
{
    if (value == NULL)
        return;
    g_autofree char *escaped = vgpu_xml_escape(value, '"');
    g_string_append_printf(text, " %s=\"%s\"", name, escaped);
}

char *vgpu_state_format(const VgpuState *state)
{
    GString *text =
        g_string_new("<vgpustate:state xmlns:vgpustate=\"" VGPU_XML_STATE_NAMESPACE "\"");
    const char *words[4] = {NULL};
    guint count = 0;

    if (state->added_devices)
        words[count++] = ADDED_DEVICES;
    if (state->added_commandline)
        words[count++] = ADDED_COMMANDLINE;
    if (state->added_namespace)
        words[count++] = ADDED_NAMESPACE;
    g_autofree char *added = count > 0 ? g_strjoinv(" ", (char **)words) : NULL;

    add_attribute(text, "installed", state->installed);
    add_attribute(text, "emulator", state->emulator);
    add_attribute(text, "element", state->element);
    add_attribute(text, "added", added);
    g_string_append(text, "/>");
    return g_string_free(text, FALSE);
}
