/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-line.h"

#include <string.h>

#include "vgpu-names.h"

#define FIELDS 5

/* A whole decimal number: digits, with at most a '-' before them. */
static gboolean read_number(const char *text, gint64 least, gint64 most, gint64 *number)
{
    /* GLib takes a '+', too. */
    return text[0] != '+' && g_ascii_string_to_signed(text, 10, least, most, number, NULL);
}

static gboolean read_numbers(char **texts, VgpuLegacyLine *line)
{
    gint64 numbers[2];

    for (int i = 0; i < 2; i++) {
        if (!read_number(texts[i], G_MININT32, G_MAXUINT32, &numbers[i]))
            return FALSE;
        line->numbers[i] = (guint32)numbers[i];
    }
    line->is_signed = numbers[0] < 0 || numbers[1] < 0;
    return !line->is_signed || (numbers[0] <= G_MAXINT32 && numbers[1] <= G_MAXINT32);
}

static gboolean read_fields(char **fields, VgpuLegacyLine *line)
{
    gint64 priority, vm;

    if (strlen(fields[0]) != 1 || !g_ascii_isupper(fields[0][0]) ||
        !read_number(fields[1], VGPU_PRIORITY_LOW, VGPU_PRIORITY_HIGH, &priority) ||
        !read_number(fields[2], 1, VGPU_LEGACY_LINE_MAX_VM, &vm))
        return FALSE;
    line->pool = fields[0][0];
    line->priority = (enum vgpu_priority)priority;
    line->vm = (guint32)vm;
    return read_numbers(fields + 3, line);
}

VgpuLegacyLineResult vgpu_legacy_line_parse(const char *bytes, gsize length, VgpuLegacyLine *line)
{
    const char *end = memchr(bytes, '\n', MIN(length, VGPU_LEGACY_LINE_MAX));

    if (end == NULL)
        return length < VGPU_LEGACY_LINE_MAX ? VGPU_LEGACY_LINE_PARTIAL
                                             : VGPU_LEGACY_LINE_MALFORMED;
    if (end > bytes && end[-1] == '\r')
        end--;
    if (memchr(bytes, '\0', (gsize)(end - bytes)) != NULL)
        return VGPU_LEGACY_LINE_MALFORMED;

    g_autofree char *text = g_strndup(bytes, (gsize)(end - bytes));
    g_auto(GStrv) fields = g_strsplit(text, ":", FIELDS + 1);
    *line = (VgpuLegacyLine){0};
    return g_strv_length(fields) == FIELDS && read_fields(fields, line)
               ? VGPU_LEGACY_LINE_OK
               : VGPU_LEGACY_LINE_MALFORMED;
}

char *vgpu_legacy_line_result(const VgpuLegacyLine *line, guint32 sum)
{
    return line->is_signed ? g_strdup_printf("%d\n", (gint32)sum) : g_strdup_printf("%u\n", sum);
}

char *vgpu_legacy_line_error(enum vgpu_error error)
{
    return g_strdup_printf("ERROR 0x%02x %s\n", error, vgpu_error_name(error));
}
