/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-document.h"

#include <string.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

/* Characters of a foreign value that a message repeats. */
#define QUOTE_MAX 60

/* What the SAX callbacks need; ctxt->_private. */
typedef struct {
    VgpuDocument *document;
    GError *error; /* the first one */
} Builder;

G_DEFINE_QUARK(vgpu - xml - error - quark, vgpu_xml_error)

void vgpu_document_free(VgpuDocument *document)
{
    if (document == NULL)
        return;
    if (document->doc != NULL)
        xmlFreeDoc(document->doc);
    g_array_unref(document->spans);
    g_free(document);
}

static void fail(xmlParserCtxt *ctxt, int line, const char *message)
{
    Builder *builder = ctxt->_private;

    if (builder->error == NULL) {
        g_autofree char *text = g_strchomp(g_strdup(message));

        for (char *c = text; *c != '\0'; c++)
            if (g_ascii_iscntrl(*c))
                *c = ' ';
        g_set_error(&builder->error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE, "line %d: %s", line,
                    text);
    }
    xmlStopParser(ctxt);
}

/*
 * libxml2 only warns in its return value about a prefix that nobody declares, and libvirt then
 * drops the element silently: better an error that says so.
 */
static void on_error(void *user_data, xmlError *xml_error)
{
    xmlParserCtxt *ctxt = user_data;

    if (xml_error->level >= XML_ERR_ERROR && xml_error->code != XML_WAR_NS_URI)
        fail(ctxt, xml_error->line, xml_error->message != NULL ? xml_error->message : "not XML");
}

/* A document type could define entities: refused before its first declaration is read. */
static void on_doctype(void *user_data, const xmlChar *name, const xmlChar *external_id,
                       const xmlChar *system_id)
{
    xmlParserCtxt *ctxt = user_data;

    (void)name;
    (void)external_id;
    (void)system_id;
    fail(ctxt, ctxt->input->line, "a document type (<!DOCTYPE>) is not allowed in a domain XML");
}

/*
 * Called with the input right before '>' or "/>" of the start tag. A '<' cannot stand in a start
 * tag, so the last one before is its begin.
 */
static void on_start_element(void *user_data, const xmlChar *name, const xmlChar *prefix,
                             const xmlChar *uri, int ns_count, const xmlChar **namespaces,
                             int attribute_count, int defaulted_count, const xmlChar **attributes)
{
    xmlParserCtxt *ctxt = user_data;
    Builder *builder = ctxt->_private;
    VgpuDocument *document = builder->document;
    const char *text = document->text;
    glong at = xmlByteConsumed(ctxt);

    xmlSAX2StartElementNs(ctxt, name, prefix, uri, ns_count, namespaces, attribute_count,
                          defaulted_count, attributes);
    if (ctxt->node == NULL)
        return;
    const char *open = at > 0 && (gsize)at < document->length ? memrchr(text, '<', at) : NULL;
    gboolean closing = open != NULL && text[at] == '/';
    gsize end = (gsize)at + (closing ? 2 : 1);
    if (open == NULL || end > document->length || text[end - 1] != '>') {
        fail(ctxt, ctxt->input->line, "cannot tell where this element stands");
        return;
    }
    VgpuSpan span = {.start = (guint32)(open - text), .content = (guint32)end};
    if (closing)
        span.content_end = span.end = span.content;
    g_array_append_val(document->spans, span);
    ctxt->node->_private = GUINT_TO_POINTER(document->spans->len);
}

