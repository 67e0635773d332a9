/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-config.h"

#include <string.h>

#include "vgpu-codec.h"
#include "vgpu-config-read.h"

void vgpu_config_free(VgpuConfig *config)
{
    g_free(config);
}

VgpuConfig *vgpu_config_copy(const VgpuConfig *config)
{
    VgpuConfig *copy = g_new(VgpuConfig, 1);

    *copy = *config;
    return copy;
}

char *vgpu_config_format(const VgpuConfig *config)
{
    g_autoptr(GString) limits = g_string_new(NULL);

    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        if (config->limits[i] != 0)
            g_string_append_printf(limits, " %s=\"%u\"", vgpu_limit_info(i)->name,
                                   config->limits[i]);
    return g_strdup_printf("<vgpu pool=\"%c\" priority=\"%s\"%s%s%s", config->pool,
                           vgpu_priority_name(config->priority), limits->len > 0 ? "><limits" : "",
                           limits->str, limits->len > 0 ? "/></vgpu>" : "/>");
}

gboolean vgpu_config_equal(const VgpuConfig *a, const VgpuConfig *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->pool == b->pool && a->priority == b->priority &&
           memcmp(a->limits, b->limits, sizeof(a->limits)) == 0;
}

gboolean vgpu_config_parse_priority(const char *word, enum vgpu_priority *priority)
{
    for (int i = VGPU_PRIORITY_LOW; i <= VGPU_PRIORITY_HIGH; i++) {
        if (strcmp(word, vgpu_priority_name((guint32)i)) == 0) {
            *priority = (enum vgpu_priority)i;
            return TRUE;
        }
    }
    return FALSE;
}

/* Sets an error "line N: <vgpu:vgpu>" and what @format says about that element. */
static void G_GNUC_PRINTF(4, 5) blame(const VgpuDocument *document, const xmlNode *element,
                                      GError **error, const char *format, ...)
{
    g_autofree char *name = vgpu_xml_qualified_name(element);
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG, "line %u: <%s> %s",
                vgpu_document_line(document, element), name, text);
}

/* @allowed: the names, and @text the same for a person. */
static gboolean check_attributes(const VgpuDocument *document, const xmlNode *element,
                                 const char *const *allowed, const char *text, GError **error)
{
    for (const xmlAttr *a = element->properties; a != NULL; a = a->next) {
        const char *name = (const char *)a->name;

        if (a->ns == NULL && g_strv_contains(allowed, name))
            continue;
        g_autofree char *full = a->ns != NULL && a->ns->prefix != NULL
                                    ? g_strdup_printf("%s:%s", a->ns->prefix, name)
                                    : g_strdup(name);
        g_autofree char *quoted = vgpu_xml_quote(full);
        blame(document, element, error, "has an attribute %s; allowed are %s", quoted, text);
        return FALSE;
    }
    return TRUE;
}

/* What may stand anywhere: comments and white space. */
static gboolean is_nothing(const xmlNode *node)
{
    return node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE || xmlIsBlankNode(node);
}

static void blame_content(const VgpuDocument *document, const xmlNode *element, xmlNode *node,
                          const char *what_may, GError **error)
{
    g_autofree char *name = node->type == XML_ELEMENT_NODE ? vgpu_xml_qualified_name(node) : NULL;
    g_autofree char *text = name != NULL ? NULL : vgpu_xml_text(node);
    g_autofree char *quoted = vgpu_xml_quote(name != NULL ? name : g_strstrip(text));

    blame(document, element, error, "holds %s %s; %s", name != NULL ? "the element" : "the text",
          quoted, what_may);
}

static gboolean read_number(const VgpuDocument *document, const xmlNode *element, const char *name,
                            guint32 most, guint32 *number, GError **error)
{
    g_autofree char *value = vgpu_xml_attribute(element, name);
    guint64 read;

    if (value == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(value, 10, 1, most, &read, NULL)) {
        g_autofree char *quoted = vgpu_xml_quote(value);
        blame(document, element, error, "attribute '%s' is %s; allowed is a number from 1 to %u",
              name, quoted, most);
        return FALSE;
    }
    *number = (guint32)read;
    return TRUE;
}

static gboolean read_limits(const VgpuDocument *document, const xmlNode *element,
                            VgpuConfig *config, GError **error)
{
    const char *allowed[VGPU_LIMIT_COUNT + 1] = {NULL};

    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        allowed[i] = vgpu_limit_info(i)->name;
    for (xmlNode *node = element->children; node != NULL; node = node->next) {
        if (!is_nothing(node)) {
            blame_content(document, element, node, "it must be empty", error);
            return FALSE;
        }
    }
    g_autofree char *list = g_strjoinv(", ", (char **)allowed);
    if (!check_attributes(document, element, allowed, list, error))
        return FALSE;
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        if (!read_number(document, element, allowed[i], vgpu_limit_info(i)->most,
                         &config->limits[i], error))
            return FALSE;
    return TRUE;
}

