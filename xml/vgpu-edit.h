/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to a text, collected first and made at once. Private to xml/. */
#ifndef VGPU_EDIT_H
#define VGPU_EDIT_H

#include "vgpu-document.h"

typedef struct {
    GArray *changes;
} VgpuEdit;

VgpuEdit *vgpu_edit_new(void);
void vgpu_edit_free(VgpuEdit *edit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuEdit, vgpu_edit_free)

/*
 * The bytes from @start up to @end become @replacement, copied. Several insertions at one place
 * come out in the order of the calls. Ranges must not overlap.
 */
void vgpu_edit_replace(VgpuEdit *edit, gsize start, gsize end, const char *replacement);

/* Deletes @element and the newline and indentation before it. */
void vgpu_edit_delete(VgpuEdit *edit, const VgpuDocument *document, const xmlNode *element);

/* Returns the changed text, NUL-terminated, owned by the caller. Call it once. */
char *vgpu_edit_apply(VgpuEdit *edit, const char *text, gsize length);

#endif