/* Called with the input behind the end tag, or anywhere in a self-closing element. */
static void on_end_element(void *user_data, const xmlChar *name, const xmlChar *prefix,
                           const xmlChar *uri)
{
    xmlParserCtxt *ctxt = user_data;
    Builder *builder = ctxt->_private;
    VgpuDocument *document = builder->document;
    guint index = ctxt->node != NULL ? GPOINTER_TO_UINT(ctxt->node->_private) : 0;

    if (index > 0) {
        VgpuSpan *span = &g_array_index(document->spans, VgpuSpan, index - 1);
        glong at = xmlByteConsumed(ctxt);

        if (span->end == 0) {
            const char *open = at > (glong)span->content && (gsize)at <= document->length
                                   ? memrchr(document->text, '<', at)
                                   : NULL;
            if (open == NULL || open[1] != '/' || document->text[at - 1] != '>') {
                fail(ctxt, ctxt->input->line, "cannot tell where this element ends");
                return;
            }
            span->content_end = (guint32)(open - document->text);
            span->end = (guint32)at;
        }
    }
    xmlSAX2EndElementNs(ctxt, name, prefix, uri);
}

static xmlDoc *read_tree(Builder *builder)
{
    const VgpuDocument *document = builder->document;
    xmlInitParser();
    xmlParserCtxt *ctxt = xmlNewParserCtxt();

    g_assert(ctxt != NULL); /* out of memory, as everywhere with GLib */
    ctxt->_private = builder;
    ctxt->sax->startElementNs = on_start_element;
    ctxt->sax->endElementNs = on_end_element;
    ctxt->sax->internalSubset = on_doctype;
    ctxt->sax->serror = (xmlStructuredErrorFunc)on_error;
    /* No XML_PARSE_HUGE: libxml2's own limits on depth and length stay. No XML_PARSE_NOENT. */
    xmlDoc *doc =
        xmlCtxtReadMemory(ctxt, document->text, (int)document->length, NULL, NULL, XML_PARSE_NONET);
    if (doc == NULL && builder->error == NULL)
        g_set_error(&builder->error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE, "line 1: not XML");
    xmlFreeParserCtxt(ctxt);
    return doc;
}

static gboolean check_text(const char *xml, gsize length, GError **error)
{
    if (length > VGPU_XML_MAX_SIZE) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                    "the XML has %" G_GSIZE_FORMAT " bytes; at most %" G_GSIZE_FORMAT " are read",
                    length, VGPU_XML_MAX_SIZE);
        return FALSE;
    }
    const char *end = NULL;
    if (!g_utf8_validate_len(xml, length, &end)) {
        guint line = 1;
        for (const char *c = xml; c < end; c++)
            line += *c == '\n';
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE, "line %u: not UTF-8 text", line);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_document(VgpuDocument *document, GError **error)
{
    const char *encoding = (const char *)document->doc->encoding;

    /* Another encoding would have been converted while reading, and no offset would be right. */
    if (encoding != NULL && g_ascii_strcasecmp(encoding, "UTF-8") != 0) {
        g_autofree char *quoted = vgpu_xml_quote(encoding);
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                    "line 1: the encoding %s is not supported; write the XML in UTF-8", quoted);
        return FALSE;
    }
    xmlNode *root = xmlDocGetRootElement(document->doc);
    if (root == NULL || !vgpu_xml_in_namespace(root, NULL) ||
        strcmp((const char *)root->name, "domain") != 0) {
        g_autofree char *name = root != NULL ? vgpu_xml_qualified_name(root) : g_strdup("");
        g_autofree char *quoted = vgpu_xml_quote(name);
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                    "line %u: the root element is %s; a libvirt <domain> is needed",
                    root != NULL ? vgpu_document_line(document, root) : 1, quoted);
        return FALSE;
    }
    document->domain = root;
    return TRUE;
}

VgpuDocument *vgpu_document_parse(const char *xml, gsize length, GError **error)
{
    if (!check_text(xml, length, error))
        return NULL;

    g_autoptr(VgpuDocument) document = g_new0(VgpuDocument, 1);
    document->text = xml;
    document->length = length;
    document->spans = g_array_new(FALSE, FALSE, sizeof(VgpuSpan));

    Builder builder = {.document = document};
    document->doc = read_tree(&builder);
    if (builder.error != NULL) {
        g_propagate_error(error, builder.error);
        return NULL;
    }
    if (!check_document(document, error))
        return NULL;
    return g_steal_pointer(&document);
}

