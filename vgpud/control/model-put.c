/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model-private.h"

void vgpu_model_put(GVariantBuilder *dict, const char *key, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", key, value);
}

void vgpu_model_put_string(GVariantBuilder *dict, const char *key, const char *text)
{
    vgpu_model_put(dict, key,
                   g_variant_new_take_string(g_utf8_make_valid(text == NULL ? "" : text, -1)));
}

void vgpu_model_put_uint(GVariantBuilder *dict, const char *key, guint value)
{
    vgpu_model_put(dict, key, g_variant_new_uint32(value));
}

void vgpu_model_put_count(GVariantBuilder *dict, const char *key, guint64 value)
{
    vgpu_model_put(dict, key, g_variant_new_uint64(value));
}

/* Each limit under its name; 0: there is none. */
void vgpu_model_put_limits(GVariantBuilder *dict, const char *prefix, const VgpuLimits *limits)
{
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        g_autofree char *key = g_strconcat(prefix, vgpu_limit_info(i)->name, NULL);
        vgpu_model_put_uint(dict, key, limits->value[i]);
    }
}
