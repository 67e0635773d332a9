/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics: all accounts, for Prometheus. */
#include <string.h>

#include "command.h"

/* For others to read: node_exporter has a user of its own. */
#define FILE_MODE 0644

gboolean vgpuctl_run_metrics(VgpuctlContext *context, GError **error)
{
    g_autoptr(GError) failure = NULL;
    const VgpuctlOptions *options = context->options;

    if (options->json) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_USAGE,
                            "metrics has the format of Prometheus only; list and pools have JSON");
        return FALSE;
    }
    g_autoptr(GVariant) text = vgpuctl_call(context->connection, "GetMetrics", NULL, "s", error);
    if (text == NULL)
        return FALSE;
    const char *metrics = g_variant_get_string(text, NULL);
    if (options->output == NULL) {
        g_string_append(context->out, metrics);
        return TRUE;
    }
    /* Whoever reads it finds the old ones or the new ones, never a part. */
    if (g_file_set_contents_full(options->output, metrics, (gssize)strlen(metrics),
                                 G_FILE_SET_CONTENTS_CONSISTENT, FILE_MODE, &failure))
        return TRUE;
    g_set_error(error, VGPUCTL_ERROR, VGPUCTL_FAILED, "cannot write the metrics: %s",
                failure->message);
    return FALSE;
}
