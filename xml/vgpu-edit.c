/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-edit.h"

typedef struct {
    gsize start, end;
    guint order;
    char *replacement;
} Change;

static void clear_change(gpointer data)
{
    g_free(((Change *)data)->replacement);
}

VgpuEdit *vgpu_edit_new(void)
{
    VgpuEdit *edit = g_new(VgpuEdit, 1);

    edit->changes = g_array_new(FALSE, FALSE, sizeof(Change));
    g_array_set_clear_func(edit->changes, clear_change);
    return edit;
}

void vgpu_edit_free(VgpuEdit *edit)
{
    if (edit == NULL)
        return;
    g_array_unref(edit->changes);
    g_free(edit);
}

void vgpu_edit_replace(VgpuEdit *edit, gsize start, gsize end, const char *replacement)
{
    Change change = {start, end, edit->changes->len, g_strdup(replacement)};

    g_assert(start <= end);
    g_array_append_val(edit->changes, change);
}

void vgpu_edit_delete(VgpuEdit *edit, const VgpuDocument *document, const xmlNode *element)
{
    VgpuSpan span = vgpu_document_span(document, element);

    vgpu_edit_replace(edit, span.start - vgpu_document_lead(document, span.start), span.end, "");
}

static int compare(gconstpointer a, gconstpointer b)
{
    const Change *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end) /* an insertion goes before what is replaced there */
        return x->end < y->end ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

char *vgpu_edit_apply(VgpuEdit *edit, const char *text, gsize length)
{
    GString *out = g_string_sized_new(length + 1024);
    gsize at = 0;

    g_array_sort(edit->changes, compare);
    for (guint i = 0; i < edit->changes->len; i++) {
        const Change *change = &g_array_index(edit->changes, Change, i);

        g_assert(change->start >= at && change->end <= length);
        g_string_append_len(out, text + at, change->start - at);
        g_string_append(out, change->replacement);
        at = change->end;
    }
    g_string_append_len(out, text + at, length - at);
    return g_string_free(out, FALSE);
}
