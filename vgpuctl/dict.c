/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dict.h"

const char *vgpuctl_dict_string(GVariant *dict, const char *key)
{
    const char *value = "";

    g_variant_lookup(dict, key, "&s", &value);
    return value;
}

guint vgpuctl_dict_uint(GVariant *dict, const char *key)
{
    guint32 value = 0;

    g_variant_lookup(dict, key, "u", &value);
    return value;
}

guint64 vgpuctl_dict_count(GVariant *dict, const char *key)
{
    guint64 value = 0;

    g_variant_lookup(dict, key, "t", &value);
    return value;
}

gint64 vgpuctl_dict_time(GVariant *dict, const char *key)
{
    gint64 value = 0;

    g_variant_lookup(dict, key, "x", &value);
    return value;
}

guint64 vgpuctl_dict_errors(GVariant *vm)
{
    g_autoptr(GVariant) errors = g_variant_lookup_value(vm, "errors", G_VARIANT_TYPE("a{st}"));
    guint64 total = 0, count;
    GVariantIter iter;

    if (errors == NULL)
        return 0;
    g_variant_iter_init(&iter, errors);
    while (g_variant_iter_next(&iter, "{&st}", NULL, &count))
        total += MIN(count, G_MAXUINT64 - total);
    return total;
}
