/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-inject.h"

#include <string.h>
#include <sys/un.h>

#include "vgpu-arguments.h"
#include "vgpu-config-read.h"
#include "vgpu-edit.h"
#include "vgpu-emulator.h"
#include "vgpu-place.h"
#include "vgpu-state.h"

/* Everything that one injection works with. */
typedef struct {
    VgpuDocument *document;
    const VgpuInjection *wanted;
    VgpuEdit *edit;
    const VgpuState *old_state; /* as the document has it */
    VgpuState *state;           /* as it will be */
    GPtrArray *arguments;       /* of VgpuArgument */
} Injection;

static gboolean check_path(const char *path, const char *what, gsize max, GError **error)
{
    g_autofree char *quoted = vgpu_xml_quote(g_utf8_validate(path, -1, NULL) ? path : "?");
    const char *problem = NULL;

    if (!g_utf8_validate(path, -1, NULL))
        problem = "is not UTF-8";
    else if (path[0] != '/')
        problem = "is not an absolute path";
    else if (strlen(path) >= max)
        problem = "is too long";
    for (const char *c = path; problem == NULL && *c != '\0'; c = g_utf8_next_char(c))
        if (!g_unichar_isprint(g_utf8_get_char(c)))
            problem = "has a character that cannot be printed";
    if (problem == NULL)
        return TRUE;
    g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_ARGUMENT, "the path of the %s %s %s", what,
                quoted, problem);
    return FALSE;
}

/* An option without its value would take the next argument, perhaps ours, for it. */
static gboolean check_arguments(const VgpuDocument *document, const GPtrArray *arguments,
                                GError **error)
{
    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];

        if (argument->value != NULL)
            continue;
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_UNSUPPORTED,
                    "line %u: the argument '%s' in <qemu:commandline> has no value behind it",
                    vgpu_document_line(document, argument->option), argument->option_text);
        return FALSE;
    }
    return TRUE;
}

static gboolean is_ours_present(const GPtrArray *arguments)
{
    for (guint i = 0; i < arguments->len; i++)
        if (vgpu_argument_is_ours(arguments->pdata[i]))
            return TRUE;
    return FALSE;
}

/* TRUE when our arguments stand there as @wanted, in this order and in one element. */
static gboolean arguments_are_right(const GPtrArray *arguments, char *const *wanted)
{
    const xmlNode *parent = NULL;

    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];

        if (!vgpu_argument_is_ours(argument))
            continue;
        if (*wanted == NULL || strcmp(argument->option_text, wanted[0]) != 0 ||
            strcmp(argument->value_text, wanted[1]) != 0 ||
            (parent != NULL && parent != argument->option->parent))
            return FALSE;
        parent = argument->option->parent;
        wanted += 2;
    }
    return *wanted == NULL;
}

/* Appends one <qemu:arg> for each of @values, each after @lead. */
static void append_args(GString *text, const char *prefix, const char *lead, char *const *values)
{
    for (; *values != NULL; values++) {
        g_autofree char *escaped = vgpu_xml_escape(*values, '\'');
        g_string_append_printf(text, "%s<%s%sarg value='%s'/>", lead, prefix,
                               prefix[0] != '\0' ? ":" : "", escaped);
    }
}

/* The lead of what stands at @offset, and @deeper more columns of indentation where it has lines.
 */
static char *copy_lead(const VgpuDocument *document, gsize offset, gboolean deeper)
{
    gsize length = vgpu_document_lead(document, offset);
    g_autofree char *lead = g_strndup(document->text + offset - length, length);

    return g_strconcat(lead, deeper && length > 0 ? "  " : "", NULL);
}

/* Behind the last child, so that foreign arguments come first and removal leaves no trace. */
static void insert_into_commandline(Injection *injection, xmlNode *commandline, char *const *values)
{
    const VgpuDocument *document = injection->document;
    VgpuSpan span = vgpu_document_span(document, commandline);
    const xmlNode *last = xmlLastElementChild(commandline);
    const char *prefix =
        commandline->ns->prefix != NULL ? (const char *)commandline->ns->prefix : "";
    g_autofree char *lead =
        last != NULL ? copy_lead(document, vgpu_document_span(document, last).start, FALSE)
                     : copy_lead(document, span.start, TRUE);
    gsize at = last != NULL ? vgpu_document_span(document, last).end : span.content;
    g_autoptr(GString) text = g_string_new(NULL);

    append_args(text, prefix, lead, values);
    vgpu_edit_replace(injection->edit, at, at, text->str);
}

/* With its own namespace declaration: the start tag of <domain> stays as it is. */
static void insert_commandline(Injection *injection, char *const *values)
{
    const VgpuDocument *document = injection->document;
    VgpuSpan last = vgpu_document_span(document, xmlLastElementChild(document->domain));
    g_autofree char *lead = copy_lead(document, last.start, FALSE);
    g_autofree char *inner = copy_lead(document, last.start, TRUE);
    g_autoptr(GString) text = g_string_new(lead);

    g_string_append(text, "<qemu:commandline xmlns:qemu='" VGPU_QEMU_NAMESPACE "'>");
    append_args(text, "qemu", inner, values);
    g_string_append_printf(text, "%s</qemu:commandline>", lead);
    vgpu_edit_replace(injection->edit, last.end, last.end, text->str);
}

