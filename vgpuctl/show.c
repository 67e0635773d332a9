/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "show.h"

#include "dict.h"
#include "table.h"
#include "text.h"
#include "vgpu-limits.h"
#include "waits.h"

/* Adds a cell and takes @text. */
static void add(VgpuctlTable *table, char *text)
{
    vgpuctl_table_add(table, text);
    g_free(text);
}

static void add_count(VgpuctlTable *table, guint64 count)
{
    add(table, g_strdup_printf("%" G_GUINT64_FORMAT, count));
}

/* "3 (2 serving, 1 reserved)" */
static void append_states(GVariant *status, GString *out)
{
    g_autoptr(GVariant) states =
        g_variant_lookup_value(status, "vms-by-state", G_VARIANT_TYPE("a{su}"));
    const char *separator = " (", *name;
    GVariantIter iter;
    guint32 count;

    g_string_append_printf(out, "%u", vgpuctl_dict_uint(status, "vm-count"));
    if (states == NULL)
        return;
    g_variant_iter_init(&iter, states);
    while (g_variant_iter_next(&iter, "{&su}", &name, &count)) {
        if (count == 0)
            continue;
        g_autofree char *safe = vgpuctl_text_safe(name);
        g_string_append_printf(out, "%s%u %s", separator, count, safe);
        separator = ", ";
    }
    if (separator[0] == ',')
        g_string_append_c(out, ')');
}

static void append_libvirt(GVariant *status, GString *out)
{
    g_autofree char *uri = vgpuctl_text_safe(vgpuctl_dict_string(status, "libvirt-uri"));
    g_autofree char *detail = vgpuctl_text_safe(vgpuctl_dict_string(status, "libvirt-detail"));
    gboolean connected = FALSE;

    g_variant_lookup(status, "libvirt-connected", "b", &connected);
    if (connected)
        g_string_append_printf(out, "connected to %s", *detail != '\0' ? detail : uri);
    else
        g_string_append_printf(out, "NOT CONNECTED to %s%s%s", uri, *detail != '\0' ? ": " : "",
                               detail);
}

void vgpuctl_show_status(GVariant *status, GString *out)
{
    g_autofree char *version = vgpuctl_text_safe(vgpuctl_dict_string(status, "version"));
    g_autofree char *protocol = vgpuctl_text_safe(vgpuctl_dict_string(status, "protocol"));
    g_autofree char *uptime = vgpuctl_text_uptime(vgpuctl_dict_count(status, "uptime-us"));

    g_string_append_printf(out, "vgpud:    version %s, protocol %s, up %s\n", version, protocol,
                           uptime);
    g_string_append(out, "libvirt:  ");
    append_libvirt(status, out);
    g_string_append_printf(out,
                           "\npools:    %u\nVMs:      ", vgpuctl_dict_uint(status, "pool-count"));
    append_states(status, out);
    g_string_append_c(out, '\n');
}

/* "2/4", or "2" without a limit. */
static char *usage_text(guint used, guint slots)
{
    return slots == 0 ? g_strdup_printf("%u", used) : g_strdup_printf("%u/%u", used, slots);
}

/* Whether a member takes VMs. */
static const char *member_state(GVariant *member)
{
    const gboolean is_failed = *vgpuctl_dict_string(member, "drain-reason") != '\0';
    gboolean draining = FALSE, removed = FALSE;

    g_variant_lookup(member, "draining", "b", &draining);
    g_variant_lookup(member, "removed", "b", &removed);
    if (removed)
        return "removed";
    return !draining ? "-" : is_failed ? "failed, draining" : "draining";
}

/* What the workers found on a member; before there was one, what the configuration says. */
static char *member_device(GVariant *member)
{
    g_autofree const char **names = NULL;

    g_variant_lookup(member, "device-names", "^a&s", &names);
    if (names != NULL && names[0] != NULL)
        return g_strjoinv(", ", (char **)names);
    const char *selector = vgpuctl_dict_string(member, "device");
    return *selector == '\0' ? g_strdup("(the first)") : g_strdup_printf("(%s)", selector);
}

