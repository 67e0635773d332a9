/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build-log.h"

#include <string.h>

static gboolean is_name(guint8 byte)
{
    /* Also what is not ASCII: a name in UTF-8. */
    return g_ascii_isalnum((char)byte) || byte >= 0x80 || (byte != '\0' && strchr("_.+@~-", byte));
}

static gboolean begins_path(const guint8 *text, gsize at)
{
    return text[at] == '/' &&
           (at == 0 || !(is_name(text[at - 1]) || strchr("/)]*", text[at - 1]) != NULL));
}

/* Where the last folder of the path at @at ends; @at: there is none. */
static gsize end_of_folders(const guint8 *text, gsize length, gsize at)
{
    gsize end = at;

    for (gsize i = at + 1; i < length; i++) {
        if (text[i] == '/' && text[i - 1] != '/')
            end = i + 1;
        else if (!is_name(text[i]))
            break;
    }
    return end;
}

gsize vgpu_build_log_strip_folders(guint8 *text, gsize length)
{
    gsize kept = 0;

    for (gsize i = 0; i < length; i++) {
        gsize next = begins_path(text, i) ? end_of_folders(text, length, i) : i;

        if (next > i)
            i = next;
        if (i < length)
            text[kept++] = text[i];
    }
    return kept;
}