/* The element that has our arguments already, else the first that has room for them. */
static xmlNode *find_commandline(const Injection *injection)
{
    const VgpuDocument *document = injection->document;

    for (guint i = 0; i < injection->arguments->len; i++) {
        const VgpuArgument *argument = injection->arguments->pdata[i];
        if (vgpu_argument_is_ours(argument))
            return argument->option->parent;
    }
    xmlNode *commandline = vgpu_xml_child(document->domain, VGPU_QEMU_NAMESPACE, "commandline");
    while (commandline != NULL &&
           vgpu_span_is_self_closing(vgpu_document_span(document, commandline)))
        commandline = vgpu_xml_next(commandline);
    return commandline;
}

static gboolean declares_qemu_namespace(const VgpuDocument *document)
{
    for (const xmlNs *ns = document->domain->nsDef; ns != NULL; ns = ns->next)
        if (g_strcmp0((const char *)ns->href, VGPU_QEMU_NAMESPACE) == 0)
            return TRUE;
    return FALSE;
}

static gboolean inject_arguments(Injection *injection, const VgpuConfig *config, GError **error)
{
    VgpuPlace place;
    VgpuState *state = injection->state;

    if (!vgpu_place_choose(injection->document, injection->arguments, &place, error))
        return FALSE;
    g_auto(GStrv) values = vgpu_arguments_wanted(injection->wanted, config, &place);
    gboolean present = is_ours_present(injection->arguments);
    xmlNode *commandline = find_commandline(injection);

    state->added_commandline =
        commandline == NULL || (present && injection->old_state->added_commandline);
    state->added_namespace = commandline == NULL ? !declares_qemu_namespace(injection->document)
                                                 : present && injection->old_state->added_namespace;
    if (arguments_are_right(injection->arguments, values))
        return TRUE;
    vgpu_arguments_delete_ours(injection->document, injection->arguments, injection->edit);
    if (commandline != NULL)
        insert_into_commandline(injection, commandline, values);
    else
        insert_commandline(injection, values);
    return TRUE;
}

/* Beside the administrator's element, so that its indentation is right for ours. */
static void inject_state(Injection *injection)
{
    const VgpuDocument *document = injection->document;
    const xmlNode *element = vgpu_state_find(document);
    g_autofree char *text = vgpu_state_format(injection->state);

    if (element == NULL) {
        VgpuSpan config = vgpu_document_span(document, vgpu_config_find(document));
        g_autofree char *lead = copy_lead(document, config.start, FALSE);
        g_autofree char *line = g_strconcat(lead, text, NULL);
        vgpu_edit_replace(injection->edit, config.end, config.end, line);
    } else if (!vgpu_state_equal(injection->state, injection->old_state)) {
        VgpuSpan span = vgpu_document_span(document, element);
        vgpu_edit_replace(injection->edit, span.start, span.end, text);
    }
}

static VgpuConfig *read_config(const VgpuDocument *document, GError **error)
{
    VgpuConfig *config = NULL;

    if (vgpu_config_read(document, &config, error) && config == NULL)
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_NO_ELEMENT,
                    "the domain has no element <vgpu:vgpu xmlns:vgpu=\"" VGPU_XML_NAMESPACE
                    "\" pool=\"A\"/> in its <metadata>");
    return config;
}

char *vgpu_domain_xml_inject(const char *xml, gsize length, const VgpuInjection *wanted,
                             GError **error)
{
    struct sockaddr_un address;

    if (!check_path(wanted->emulator, "emulator", PATH_MAX, error) ||
        !check_path(wanted->socket_path, "socket", sizeof(address.sun_path), error))
        return NULL;
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, length, error);
    if (document == NULL)
        return NULL;
    g_autoptr(VgpuConfig) config = read_config(document, error);
    if (config == NULL)
        return NULL;

    g_autoptr(VgpuEdit) edit = vgpu_edit_new();
    g_autoptr(VgpuState) old_state = vgpu_state_read(vgpu_state_find(document));
    g_autoptr(VgpuState) state = g_new0(VgpuState, 1);
    g_autoptr(GPtrArray) arguments = vgpu_arguments_read(document);
    if (!check_arguments(document, arguments, error))
        return NULL;
    Injection injection = {document, wanted, edit, old_state, state, arguments};

    vgpu_emulator_install(document, wanted->emulator, is_ours_present(arguments), old_state, state,
                          edit);
    if (!inject_arguments(&injection, config, error))
        return NULL;
    inject_state(&injection);
    return vgpu_edit_apply(edit, xml, length);
}
