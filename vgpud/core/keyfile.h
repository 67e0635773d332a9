/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict reading of GKeyFile: what is not known is an error, and every error names file, group and
 * key.
 */
#pragma once

#include <glib.h>

typedef struct {
    GKeyFile *keys;
    const char *name; /* of the file, for messages */
    GQuark domain;    /* of the errors */
    int code;
} VgpuKeyFile;

/* Reads @text; the result is freed with g_key_file_unref(file->keys). */
gboolean vgpu_key_file_parse(VgpuKeyFile *file, const char *text, gsize length, GError **error);

/* Fails when @group holds a key that is not in @known (NULL-terminated). */
gboolean vgpu_key_file_check(const VgpuKeyFile *file, const char *group, const char *const *known,
                             GError **error);

/* Replaces *@value, which is freed, when the key is there. */
gboolean vgpu_key_file_string(const VgpuKeyFile *file, const char *group, const char *key,
                              char **value, GError **error);

/* Replaces *@value, when the key is there, with a whole number from @min to @max. */
gboolean vgpu_key_file_number(const VgpuKeyFile *file, const char *group, const char *key,
                              guint min, guint max, guint *value, GError **error);

/* An error "FILE: [GROUP] KEY: MESSAGE". @key may be NULL. Always returns FALSE. */
gboolean vgpu_key_file_fail(const VgpuKeyFile *file, GError **error, const char *group,
                            const char *key, const char *format, ...) G_GNUC_PRINTF(5, 6);
