/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include "vgpu-codec.h"

#define NS_PER_SECOND G_GUINT64_CONSTANT(1000000000)
#define LETTERS       26

/* Whose numbers they are: its labels, and what it has had. */
typedef struct {
    char *labels; /* vm="web",uuid="..." */
    const VgpuAccounts *accounts;
    const VgpuSession *session; /* NULL: a pool's */
} Subject;

typedef struct {
    const char *name; /* without vgpud_vm_ and vgpud_pool_ */
    const char *help;
    gsize index;
    gboolean is_time; /* nanoseconds, shown as seconds */
} Counter;

static const Counter counters[] = {
    {"requests_total", "Requests and commands answered.", VGPU_ACCOUNT_REQUESTS, FALSE},
    {"received_bytes_total", "Bytes of requests.", VGPU_ACCOUNT_BYTES_IN, FALSE},
    {"sent_bytes_total", "Bytes of responses.", VGPU_ACCOUNT_BYTES_OUT, FALSE},
    {"device_seconds_total", "Time on the device.", VGPU_ACCOUNT_DEVICE_NS, TRUE},
    {"service_seconds_total", "Time from the arrival of requests to their answers.",
     VGPU_ACCOUNT_SERVICE_NS, TRUE},
};

/* What a VM holds now. */
static const struct {
    const char *name, *help;
    VgpuQuotaKind kind;
} gauges[] = {
    {"memory_bytes", "Device memory in buffers.", VGPU_QUOTA_MEMORY},
    {"program_bytes", "Sources and binaries of programs.", VGPU_QUOTA_PROGRAMS},
    {"handles", "Buffers, programs, kernels and events.", VGPU_QUOTA_HANDLES},
    {"outstanding", "Commands that the device has and has not ended.", VGPU_QUOTA_OUTSTANDING},
    {"shared_memory_bytes", "Memory of queues that are open.", VGPU_QUOTA_SHARED},
};

static void subject_free(gpointer data)
{
    Subject *subject = data;

    g_free(subject->labels);
    g_free(subject);
}

/* Within quotes: as the format wants it. */
static char *escape(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *escaped = g_string_new(NULL);

    for (const char *c = valid; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"')
            g_string_append_c(escaped, '\\');
        if (*c == '\n')
            g_string_append(escaped, "\\n");
        else
            g_string_append_c(escaped, *c);
    }
    return g_string_free(escaped, FALSE);
}

static void begin(GString *out, const char *prefix, const char *name, const char *type,
                  const char *help)
{
    g_string_append_printf(out, "# HELP vgpud_%s%s %s\n# TYPE vgpud_%s%s %s\n", prefix, name, help,
                           prefix, name, type);
}

static void append_seconds(GString *out, guint64 ns)
{
    g_string_append_printf(out, "%" G_GUINT64_FORMAT ".%09u\n", ns / NS_PER_SECOND,
                           (guint)(ns % NS_PER_SECOND));
}

static void append_counters(GString *out, const char *prefix, const GPtrArray *subjects)
{
    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++) {
        const Counter *counter = &counters[i];

        begin(out, prefix, counter->name, "counter", counter->help);
        for (guint j = 0; j < subjects->len; j++) {
            const Subject *subject = subjects->pdata[j];
            const guint64 value = subject->accounts->count[counter->index];

            g_string_append_printf(out, "vgpud_%s%s{%s} ", prefix, counter->name, subject->labels);
            if (counter->is_time)
                append_seconds(out, value);
            else
                g_string_append_printf(out, "%" G_GUINT64_FORMAT "\n", value);
        }
    }
}

static void append_errors(GString *out, const char *prefix, const GPtrArray *subjects)
{
    begin(out, prefix, "errors_total", "counter", "Requests and commands answered with an error.");
    for (guint j = 0; j < subjects->len; j++) {
        const Subject *subject = subjects->pdata[j];

        for (guint code = VGPU_ERROR_NONE + 1; code < VGPU_ERROR_COUNT; code++)
            g_string_append_printf(out,
                                   "vgpud_%serrors_total{%s,error=\"%s\"} %" G_GUINT64_FORMAT "\n",
                                   prefix, subject->labels, vgpu_error_name(code),
                                   subject->accounts->count[VGPU_ACCOUNT_ERRORS + code]);
    }
}

