/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-emulator.h"

#include <string.h>

xmlNode *vgpu_emulator_find(const VgpuDocument *document)
{
    for (xmlNode *devices = vgpu_xml_child(document->domain, NULL, "devices"); devices != NULL;
         devices = vgpu_xml_next(devices)) {
        xmlNode *element = vgpu_xml_child(devices, NULL, "emulator");
        if (element != NULL)
            return element;
    }
    return NULL;
}

static char *format(const char *emulator)
{
    g_autofree char *escaped = vgpu_xml_escape(emulator, 0);

    return g_strdup_printf("<emulator>%s</emulator>", escaped);
}

static void remember(const VgpuDocument *document, const xmlNode *element, VgpuState *state)
{
    VgpuSpan span = vgpu_document_span(document, element);
    g_autofree char *raw = g_strndup(document->text + span.start, span.end - span.start);

    state->emulator = vgpu_xml_text(element);
    g_autofree char *usual = format(state->emulator);
    if (strcmp(raw, usual) != 0)
        state->element = g_steal_pointer(&raw);
}

/* First in <devices>, as libvirt writes it; with a <devices> of its own where there is none. */
static void insert(const VgpuDocument *document, const char *text, VgpuState *state, VgpuEdit *edit)
{
    xmlNode *devices = vgpu_xml_child(document->domain, NULL, "devices");

    while (devices != NULL && vgpu_span_is_self_closing(vgpu_document_span(document, devices)))
        devices = vgpu_xml_next(devices);
    const xmlNode *last = xmlLastElementChild(document->domain);
    const xmlNode *model = devices != NULL ? xmlFirstElementChild(devices) : NULL;
    gsize model_start = vgpu_document_span(document, model != NULL     ? model
                                                     : devices != NULL ? devices
                                                                       : last)
                            .start;
    gsize length = vgpu_document_lead(document, model_start);
    g_autofree char *lead = g_strndup(document->text + model_start - length, length);
    const char *deeper = model == NULL && length > 0 ? "  " : "";
    g_autofree char *line = g_strconcat(lead, deeper, text, NULL);

    if (devices != NULL) {
        gsize at = vgpu_document_span(document, devices).content;
        vgpu_edit_replace(edit, at, at, line);
        return;
    }
    gsize at = vgpu_document_span(document, last).end;
    g_autofree char *whole = g_strconcat(lead, "<devices>", line, lead, "</devices>", NULL);
    vgpu_edit_replace(edit, at, at, whole);
    state->added_devices = TRUE;
}

void vgpu_emulator_install(const VgpuDocument *document, const char *emulator,
                           gboolean has_arguments, const VgpuState *old_state, VgpuState *state,
                           VgpuEdit *edit)
{
    const xmlNode *element = vgpu_emulator_find(document);
    g_autofree char *current = element != NULL ? vgpu_xml_text(element) : NULL;
    gboolean noted = current != NULL && g_strcmp0(old_state->installed, current) == 0;

    state->installed = g_strdup(emulator);
    if (noted) {
        state->emulator = g_strdup(old_state->emulator);
        state->element = g_strdup(old_state->element);
        state->added_devices = old_state->added_devices;
    } else if (element != NULL && !(has_arguments && strcmp(current, emulator) == 0)) {
        remember(document, element, state);
    }
    if (g_strcmp0(current, emulator) == 0)
        return;
    g_autofree char *text = format(emulator);
    if (element != NULL) {
        VgpuSpan span = vgpu_document_span(document, element);
        vgpu_edit_replace(edit, span.start, span.end, text);
    } else {
        insert(document, text, state, edit);
    }
}

void vgpu_emulator_restore(const VgpuDocument *document, const VgpuState *state, VgpuEdit *edit)
{
    const xmlNode *element = vgpu_emulator_find(document);
    g_autofree char *current = element != NULL ? vgpu_xml_text(element) : NULL;

    if (current == NULL || g_strcmp0(state->installed, current) != 0)
        return;
    if (state->element != NULL || state->emulator != NULL) {
        VgpuSpan span = vgpu_document_span(document, element);
        g_autofree char *text =
            state->element != NULL ? g_strdup(state->element) : format(state->emulator);
        vgpu_edit_replace(edit, span.start, span.end, text);
        return;
    }
    const xmlNode *devices = element->parent;
    gboolean alone = xmlChildElementCount((xmlNode *)devices) == 1;
    vgpu_edit_delete(edit, document, state->added_devices && alone ? devices : element);
}
