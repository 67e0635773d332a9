/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Aligned columns of text. */
#pragma once

#include <glib.h>

/* Columns that one cell takes at most; longer ones are cut. `vgpuctl show` has the whole text. */
#define VGPUCTL_TABLE_CELL_MAX 40u

typedef struct VgpuctlTable VgpuctlTable;

/*
 * vgpuctl_table_new:
 * @titles is NULL-terminated and must stay valid. A title that begins with '>' belongs to a column
 * that is aligned to the right.
 */
VgpuctlTable *vgpuctl_table_new(const char *const *titles);

/* Adds the next cell, from left to right, row by row. @text is made safe; empty text shows as "-".
 */
void vgpuctl_table_add(VgpuctlTable *table, const char *text);

/* Appends title and rows, each a line without trailing spaces. The last row must be complete. */
void vgpuctl_table_print(const VgpuctlTable *table, GString *out);

void vgpuctl_table_free(VgpuctlTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuctlTable, vgpuctl_table_free)
