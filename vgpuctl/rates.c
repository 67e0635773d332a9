/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rates.h"

#include <string.h>

#include "dict.h"

/* The counters of one VM, at one moment. */
typedef struct {
    gint64 since_us; /* which of its lives */
    guint64 requests, errors, bytes_in, bytes_out, device_ns, service_ns, wait_ns;
} Counts;

typedef struct {
    GVariant *vm;
    gdouble busy, requests; /* what it is sorted by */
} Row;

struct VgpuctlRates {
    GHashTable *last; /* uuid -> Counts */
    gint64 last_us;
};

VgpuctlRates *vgpuctl_rates_new(void)
{
    VgpuctlRates *rates = g_new0(VgpuctlRates, 1);

    rates->last = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return rates;
}

void vgpuctl_rates_free(VgpuctlRates *rates)
{
    g_hash_table_unref(rates->last);
    g_free(rates);
}

static Counts *count(GVariant *vm)
{
    Counts *counts = g_new(Counts, 1);

    *counts = (Counts){
        .since_us = vgpuctl_dict_time(vm, "since-us"),
        .requests = vgpuctl_dict_count(vm, "requests"),
        .errors = vgpuctl_dict_errors(vm),
        .bytes_in = vgpuctl_dict_count(vm, "bytes-in"),
        .bytes_out = vgpuctl_dict_count(vm, "bytes-out"),
        .device_ns = vgpuctl_dict_count(vm, "device-ns"),
        .service_ns = vgpuctl_dict_count(vm, "service-ns"),
        .wait_ns = vgpuctl_dict_count(vm, "wait-ns"),
    };
    return counts;
}

/* A worker may write what it likes: a counter that runs backwards stands still here. */
static guint64 grown(guint64 before, guint64 now)
{
    return now > before ? now - before : 0;
}

static void put_rate(GVariantDict *dict, const char *key, gdouble rate)
{
    g_variant_dict_insert_value(dict, key, g_variant_new_double(rate));
}

/* @before: NULL when nothing is known of it. */
static Row make_row(GVariant *vm, const Counts *before, const Counts *now, gdouble seconds)
{
    Row row = {0};

    if (before == NULL || before->since_us != now->since_us || seconds <= 0) {
        row.vm = g_variant_ref(vm);
        return row;
    }
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(vm);
    guint64 requests = grown(before->requests, now->requests);
    row.requests = (gdouble)requests / seconds;
    row.busy = (gdouble)grown(before->device_ns, now->device_ns) / 1e9 / seconds;
    put_rate(&dict, "requests-per-s", row.requests);
    put_rate(&dict, "busy", row.busy);
    put_rate(&dict, "errors-per-s", (gdouble)grown(before->errors, now->errors) / seconds);
    put_rate(&dict, "bytes-in-per-s", (gdouble)grown(before->bytes_in, now->bytes_in) / seconds);
    put_rate(&dict, "bytes-out-per-s", (gdouble)grown(before->bytes_out, now->bytes_out) / seconds);
    guint64 service_ns = grown(before->service_ns, now->service_ns);
    g_variant_dict_insert(&dict, "interval-service-ns", "t",
                          requests == 0 ? (guint64)0 : service_ns / requests);
    guint64 wait_ns = grown(before->wait_ns, now->wait_ns);
    g_variant_dict_insert(&dict, "interval-wait-ns", "t",
                          requests == 0 ? (guint64)0 : wait_ns / requests);
    row.vm = g_variant_ref_sink(g_variant_dict_end(&dict));
    return row;
}

static gint compare(gconstpointer a, gconstpointer b)
{
    const Row *left = a, *right = b;

    if (left->busy != right->busy)
        return left->busy > right->busy ? -1 : 1;
    if (left->requests != right->requests)
        return left->requests > right->requests ? -1 : 1;
    return strcmp(vgpuctl_dict_string(left->vm, "name"), vgpuctl_dict_string(right->vm, "name"));
}

GVariant *vgpuctl_rates_add(VgpuctlRates *rates, GVariant *vms, gint64 now_us)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    GHashTable *present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    gdouble seconds = (gdouble)(now_us - rates->last_us) / G_USEC_PER_SEC;
    GVariantBuilder list;
    GVariantIter iter;
    GVariant *vm;

    g_variant_iter_init(&iter, vms);
    while (g_variant_iter_loop(&iter, "@a{sv}", &vm)) {
        const char *uuid = vgpuctl_dict_string(vm, "uuid");
        Counts *now = count(vm);
        Row row = make_row(vm, g_hash_table_lookup(rates->last, uuid), now, seconds);
        g_array_append_val(rows, row);
        g_hash_table_replace(present, g_strdup(uuid), now);
    }
    g_hash_table_unref(rates->last);
    rates->last = present;
    rates->last_us = now_us;

    g_array_sort(rows, compare);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < rows->len; i++) {
        Row *row = &g_array_index(rows, Row, i);
        g_variant_builder_add_value(&list, row->vm);
        g_variant_unref(row->vm);
    }
    return g_variant_ref_sink(g_variant_builder_end(&list));
}
