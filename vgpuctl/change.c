/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach, detach, set, inject: what vgpud is to do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

/* What vgpud takes (vgpu-xml-error.h has the reason). */
#define XML_MAX ((gsize)8 << 20)

static gboolean usage(GError **error, const char *text)
{
    g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_USAGE, text);
    return FALSE;
}

/* (s, a{sv}): whom and what of --pool and --priority was given. Floating. */
static GVariant *wish(const VgpuctlContext *context)
{
    const VgpuctlOptions *options = context->options;
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (options->pool != NULL)
        g_variant_builder_add(&dict, "{sv}", "pool", g_variant_new_string(options->pool));
    if (options->priority != NULL)
        g_variant_builder_add(&dict, "{sv}", "priority", g_variant_new_string(options->priority));
    return g_variant_new("(sa{sv})", context->argument, &dict);
}

/* Nothing is to be said of what has worked. */
static gboolean change(VgpuctlContext *context, const char *method, GVariant *arguments,
                       GError **error)
{
    if (!vgpuctl_change(context->connection, method, arguments, error))
        return FALSE;
    if (context->options->json)
        g_string_append(context->out, "{}\n");
    return TRUE;
}

gboolean vgpuctl_run_attach(VgpuctlContext *context, GError **error)
{
    const VgpuctlOptions *options = context->options;

    if (options->all) {
        if (context->argument != NULL || options->pool != NULL || options->priority != NULL)
            return usage(error, "attach --all takes neither DOMAIN nor --pool nor --priority: each "
                                "domain gets back what its element says");
        return change(context, "AttachAll", NULL, error);
    }
    if (context->argument == NULL || options->pool == NULL)
        return usage(error,
                     "usage: vgpuctl attach DOMAIN --pool X [--priority P], or attach --all");
    return change(context, "Attach", wish(context), error);
}

gboolean vgpuctl_run_detach(VgpuctlContext *context, GError **error)
{
    if (context->options->all == (context->argument != NULL))
        return usage(error, "usage: vgpuctl detach DOMAIN, or detach --all");
    if (context->options->all)
        return change(context, "DetachAll", NULL, error);
    return change(context, "Detach", g_variant_new("(s)", context->argument), error);
}

gboolean vgpuctl_run_set(VgpuctlContext *context, GError **error)
{
    if (context->options->pool == NULL && context->options->priority == NULL)
        return usage(error,
                     "usage: vgpuctl set VM [--pool X] [--priority P], at least one of them");
    return change(context, "SetVm", wish(context), error);
}

/* All of standard input, which must be text and not too much; NULL with @error set. */
static char *read_input(GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[65536];
    size_t count;

    while (text->len <= XML_MAX && (count = fread(buffer, 1, sizeof(buffer), stdin)) > 0)
        g_string_append_len(text, buffer, (gssize)count);
    if (ferror(stdin))
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_FAILED, "cannot read standard input: %s",
                    g_strerror(errno));
    else if (text->len > XML_MAX)
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_FAILED,
                    "standard input has more than %" G_GSIZE_FORMAT
                    " MiB: no domain XML is so long",
                    XML_MAX >> 20);
    else if (!g_utf8_validate_len(text->str, text->len, NULL))
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_FAILED,
                            "standard input is not UTF-8 text; 'iconv' makes it so");
    else
        return g_string_free(g_steal_pointer(&text), FALSE);
    return NULL;
}

gboolean vgpuctl_run_inject(VgpuctlContext *context, GError **error)
{
    g_autofree char *xml = read_input(error);

    if (xml == NULL)
        return FALSE;
    g_autoptr(GVariant) injected =
        vgpuctl_call(context->connection, "Inject", g_variant_new("(s)", xml), "s", error);
    if (injected == NULL)
        return FALSE;
    if (context->options->json) {
        g_autoptr(GVariant) object =
            g_variant_ref_sink(g_variant_new_parsed("{'xml': %v}", injected));
        vgpuctl_append_json(context->out, object, TRUE);
    } else {
        g_string_append(context->out, g_variant_get_string(injected, NULL));
    }
    return TRUE;
}
