/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waits.h"

#include "text.h"

#define MOST_BUCKETS 40 /* of more, the bounds would be days */

guint64 vgpuctl_waits_count(GVariant *waits)
{
    gsize length = 0;
    const guint64 *counts =
        waits != NULL ? g_variant_get_fixed_array(waits, &length, sizeof(guint64)) : NULL;
    guint64 sum = 0;

    for (gsize i = 0; i < length; i++)
        sum = counts[i] < G_MAXUINT64 - sum ? sum + counts[i] : G_MAXUINT64;
    return sum;
}

char *vgpuctl_waits_text(GVariant *waits, guint percent)
{
    gsize length = 0;
    const guint64 *counts =
        waits != NULL ? g_variant_get_fixed_array(waits, &length, sizeof(guint64)) : NULL;
    const gdouble wanted = (gdouble)vgpuctl_waits_count(waits) * percent / 100;
    gdouble sum = 0;
    gsize bucket = 0;

    length = MIN(length, MOST_BUCKETS);
    while (bucket + 1 < length && (sum += (gdouble)counts[bucket]) < wanted)
        bucket++;
    const gboolean is_last = bucket + 1 >= length;
    const guint shift = (guint)(is_last && bucket > 0 ? bucket - 1 : bucket);
    g_autofree char *time = vgpuctl_text_time(G_GUINT64_CONSTANT(1000) << shift);
    return g_strconcat(is_last ? "over " : "up to ", time, NULL);
}
