/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keyfile.h"

gboolean vgpu_key_file_fail(const VgpuKeyFile *file, GError **error, const char *group,
                            const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, file->domain, file->code, "%s: [%s]%s%s: %s", file->name, group,
                key != NULL ? " " : "", key != NULL ? key : "", text);
    return FALSE;
}

gboolean vgpu_key_file_parse(VgpuKeyFile *file, const char *text, gsize length, GError **error)
{
    g_autoptr(GError) failure = NULL;

    file->keys = g_key_file_new();
    /* GKeyFile takes an empty text for an error; for us it is a file that says nothing. */
    if (length == 0 ||
        g_key_file_load_from_data(file->keys, text, length, G_KEY_FILE_NONE, &failure))
        return TRUE;
    g_set_error(error, file->domain, file->code, "%s: %s", file->name, failure->message);
    g_clear_pointer(&file->keys, g_key_file_unref);
    return FALSE;
}

gboolean vgpu_key_file_check(const VgpuKeyFile *file, const char *group, const char *const *known,
                             GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file->keys, group, NULL, NULL);

    for (char **key = keys; key != NULL && *key != NULL; key++) {
        if (!g_strv_contains(known, *key)) {
            g_autofree char *list = g_strjoinv(", ", (char **)known);
            return vgpu_key_file_fail(file, error, group, *key, "there is no such key; known: %s",
                                      list);
        }
    }
    return TRUE;
}

gboolean vgpu_key_file_string(const VgpuKeyFile *file, const char *group, const char *key,
                              char **value, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!g_key_file_has_key(file->keys, group, key, NULL))
        return TRUE;

    g_autofree char *text = g_key_file_get_string(file->keys, group, key, &failure);
    if (text == NULL)
        return vgpu_key_file_fail(file, error, group, key, "%s", failure->message);
    g_free(*value);
    *value = g_steal_pointer(&text);
    return TRUE;
}

gboolean vgpu_key_file_number(const VgpuKeyFile *file, const char *group, const char *key,
                              guint min, guint max, guint *value, GError **error)
{
    g_autofree char *text = NULL;
    guint64 number;

    if (!vgpu_key_file_string(file, group, key, &text, error))
        return FALSE;
    if (text == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, min, max, &number, NULL))
        return vgpu_key_file_fail(file, error, group, key,
                                  "'%s' is not a whole number from %u to %u", text, min, max);
    *value = (guint)number;
    return TRUE;
}