/* Of a pool, or of a VM within it: "100/s, burst 10, memory-mib 512". */
static char *limit_text(GVariant *dict)
{
    const guint rate = vgpuctl_dict_uint(dict, "requests-per-second"),
                burst = vgpuctl_dict_uint(dict, "burst");
    g_autoptr(GString) text = g_string_new(NULL);

    if (rate != 0)
        g_string_append_printf(text, "%u/s, burst %u", rate, MAX(burst, 1));
    for (gsize i = VGPU_LIMIT_DEVICE_TIME; i < VGPU_LIMIT_COUNT; i++) {
        const char *name = vgpu_limit_info(i)->name;
        const guint value = vgpuctl_dict_uint(dict, name);

        if (value != 0)
            g_string_append_printf(text, "%s%s %u", text->len > 0 ? ", " : "", name, value);
    }
    return g_strdup(text->len > 0 ? text->str : "none");
}

/* Behind the table: which members the breaker has drained, and why. */
static void append_failed(GString *out, GVariant *pool, GVariant *member)
{
    const char *why = vgpuctl_dict_string(member, "drain-reason");
    g_autofree char *letter = vgpuctl_text_safe(vgpuctl_dict_string(pool, "name"));
    g_autofree char *name = vgpuctl_text_safe(vgpuctl_dict_string(member, "name"));
    g_autofree char *reason = vgpuctl_text_safe(why);

    if (*why != '\0')
        g_string_append_printf(out, "%s/%s was drained by the breaker: %s\n", letter, name, reason);
}

void vgpuctl_show_pools(GVariant *pools, GString *out)
{
    static const char *const titles[] = {"POOL",  "MEMBER", "BACKEND",      ">VMS",        "STATE",
                                         ">LOAD", "DEVICE", "LIMIT PER VM", "DESCRIPTION", NULL};
    g_autoptr(VgpuctlTable) table = vgpuctl_table_new(titles);
    g_autoptr(GString) failed = g_string_new(NULL);
    GVariantIter pool_iter, member_iter;
    GVariant *pool, *member;

    g_variant_iter_init(&pool_iter, pools);
    while (g_variant_iter_loop(&pool_iter, "@a{sv}", &pool)) {
        g_autoptr(GVariant) members =
            g_variant_lookup_value(pool, "members", G_VARIANT_TYPE("aa{sv}"));
        if (members == NULL)
            continue;
        g_variant_iter_init(&member_iter, members);
        while (g_variant_iter_loop(&member_iter, "@a{sv}", &member)) {
            vgpuctl_table_add(table, vgpuctl_dict_string(pool, "name"));
            vgpuctl_table_add(table, vgpuctl_dict_string(member, "name"));
            vgpuctl_table_add(table, vgpuctl_dict_string(member, "backend"));
            add(table,
                usage_text(vgpuctl_dict_uint(member, "used"), vgpuctl_dict_uint(member, "slots")));
            vgpuctl_table_add(table, member_state(member));
            add(table, g_strdup_printf("%u %%", (vgpuctl_dict_uint(member, "load") + 5) / 10));
            add(table, member_device(member));
            add(table, limit_text(pool));
            vgpuctl_table_add(table, vgpuctl_dict_string(pool, "description"));
            append_failed(failed, pool, member);
        }
    }
    vgpuctl_table_print(table, out);
    if (failed->len > 0)
        g_string_append_printf(out, "\n%s", failed->str);
}

/* What the DEVICE column says: a device, or why there is none. */
static const char *vm_device(GVariant *vm)
{
    const char *failure = vgpuctl_dict_string(vm, "failure");

    return *failure != '\0' ? failure : vgpuctl_dict_string(vm, "device");
}

static gboolean is_waiting(GVariant *vm)
{
    gboolean waiting = FALSE;

    g_variant_lookup(vm, "waiting", "b", &waiting);
    return waiting;
}

