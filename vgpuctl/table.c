/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"
#include "text.h"

#define GAP 2u

struct VgpuctlTable {
    const char *const *titles;
    guint columns;
    GPtrArray *cells; /* of safe text that fits, row by row */
};

VgpuctlTable *vgpuctl_table_new(const char *const *titles)
{
    VgpuctlTable *table = g_new0(VgpuctlTable, 1);

    table->titles = titles;
    table->columns = g_strv_length((char **)titles);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    return table;
}

void vgpuctl_table_add(VgpuctlTable *table, const char *text)
{
    g_autofree char *safe = vgpuctl_text_safe(*text == '\0' ? "-" : text);

    g_ptr_array_add(table->cells, vgpuctl_text_fit(safe, VGPUCTL_TABLE_CELL_MAX));
}

static gboolean is_right(const VgpuctlTable *table, guint column)
{
    return table->titles[column][0] == '>';
}

static const char *title(const VgpuctlTable *table, guint column)
{
    return table->titles[column] + (is_right(table, column) ? 1 : 0);
}

static guint column_width(const VgpuctlTable *table, guint column)
{
    guint width = vgpuctl_text_columns(title(table, column));

    for (guint i = column; i < table->cells->len; i += table->columns)
        width = MAX(width, vgpuctl_text_columns(table->cells->pdata[i]));
    return width;
}

static void pad(GString *out, guint columns)
{
    while (columns-- > 0)
        g_string_append_c(out, ' ');
}

static void print_cell(const VgpuctlTable *table, guint column, const char *text, guint width,
                       GString *out)
{
    guint spare = width - vgpuctl_text_columns(text);
    gboolean last = column + 1 == table->columns;

    pad(out, is_right(table, column) ? spare : 0);
    g_string_append(out, text);
    if (last)
        g_string_append_c(out, '\n');
    else
        pad(out, (is_right(table, column) ? 0 : spare) + GAP);
}

void vgpuctl_table_print(const VgpuctlTable *table, GString *out)
{
    g_autofree guint *widths = g_new(guint, table->columns);

    g_assert(table->cells->len % table->columns == 0);
    for (guint column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (guint column = 0; column < table->columns; column++)
        print_cell(table, column, title(table, column), widths[column], out);
    for (guint i = 0; i < table->cells->len; i++) {
        guint column = i % table->columns;
        print_cell(table, column, table->cells->pdata[i], widths[column], out);
    }
}

void vgpuctl_table_free(VgpuctlTable *table)
{
    g_ptr_array_unref(table->cells);
    g_free(table);
}
