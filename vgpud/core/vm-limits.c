/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-limits.h"

#include <string.h>

#define DEFAULT_PREFIX "default-"
#define OVER_QUOTA     "over-quota"

gboolean vgpu_limits_equal(const VgpuLimits *a, const VgpuLimits *b)
{
    return memcmp(a->value, b->value, sizeof(a->value)) == 0;
}

VgpuRate vgpu_limits_rate(const VgpuLimits *limits)
{
    return (VgpuRate){limits->value[VGPU_LIMIT_RATE], limits->value[VGPU_LIMIT_BURST]};
}

VgpuLimits vgpu_limits_within(const VgpuLimits *wish, const VgpuLimitRules *rules)
{
    static const VgpuLimitRules none;
    VgpuLimits limits;

    if (rules == NULL)
        rules = &none;
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        const guint32 ceiling = rules->ceiling.value[i];
        guint32 value = wish->value[i] != 0 ? wish->value[i] : rules->standard.value[i];

        if (ceiling != 0)
            value = value != 0 ? MIN(value, ceiling) : ceiling;
        limits.value[i] = value;
    }
    /* A rate without a burst is one request after the other, also for a VM that asks for more. */
    if (rules->ceiling.value[VGPU_LIMIT_RATE] != 0 && rules->ceiling.value[VGPU_LIMIT_BURST] == 0)
        limits.value[VGPU_LIMIT_BURST] = 1;
    limits.value[VGPU_LIMIT_BURST] = MAX(1, limits.value[VGPU_LIMIT_BURST]);
    return limits;
}

char *vgpu_limits_format(const VgpuLimits *limits)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        if (limits->value[i] != 0)
            g_string_append_printf(text, "%s%s %u", text->len > 0 ? ", " : "",
                                   vgpu_limit_info(i)->name, limits->value[i]);
    return text->len > 0 ? g_strdup(text->str) : g_strdup("none");
}

gboolean vgpu_limits_by_name(const char *name, enum vgpu_limit *limit)
{
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        if (strcmp(vgpu_limit_info(i)->name, name) == 0) {
            *limit = (enum vgpu_limit)i;
            return TRUE;
        }
    }
    return FALSE;
}

void vgpu_limit_rules_add_keys(GStrvBuilder *keys)
{
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        g_autofree char *standard = g_strconcat(DEFAULT_PREFIX, vgpu_limit_info(i)->name, NULL);

        g_strv_builder_add(keys, vgpu_limit_info(i)->name);
        g_strv_builder_add(keys, standard);
    }
    g_strv_builder_add(keys, OVER_QUOTA);
}

static gboolean read_limit(const VgpuKeyFile *file, const char *group, enum vgpu_limit limit,
                           VgpuLimitRules *rules, GError **error)
{
    const struct vgpu_limit_info *info = vgpu_limit_info(limit);
    g_autofree char *standard = g_strconcat(DEFAULT_PREFIX, info->name, NULL);
    guint32 *ceiling = &rules->ceiling.value[limit], *usual = &rules->standard.value[limit];

    if (!vgpu_key_file_number(file, group, info->name, 0, info->most, ceiling, error) ||
        !vgpu_key_file_number(file, group, standard, 0, info->most, usual, error))
        return FALSE;
    if (*ceiling != 0 && *usual > *ceiling)
        return vgpu_key_file_fail(file, error, group, standard,
                                  "%u is above %s=%u, which no VM may pass", *usual, info->name,
                                  *ceiling);
    return TRUE;
}

gboolean vgpu_limit_rules_read(const VgpuKeyFile *file, const char *group, VgpuLimitRules *rules,
                               GError **error)
{
    g_autofree char *word = g_strdup("error");

    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        if (!read_limit(file, group, (enum vgpu_limit)i, rules, error))
            return FALSE;
    if (!vgpu_key_file_string(file, group, OVER_QUOTA, &word, error))
        return FALSE;
    if (!g_str_equal(word, "wait") && !g_str_equal(word, "error"))
        return vgpu_key_file_fail(file, error, group, OVER_QUOTA,
                                  "'%s' is neither 'wait' nor 'error'", word);
    rules->waits = g_str_equal(word, "wait");
    return TRUE;
}