/* A VM without a place is not served, whatever its QEMU and its start have come to. */
static const char *vm_state(GVariant *vm)
{
    return is_waiting(vm) ? "waiting" : vgpuctl_dict_string(vm, "state");
}

void vgpuctl_show_vms(GVariant *vms, gint64 now_us, GString *out)
{
    static const char *const titles[] = {"VM",    "NUMBER", "POOL",      "PRIORITY",
                                         "STATE", "DEVICE", ">REQUESTS", ">ERRORS",
                                         ">MEAN", "LAST",   NULL};
    g_autoptr(VgpuctlTable) table = vgpuctl_table_new(titles);
    GVariantIter iter;
    GVariant *vm;

    if (g_variant_n_children(vms) == 0) {
        g_string_append(out, "no running VM has a vgpu\n");
        return;
    }
    g_variant_iter_init(&iter, vms);
    while (g_variant_iter_loop(&iter, "@a{sv}", &vm)) {
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "name"));
        add_count(table, vgpuctl_dict_uint(vm, "vm-id"));
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "pool"));
        vgpuctl_table_add(table, vgpuctl_dict_string(vm, "priority"));
        vgpuctl_table_add(table, vm_state(vm));
        vgpuctl_table_add(table, vm_device(vm));
        add_count(table, vgpuctl_dict_count(vm, "requests"));
        add_count(table, vgpuctl_dict_errors(vm));
        add(table, vgpuctl_text_time(vgpuctl_dict_count(vm, "mean-service-ns")));
        add(table, vgpuctl_text_ago(vgpuctl_dict_time(vm, "last-us"), now_us));
    }
    vgpuctl_table_print(table, out);
}

/* One line "key:   text". */
static void append_line(GString *out, const char *key, const char *text)
{
    g_autofree char *safe = vgpuctl_text_safe(text);
    g_autofree char *label = g_strconcat(key, ":", NULL);

    g_string_append_printf(out, "%-15s %s\n", label, *safe == '\0' ? "-" : safe);
}

static void append_taken(GString *out, const char *key, char *text)
{
    append_line(out, key, text);
    g_free(text);
}

static char *pid_text(guint pid)
{
    return pid == 0 ? g_strdup("none") : g_strdup_printf("%u", pid);
}

/* "7 (5 invalid-request, 2 timeout)": @sum, and what of the dictionary @key is not 0. */
static char *counts_text(GVariant *vm, const char *key, guint64 sum)
{
    g_autoptr(GVariant) errors = g_variant_lookup_value(vm, key, G_VARIANT_TYPE("a{st}"));
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    guint64 count;
    GVariantIter iter;

    if (errors != NULL) {
        g_variant_iter_init(&iter, errors);
        while (g_variant_iter_next(&iter, "{&st}", &name, &count))
            if (count > 0)
                g_ptr_array_add(parts, g_strdup_printf("%" G_GUINT64_FORMAT " %s", count, name));
    }
    if (parts->len == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT, sum);
    g_ptr_array_add(parts, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)parts->pdata);
    return g_strdup_printf("%" G_GUINT64_FORMAT " (%s)", sum, list);
}

char *vgpuctl_quarantine_text(GVariant *vm)
{
    const gint64 until_us = vgpuctl_dict_time(vm, "quarantined-until-us");
    g_autofree char *reason = vgpuctl_text_safe(vgpuctl_dict_string(vm, "quarantine-reason"));
    g_autofree char *date = vgpuctl_text_date(until_us);

    if (until_us == 0)
        return NULL;
    return g_strdup_printf("until %s: %s", until_us == G_MAXINT64 ? "it is released" : date,
                           reason);
}

static void append_waits(GVariant *vm, GString *out)
{
    g_autoptr(GVariant) waits = g_variant_lookup_value(vm, "waits", G_VARIANT_TYPE("at"));
    g_autofree char *sum = vgpuctl_text_time(vgpuctl_dict_count(vm, "wait-ns"));
    const guint64 count = vgpuctl_waits_count(waits);

    if (count == 0)
        return;
    g_autofree char *usual = vgpuctl_waits_text(waits, 50), *rare = vgpuctl_waits_text(waits, 99);
    append_taken(out, "waits",
                 g_strdup_printf("%" G_GUINT64_FORMAT ", half %s, 99 %% %s, in all %s", count,
                                 usual, rare, sum));
}

