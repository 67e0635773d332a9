/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain XML as a tree that knows where each element stands in the text. Private to xml/: with
 * the places, text can be cut and put in without writing the rest anew.
 */
#ifndef VGPU_DOCUMENT_H
#define VGPU_DOCUMENT_H

#include <glib.h>
#include <libxml/tree.h>

#include "vgpu-xml-error.h"

/* Byte offsets of one element; 32 bits hold VGPU_XML_MAX_SIZE. */
typedef struct {
    guint32 start;       /* of '<' */
    guint32 content;     /* behind the start tag; equals end in a self-closing element */
    guint32 content_end; /* of "</"; equals end in a self-closing element */
    guint32 end;         /* behind the last '>' */
} VgpuSpan;

typedef struct {
    const char *text; /* borrowed from the caller of vgpu_document_parse() */
    gsize length;
    xmlDoc *doc;
    xmlNode *domain; /* the root, an element <domain> without a namespace */
    GArray *spans;   /* of VgpuSpan, in document order */
} VgpuDocument;

void vgpu_document_free(VgpuDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDocument, vgpu_document_free)

/*
 * Parses @length bytes at @xml, which must be UTF-8, at most VGPU_XML_MAX_SIZE and without a
 * DOCTYPE. Nothing but the given text is read: no entities, no files, no network. @xml must stay as
 * long as the document. NULL with VGPU_XML_ERROR_PARSE.
 */
VgpuDocument *vgpu_document_parse(const char *xml, gsize length, GError **error);

VgpuSpan vgpu_document_span(const VgpuDocument *document, const xmlNode *element);

static inline gboolean vgpu_span_is_self_closing(VgpuSpan span)
{
    return span.content == span.end;
}

/* Line of @element's start, from 1. */
guint vgpu_document_line(const VgpuDocument *document, const xmlNode *element);

/*
 * The newline and indentation that stand before @offset and nothing else between: "\n    ", or ""
 * when the line holds something before @offset. Bytes of it, to be found right before @offset.
 */
gsize vgpu_document_lead(const VgpuDocument *document, gsize offset);

/* First child element of @parent with this name and namespace (NULL: none); NULL without one. */
xmlNode *vgpu_xml_child(const xmlNode *parent, const char *ns, const char *name);

/* Next sibling with @element's name and namespace. */
xmlNode *vgpu_xml_next(const xmlNode *element);

/* TRUE for an element in namespace @ns; NULL: without a namespace. */
gboolean vgpu_xml_in_namespace(const xmlNode *node, const char *ns);

/* The element behind @element in document order below @top, children included; NULL at the end. */
xmlNode *vgpu_xml_walk(const xmlNode *top, const xmlNode *element);

/* @element's name with its prefix as the document writes it: "vgpu:vgpu". Owned by the caller. */
char *vgpu_xml_qualified_name(const xmlNode *element);

/*
 * @text with what XML needs escaped: as content when @quote is 0, else as an attribute between
 * @quote, ' or ". Newlines and tabs become references, so that they come back. Owned by the caller.
 */
char *vgpu_xml_escape(const char *text, char quote);

/* The element's whole text, "" without any. Owned by the caller; free with g_free(). */
char *vgpu_xml_text(const xmlNode *element);

/* The value of attribute @name, which has no namespace; NULL without it. As vgpu_xml_text(). */
char *vgpu_xml_attribute(const xmlNode *element, const char *name);

/* @value for an error message: 'value', one line, cut when long. Owned by the caller. */
char *vgpu_xml_quote(const char *value);

#endif