static void append_buckets(GString *out, const char *prefix, const Subject *subject)
{
    guint64 count = 0;

    for (guint i = 0; i < VGPU_PAGE_WAITS; i++) {
        char bound[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";

        /* No sum of counts that are in the accounts wraps in a VM's life; if it did, it would stop.
         */
        count = MIN(count + subject->accounts->count[VGPU_ACCOUNT_WAITS + i], (guint64)G_MAXINT64);
        if (i < VGPU_PAGE_WAITS - 1)
            g_ascii_formatd(bound, sizeof(bound), "%.7g", (gdouble)(1u << i) / 1e6);
        g_string_append_printf(out,
                               "vgpud_%swait_seconds_bucket{%s,le=\"%s\"} %" G_GUINT64_FORMAT "\n",
                               prefix, subject->labels, bound, count);
    }
    g_string_append_printf(out, "vgpud_%swait_seconds_sum{%s} ", prefix, subject->labels);
    append_seconds(out, subject->accounts->count[VGPU_ACCOUNT_WAIT_NS]);
    g_string_append_printf(out, "vgpud_%swait_seconds_count{%s} %" G_GUINT64_FORMAT "\n", prefix,
                           subject->labels, count);
}

static void append_accounts(GString *out, const char *prefix, const GPtrArray *subjects)
{
    append_counters(out, prefix, subjects);
    append_errors(out, prefix, subjects);
    begin(out, prefix, "wait_seconds", "histogram",
          "Waits of requests that had to wait for the VM's rate or its turn on the device.");
    for (guint j = 0; j < subjects->len; j++)
        append_buckets(out, prefix, subjects->pdata[j]);
}

static void append_held(GString *out, const GPtrArray *subjects)
{
    for (gsize i = 0; i < G_N_ELEMENTS(gauges); i++) {
        begin(out, "vm_", gauges[i].name, "gauge", gauges[i].help);
        for (guint j = 0; j < subjects->len; j++) {
            const Subject *subject = subjects->pdata[j];

            g_string_append_printf(out, "vgpud_vm_%s{%s} %" G_GUINT64_FORMAT "\n", gauges[i].name,
                                   subject->labels,
                                   vgpu_session_used(subject->session, gauges[i].kind));
        }
    }
}

static void append_limits(GString *out, const GPtrArray *subjects)
{
    begin(out, "vm_", "limit", "gauge", "What the VM may use, by the limit's name; 0: no limit.");
    for (guint j = 0; j < subjects->len; j++) {
        const Subject *subject = subjects->pdata[j];

        for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
            g_string_append_printf(out, "vgpud_vm_limit{%s,limit=\"%s\"} %u\n", subject->labels,
                                   vgpu_limit_info(i)->name, subject->session->limits.value[i]);
    }
}

static void append_faults(GString *out, const GPtrArray *subjects)
{
    begin(out, "vm_", "faults_total", "counter", "The same by their kind.");
    for (guint j = 0; j < subjects->len; j++) {
        const Subject *subject = subjects->pdata[j];

        for (guint i = 0; i < VGPU_FAULT_KINDS; i++)
            g_string_append_printf(
                out, "vgpud_vm_faults_total{%s,kind=\"%s\"} %" G_GUINT64_FORMAT "\n",
                subject->labels, vgpu_fault_name(i), subject->session->fault_counts[i]);
    }
    begin(out, "vm_", "quarantines_total", "counter", "How often the VM was quarantined.");
    for (guint j = 0; j < subjects->len; j++) {
        const Subject *subject = subjects->pdata[j];

        g_string_append_printf(out, "vgpud_vm_quarantines_total{%s} %" G_GUINT64_FORMAT "\n",
                               subject->labels, subject->session->quarantine.total);
    }
}

static void append_vms(GString *out, const GPtrArray *subjects)
{
    begin(out, "vm_", "info", "gauge", "Always 1: where the VM is.");
    for (guint j = 0; j < subjects->len; j++) {
        const Subject *subject = subjects->pdata[j];
        const VgpuSession *session = subject->session;
        g_autofree char *member = escape(session->member != NULL ? session->member->name : "");

        g_string_append_printf(
            out, "vgpud_vm_info{%s,pool=\"%c\",member=\"%s\",priority=\"%s\",state=\"%s\"} 1\n",
            subject->labels, session->pool, member, vgpu_priority_name(session->priority),
            vgpu_session_state_name(session->state));
    }
    begin(out, "vm_", "worker_faults_total", "counter", "Deaths of the VM's workers.");
    for (guint j = 0; j < subjects->len; j++) {
        const Subject *subject = subjects->pdata[j];

        g_string_append_printf(out, "vgpud_vm_worker_faults_total{%s} %" G_GUINT64_FORMAT "\n",
                               subject->labels, (guint64)subject->session->faults.total);
    }
    append_faults(out, subjects);
    append_accounts(out, "vm_", subjects);
    append_held(out, subjects);
    append_limits(out, subjects);
}

/* Which members take no more VMs, and who wants that. */
static void append_members(GString *out, const VgpuModel *model)
{
    begin(out, "member_", "draining", "gauge",
          "1: it takes no more VMs; by: the operator or the "
          "breaker.");
    for (char letter = 'A'; letter < 'A' + LETTERS; letter++) {
        const VgpuPool *pool = vgpu_pools_get(model->pools, letter);

        for (guint i = 0; pool != NULL && i < pool->members->len; i++) {
            const VgpuMember *member = pool->members->pdata[i];
            g_autofree char *name = escape(member->name);

            if (member->removed)
                continue;
            g_string_append_printf(
                out,
                "vgpud_member_draining{pool=\"%c\",member=\"%s\",by=\"operator\"} %d\n"
                "vgpud_member_draining{pool=\"%c\",member=\"%s\",by=\"breaker\"} %d\n",
                letter, name, member->draining && member->drain_reason == NULL, letter, name,
                member->draining && member->drain_reason != NULL);
        }
    }
}

static void append_pools(GString *out, const VgpuModel *model, guint64 now_ns)
{
    g_autoptr(GPtrArray) subjects = g_ptr_array_new_with_free_func(subject_free);

    begin(out, "pool_", "vms", "gauge", "VMs that have a place in the pool.");
    for (char letter = 'A'; letter < 'A' + LETTERS; letter++) {
        const VgpuPool *pool = vgpu_pools_get(model->pools, letter);

        if (pool == NULL)
            continue;
        Subject *subject = g_new0(Subject, 1);
        subject->labels = g_strdup_printf("pool=\"%c\"", letter);
        subject->accounts = vgpu_sessions_accounts(model->sessions, letter, now_ns);
        g_ptr_array_add(subjects, subject);
        g_string_append_printf(out, "vgpud_pool_vms{%s} %u\n", subject->labels,
                               vgpu_pool_used(pool));
    }
    append_accounts(out, "pool_", subjects);
}

static void append_own(GString *out, const VgpuModel *model)
{
    begin(out, "", "build_info", "gauge", "Always 1: vgpud's version.");
    g_string_append_printf(out, "vgpud_build_info{version=\"%s\"} 1\n", VGPU_VERSION);
    begin(out, "", "start_time_seconds", "gauge", "When vgpud started, since 1970.");
    g_string_append_printf(out, "vgpud_start_time_seconds %" G_GINT64_FORMAT "\n",
                           model->started_us / G_USEC_PER_SEC);
    begin(out, "", "libvirt_connected", "gauge", "1: vgpud is connected to libvirt.");
    g_string_append_printf(out, "vgpud_libvirt_connected %d\n", model->libvirt_connected ? 1 : 0);
}

char *vgpu_metrics_text(const VgpuModel *model, guint64 now_ns)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(model->sessions);
    g_autoptr(GPtrArray) subjects = g_ptr_array_new_with_free_func(subject_free);
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < sessions->len; i++) {
        VgpuSession *session = sessions->pdata[i];
        g_autofree char *name = escape(session->name), *uuid = escape(session->uuid);
        Subject *subject = g_new0(Subject, 1);

        vgpu_session_look(session, now_ns);
        subject->labels = g_strdup_printf("vm=\"%s\",uuid=\"%s\"", name, uuid);
        subject->accounts = &session->accounts;
        subject->session = session;
        g_ptr_array_add(subjects, subject);
    }
    append_own(out, model);
    append_pools(out, model, now_ns);
    append_members(out, model);
    append_vms(out, subjects);
    return g_string_free(out, FALSE);
}