static void append_held(GVariant *vm, GString *out)
{
    g_autofree char *memory = vgpuctl_text_bytes(vgpuctl_dict_count(vm, "memory-used"));
    g_autofree char *shared = vgpuctl_text_bytes(vgpuctl_dict_count(vm, "shared-memory-used"));

    append_taken(out, "holds",
                 g_strdup_printf("%s of memory, %" G_GUINT64_FORMAT " handles, %" G_GUINT64_FORMAT
                                 " outstanding, %s of queues",
                                 memory, vgpuctl_dict_count(vm, "handles-used"),
                                 vgpuctl_dict_count(vm, "outstanding-used"), shared));
}

void vgpuctl_show_vm(GVariant *vm, gint64 now_us, GString *out)
{
    g_autofree char *since = vgpuctl_text_date(vgpuctl_dict_time(vm, "since-us"));
    g_autofree char *since_ago = vgpuctl_text_ago(vgpuctl_dict_time(vm, "since-us"), now_us);
    g_autofree char *in = vgpuctl_text_bytes(vgpuctl_dict_count(vm, "bytes-in"));
    g_autofree char *out_bytes = vgpuctl_text_bytes(vgpuctl_dict_count(vm, "bytes-out"));
    g_autofree char *quarantine = vgpuctl_quarantine_text(vm);

    append_line(out, "name", vgpuctl_dict_string(vm, "name"));
    append_line(out, "uuid", vgpuctl_dict_string(vm, "uuid"));
    append_taken(out, "number", g_strdup_printf("%u", vgpuctl_dict_uint(vm, "vm-id")));
    append_line(out, "pool", vgpuctl_dict_string(vm, "pool"));
    append_line(out, "member",
                is_waiting(vm) ? "none: it waits for a place" : vgpuctl_dict_string(vm, "member"));
    append_line(out, "priority", vgpuctl_dict_string(vm, "priority"));
    append_taken(out, "limit", limit_text(vm));
    append_line(out, "state", vgpuctl_dict_string(vm, "state"));
    append_taken(out, "since", g_strdup_printf("%s (%s)", since, since_ago));
    append_taken(out, "QEMU process", pid_text(vgpuctl_dict_uint(vm, "qemu-pid")));
    append_taken(out, "worker process", pid_text(vgpuctl_dict_uint(vm, "worker-pid")));
    append_taken(out, "worker faults",
                 counts_text(vm, "faults", vgpuctl_dict_count(vm, "worker-faults")));
    if (quarantine != NULL)
        append_line(out, "quarantined", quarantine);
    append_line(out, "backend", vgpuctl_dict_string(vm, "backend-state"));
    append_line(out, "device", vgpuctl_dict_string(vm, "device"));
    if (*vgpuctl_dict_string(vm, "failure") != '\0')
        append_line(out, "failure", vgpuctl_dict_string(vm, "failure"));
    append_taken(out, "requests",
                 g_strdup_printf("%" G_GUINT64_FORMAT, vgpuctl_dict_count(vm, "requests")));
    append_taken(out, "errors", counts_text(vm, "errors", vgpuctl_dict_errors(vm)));
    append_taken(out, "data", g_strdup_printf("%s in, %s out", in, out_bytes));
    append_taken(out, "device time", vgpuctl_text_time(vgpuctl_dict_count(vm, "device-ns")));
    append_waits(vm, out);
    append_held(vm, out);
    append_taken(out, "mean service", vgpuctl_text_time(vgpuctl_dict_count(vm, "mean-service-ns")));
    append_taken(out, "last request", vgpuctl_text_ago(vgpuctl_dict_time(vm, "last-us"), now_us));
}
