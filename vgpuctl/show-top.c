/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dict.h"
#include "show.h"
#include "table.h"
#include "text.h"

static void take(VgpuctlTable *table, char *text)
{
    vgpuctl_table_add(table, text);
    g_free(text);
}

/* "-" when the VM is new. */
static void add_rate(VgpuctlTable *table, GVariant *vm, const char *key, const char *unit,
                     gdouble factor)
{
    gdouble rate;

    if (g_variant_lookup(vm, key, "d", &rate))
        take(table, g_strdup_printf("%.1f%s", rate * factor, unit));
    else
        vgpuctl_table_add(table, "");
}

static void add_bytes(VgpuctlTable *table, GVariant *vm, const char *key)
{
    gdouble rate;

    if (g_variant_lookup(vm, key, "d", &rate))
        take(table, vgpuctl_text_bytes((guint64)rate));
    else
        vgpuctl_table_add(table, "");
}

static void add_mean(VgpuctlTable *table, GVariant *vm, const char *key)
{
    guint64 mean = vgpuctl_dict_count(vm, key);

    if (mean == 0)
        vgpuctl_table_add(table, "");
    else
        take(table, vgpuctl_text_time(mean));
}

void vgpuctl_show_top(GVariant *vms, GString *out)
{
    static const char *const titles[] = {"VM",     "POOL",   "PRIORITY", "STATE", ">REQ/S",
                                         ">ERR/S", ">BUSY",  ">MEAN",    ">WAIT", ">MEMORY",
                                         ">IN/S",  ">OUT/S", NULL};
    g_autoptr(VgpuctlTable) table = vgpuctl_table_new(titles);
    GVariantIter iter;
    GVariant *vm;

    g_variant_iter_init(&iter, vms);
    while (g_variant_iter_loop(&iter, "@a{sv}", &vm)) {
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "name"));
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "pool"));
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "priority"));
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "state"));
        add_rate(table, vm, "requests-per-s", "", 1);
        add_rate(table, vm, "errors-per-s", "", 1);
        add_rate(table, vm, "busy", " %", 100);
        add_mean(table, vm, "interval-service-ns");
        add_mean(table, vm, "interval-wait-ns");
        take(table, vgpuctl_text_bytes(vgpuctl_dict_count(vm, "memory-used")));
        add_bytes(table, vm, "bytes-in-per-s");
        add_bytes(table, vm, "bytes-out-per-s");
    }
    vgpuctl_table_print(table, out);
}
