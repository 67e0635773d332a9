/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The half of vgpu-inject.h that takes the device out again. */
#include "vgpu-inject.h"

#include <string.h>

#include "vgpu-arguments.h"
#include "vgpu-edit.h"
#include "vgpu-emulator.h"
#include "vgpu-state.h"

/* TRUE when @commandline holds nothing but arguments of ours and white space. */
static gboolean holds_only_ours(const xmlNode *commandline, const GPtrArray *arguments)
{
    guint ours = 0;

    for (const xmlNode *node = commandline->children; node != NULL; node = node->next)
        if (node->type != XML_ELEMENT_NODE && !xmlIsBlankNode(node))
            return FALSE;
    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];
        if (vgpu_argument_is_ours(argument) && argument->option->parent == commandline)
            ours += 2;
    }
    return xmlChildElementCount((xmlNode *)commandline) == ours;
}

/* TRUE when nothing outside @except is in QEMU's namespace. */
static gboolean namespace_is_unused(const VgpuDocument *document, const xmlNode *except)
{
    const xmlNode *domain = document->domain;

    for (const xmlNode *node = domain; node != NULL; node = vgpu_xml_walk(domain, node)) {
        if (vgpu_xml_in_namespace(node, VGPU_QEMU_NAMESPACE) && node != except &&
            node->parent != except)
            return FALSE;
        for (const xmlAttr *a = node->properties; a != NULL; a = a->next)
            if (a->ns != NULL && strcmp((const char *)a->ns->href, VGPU_QEMU_NAMESPACE) == 0)
                return FALSE;
    }
    return TRUE;
}

/* Deletes xmlns:qemu, which libvirt writes, from the start tag of <domain>. */
static void delete_declaration(VgpuEdit *edit, const VgpuDocument *document)
{
    static const char pattern[] = "\\sxmlns:qemu\\s*=\\s*(['\"])\\Q" VGPU_QEMU_NAMESPACE "\\E\\1";
    VgpuSpan span = vgpu_document_span(document, document->domain);
    const char *tag = document->text + span.start;
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    int start, end;

    if (g_regex_match_full(regex, tag, span.content - span.start, 0, 0, &match, NULL) &&
        g_match_info_fetch_pos(match, 0, &start, &end))
        vgpu_edit_replace(edit, span.start + start, span.start + end, "");
}

static void remove_arguments(VgpuEdit *edit, const VgpuDocument *document, const VgpuState *state)
{
    g_autoptr(GPtrArray) arguments = vgpu_arguments_read(document);
    const xmlNode *commandline = NULL;

    for (guint i = 0; i < arguments->len && commandline == NULL; i++) {
        const VgpuArgument *argument = arguments->pdata[i];
        if (vgpu_argument_is_ours(argument))
            commandline = argument->option->parent;
    }
    if (commandline == NULL)
        return;
    if (!state->added_commandline || !holds_only_ours(commandline, arguments)) {
        vgpu_arguments_delete_ours(document, arguments, edit);
        return;
    }
    vgpu_edit_delete(edit, document, commandline);
    if (state->added_namespace && namespace_is_unused(document, commandline))
        delete_declaration(edit, document);
}

char *vgpu_domain_xml_remove(const char *xml, gsize length, GError **error)
{
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, length, error);

    if (document == NULL)
        return NULL;
    g_autoptr(VgpuEdit) edit = vgpu_edit_new();
    xmlNode *element = vgpu_state_find(document);
    g_autoptr(VgpuState) state = vgpu_state_read(element);

    remove_arguments(edit, document, state);
    vgpu_emulator_restore(document, state, edit);
    for (; element != NULL; element = vgpu_state_find_next(element))
        vgpu_edit_delete(edit, document, element);

    g_autofree char *removed = vgpu_edit_apply(edit, xml, length);
    /* The remembered text of <emulator> may have been tampered with: never give out broken XML. */
    g_autoptr(VgpuDocument) check = vgpu_document_parse(removed, strlen(removed), NULL);
    if (check == NULL) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                    "what vgpud remembered in <metadata> about the emulator is damaged; write the "
                    "right <emulator> into the domain, then remove again");
        return NULL;
    }
    return g_steal_pointer(&removed);
}