/* Inside the element there may be <limits>, once. */
static gboolean read_content(const VgpuDocument *document, const xmlNode *element,
                             VgpuConfig *config, GError **error)
{
    const xmlNode *limits = NULL;

    for (xmlNode *node = element->children; node != NULL; node = node->next) {
        if (is_nothing(node))
            continue;
        if (limits != NULL || !vgpu_xml_in_namespace(node, VGPU_XML_NAMESPACE) ||
            strcmp((const char *)node->name, "limits") != 0) {
            blame_content(document, element, node, "only one element 'limits' may stand there",
                          error);
            return FALSE;
        }
        limits = node;
    }
    return limits == NULL || read_limits(document, limits, config, error);
}

static gboolean read_pool(const VgpuDocument *document, const xmlNode *element, char *pool,
                          GError **error)
{
    g_autofree char *value = vgpu_xml_attribute(element, "pool");

    if (value == NULL) {
        blame(document, element, error,
              "has no attribute 'pool'; it is needed: the pool's name, one letter A to Z");
        return FALSE;
    }
    if (!g_ascii_isupper(value[0]) || value[1] != '\0') {
        g_autofree char *quoted = vgpu_xml_quote(value);
        blame(document, element, error, "attribute 'pool' is %s; allowed is one letter A to Z",
              quoted);
        return FALSE;
    }
    *pool = value[0];
    return TRUE;
}

static gboolean read_priority(const VgpuDocument *document, const xmlNode *element,
                              enum vgpu_priority *priority, GError **error)
{
    g_autofree char *value = vgpu_xml_attribute(element, "priority");

    *priority = VGPU_PRIORITY_MEDIUM;
    if (value == NULL || vgpu_config_parse_priority(value, priority))
        return TRUE;
    g_autofree char *quoted = vgpu_xml_quote(value);
    blame(document, element, error,
          "attribute 'priority' is %s; allowed are 'low', 'medium' and 'high'", quoted);
    return FALSE;
}

static gboolean read_element(const VgpuDocument *document, const xmlNode *element,
                             VgpuConfig **config, GError **error)
{
    static const char *const allowed[] = {"pool", "priority", NULL};
    g_autofree VgpuConfig *read = g_new0(VgpuConfig, 1);

    if (strcmp((const char *)element->name, "vgpu") != 0) {
        blame(document, element, error, "is not known; the element's name is 'vgpu'");
        return FALSE;
    }
    if (!check_attributes(document, element, allowed, "'pool' and 'priority'", error) ||
        !read_content(document, element, read, error) ||
        !read_pool(document, element, &read->pool, error) ||
        !read_priority(document, element, &read->priority, error))
        return FALSE;
    *config = g_steal_pointer(&read);
    return TRUE;
}

/*
 * libvirt drops the element silently anywhere but directly below <metadata>: an error is kinder.
 * What stands deeper in <metadata> belongs to somebody else.
 */
static gboolean check_misplaced(const VgpuDocument *document, GError **error)
{
    const xmlNode *metadata = vgpu_xml_child(document->domain, NULL, "metadata");

    for (xmlNode *child = xmlFirstElementChild(document->domain); child != NULL;
         child = xmlNextElementSibling(child)) {
        if (child == metadata)
            continue;
        for (xmlNode *node = child; node != NULL; node = vgpu_xml_walk(child, node)) {
            if (!vgpu_xml_in_namespace(node, VGPU_XML_NAMESPACE))
                continue;
            g_autofree char *parent = vgpu_xml_qualified_name(node->parent);
            blame(document, node, error,
                  "stands in <%s>; its place is in the first <metadata> of <domain>", parent);
            return FALSE;
        }
    }
    return TRUE;
}

xmlNode *vgpu_config_find(const VgpuDocument *document)
{
    const xmlNode *metadata = vgpu_xml_child(document->domain, NULL, "metadata");

    for (xmlNode *node = metadata != NULL ? metadata->children : NULL; node != NULL;
         node = node->next)
        if (vgpu_xml_in_namespace(node, VGPU_XML_NAMESPACE))
            return node;
    return NULL;
}

gboolean vgpu_config_read(const VgpuDocument *document, VgpuConfig **config, GError **error)
{
    const xmlNode *element = vgpu_config_find(document);

    *config = NULL;
    if (!check_misplaced(document, error))
        return FALSE;
    if (element == NULL)
        return TRUE;
    for (const xmlNode *other = element->next; other != NULL; other = other->next) {
        if (vgpu_xml_in_namespace(other, VGPU_XML_NAMESPACE)) {
            blame(document, other, error,
                  "is a second element for vgpud; libvirt keeps only one, so write only one");
            return FALSE;
        }
    }
    return read_element(document, element, config, error);
}

gboolean vgpu_config_from_domain_xml(const char *xml, gsize length, VgpuConfig **config,
                                     GError **error)
{
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, length, error);

    *config = NULL;
    return document != NULL && vgpu_config_read(document, config, error);
}