VgpuSpan vgpu_document_span(const VgpuDocument *document, const xmlNode *element)
{
    guint index = GPOINTER_TO_UINT(element->_private);

    g_assert(index > 0 && index <= document->spans->len);
    return g_array_index(document->spans, VgpuSpan, index - 1);
}

guint vgpu_document_line(const VgpuDocument *document, const xmlNode *element)
{
    gsize start = vgpu_document_span(document, element).start;
    guint line = 1;

    for (gsize i = 0; i < start; i++)
        line += document->text[i] == '\n';
    return line;
}

gsize vgpu_document_lead(const VgpuDocument *document, gsize offset)
{
    const char *text = document->text;
    gsize at = offset;

    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        at--;
    if (at == 0 || text[at - 1] != '\n')
        return 0;
    at--;
    if (at > 0 && text[at - 1] == '\r')
        at--;
    return offset - at;
}

gboolean vgpu_xml_in_namespace(const xmlNode *node, const char *ns)
{
    if (node->type != XML_ELEMENT_NODE)
        return FALSE;
    if (ns == NULL || node->ns == NULL)
        return ns == NULL && node->ns == NULL;
    return strcmp((const char *)node->ns->href, ns) == 0;
}

static xmlNode *find_from(xmlNode *node, const char *ns, const char *name)
{
    for (; node != NULL; node = node->next)
        if (vgpu_xml_in_namespace(node, ns) && strcmp((const char *)node->name, name) == 0)
            return node;
    return NULL;
}

xmlNode *vgpu_xml_child(const xmlNode *parent, const char *ns, const char *name)
{
    return parent != NULL ? find_from(parent->children, ns, name) : NULL;
}

xmlNode *vgpu_xml_next(const xmlNode *element)
{
    return find_from(element->next, element->ns != NULL ? (const char *)element->ns->href : NULL,
                     (const char *)element->name);
}

xmlNode *vgpu_xml_walk(const xmlNode *top, const xmlNode *element)
{
    xmlNode *next = xmlFirstElementChild((xmlNode *)element);

    while (next == NULL && element != top) {
        next = xmlNextElementSibling((xmlNode *)element);
        element = element->parent;
    }
    return next;
}

char *vgpu_xml_qualified_name(const xmlNode *element)
{
    if (element->ns == NULL || element->ns->prefix == NULL)
        return g_strdup((const char *)element->name);
    return g_strdup_printf("%s:%s", element->ns->prefix, element->name);
}

static char *take(xmlChar *string)
{
    if (string == NULL)
        return NULL;
    char *copy = g_strdup((const char *)string);
    xmlFree(string);
    return copy;
}

char *vgpu_xml_text(const xmlNode *element)
{
    return take(xmlNodeGetContent(element));
}

char *vgpu_xml_attribute(const xmlNode *element, const char *name)
{
    return take(xmlGetNoNsProp(element, (const xmlChar *)name));
}

char *vgpu_xml_escape(const char *text, char quote)
{
    GString *out = g_string_new(NULL);

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '&')
            g_string_append(out, "&amp;");
        else if (*c == '<')
            g_string_append(out, "&lt;");
        else if (*c == '>')
            g_string_append(out, "&gt;");
        else if (*c == quote)
            g_string_append(out, quote == '"' ? "&quot;" : "&apos;");
        else if (*c == '\n' || *c == '\r' || *c == '\t')
            g_string_append_printf(out, "&#%d;", *c);
        else
            g_string_append_c(out, *c);
    }
    return g_string_free(out, FALSE);
}

char *vgpu_xml_quote(const char *value)
{
    GString *text = g_string_new("'");
    const char *c = value;

    for (guint n = 0; *c != '\0' && n < QUOTE_MAX; n++, c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        g_string_append_unichar(text, g_unichar_isprint(character) ? character : '?');
    }
    if (*c != '\0')
        g_string_append(text, "...");
    g_string_append_c(text, '\'');
    return g_string_free(text, FALSE);
}
