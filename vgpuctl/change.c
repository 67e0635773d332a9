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

gboolean vgpuctl_options_have_wish(const VgpuctlOptions *options)
{
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        if (options->limits[i] != NULL)
            return TRUE;
    return options->pool != NULL || options->priority != NULL;
}

static gboolean add_number(GVariantDict *dict, const char *key, const char *text, GError **error)
{
    guint64 number;

    if (text == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &number, NULL)) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE,
                    "--%s takes a whole number; 0: as the pool", key);
        return FALSE;
    }
    g_variant_dict_insert(dict, key, "u", (guint)number);
    return TRUE;
}

/* Calls @method with whom, and what of the element was given: (s, a{sv}). */
static gboolean change_element(VgpuctlContext *context, const char *method, GError **error)
{
    const VgpuctlOptions *options = context->options;
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    if (options->pool != NULL)
        g_variant_dict_insert(&dict, "pool", "s", options->pool);
    if (options->priority != NULL)
        g_variant_dict_insert(&dict, "priority", "s", options->priority);
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        if (!add_number(&dict, vgpu_limit_info(i)->name, options->limits[i], error))
            return FALSE;
    return change(context, method,
                  g_variant_new("(s@a{sv})", context->argument, g_variant_dict_end(&dict)), error);
}

gboolean vgpuctl_run_attach(VgpuctlContext *context, GError **error)
{
    const VgpuctlOptions *options = context->options;

    if (options->all) {
        if (context->argument != NULL || vgpuctl_options_have_wish(options))
            return usage(error, "attach --all takes neither DOMAIN nor --pool nor the like: each "
                                "domain gets back what its element says");
        return change(context, "AttachAll", NULL, error);
    }
    if (context->argument == NULL || options->pool == NULL)
        return usage(error,
                     "usage: vgpuctl attach DOMAIN --pool X [--priority P], or attach --all");
    return change_element(context, "Attach", error);
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
    if (!vgpuctl_options_have_wish(context->options))
        return usage(error,
                     "usage: vgpuctl set VM [--pool X] [--priority P] [--LIMIT N], at least one "
                     "of them; vgpuctl --help has the limits");
    return change_element(context, "SetVm", error);
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

gboolean vgpuctl_run_reload(VgpuctlContext *context, GError **error)
{
    return change(context, "Reload", NULL, error);
}

gboolean vgpuctl_run_drain(VgpuctlContext *context, GError **error)
{
    return change(context, "Drain", g_variant_new("(sb)", context->argument, TRUE), error);
}

gboolean vgpuctl_run_undrain(VgpuctlContext *context, GError **error)
{
    return change(context, "Drain", g_variant_new("(sb)", context->argument, FALSE), error);
}

gboolean vgpuctl_run_move(VgpuctlContext *context, GError **error)
{
    const char *member = context->second != NULL ? context->second : "";

    return change(context, "MoveVm",
                  g_variant_new("(ssb)", context->argument, member, context->options->force),
                  error);
}

gboolean vgpuctl_run_quarantine(VgpuctlContext *context, GError **error)
{
    const char *text = context->options->seconds;
    guint64 seconds = 0;

    if (text != NULL && !g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT32, &seconds, NULL))
        return usage(error, "--for takes a whole number of seconds, 1 or more");
    return change(context, "Quarantine", g_variant_new("(su)", context->argument, (guint32)seconds),
                  error);
}

gboolean vgpuctl_run_release(VgpuctlContext *context, GError **error)
{
    return change(context, "Release", g_variant_new("(s)", context->argument), error);
}
