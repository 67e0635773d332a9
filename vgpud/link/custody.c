/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "custody.h"

struct VgpuCustodies {
    const VgpuSettings *settings;
    const VgpuCustodyHandlers *handlers;
    gpointer user_data;
    GHashTable *by_uuid; /* -> VgpuCustody, borrowed */
};

struct VgpuCustody {
    VgpuCustodies *all;
    VgpuSession *session;
    const VgpuCustodyWays *ways;
    gpointer vm;
    guint timer; /* 0: it does not end by itself */
};

VgpuCustodies *vgpu_custodies_new(const VgpuSettings *settings, const VgpuCustodyHandlers *handlers,
                                  gpointer user_data)
{
    VgpuCustodies *all = g_new0(VgpuCustodies, 1);

    all->settings = settings;
    all->handlers = handlers;
    all->user_data = user_data;
    all->by_uuid = g_hash_table_new(g_str_hash, g_str_equal);
    return all;
}

void vgpu_custodies_free(VgpuCustodies *all)
{
    g_assert(g_hash_table_size(all->by_uuid) == 0);
    g_hash_table_unref(all->by_uuid);
    g_free(all);
}

VgpuCustody *vgpu_custodies_find(const VgpuCustodies *all, const VgpuSession *session)
{
    return g_hash_table_lookup(all->by_uuid, session->uuid);
}

VgpuCustody *vgpu_custody_new(VgpuCustodies *all, VgpuSession *session, const VgpuCustodyWays *ways,
                              gpointer vm)
{
    VgpuCustody *self = g_new0(VgpuCustody, 1);

    self->all = all;
    self->session = vgpu_session_ref(session);
    self->ways = ways;
    self->vm = vm;
    vgpu_faults_clear(&session->faults);
    vgpu_faults_init(&session->faults, all->settings->fault_budget,
                     (gint64)all->settings->fault_window_s * G_USEC_PER_SEC);
    g_hash_table_insert(all->by_uuid, session->uuid, self);
    return self;
}

void vgpu_custody_free(VgpuCustody *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    g_hash_table_remove(self->all->by_uuid, self->session->uuid);
    vgpu_session_unref(self->session);
    g_free(self);
}

/* Legacy VMs have no domain. */
static char *whose(const VgpuSession *session)
{
    return g_strdup_printf(session->vm_id > VGPU_VM_ID_MAX ? "%s" : "domain '%s'", session->name);
}

static void end(VgpuCustody *self, gboolean pardon)
{
    g_autofree char *who = whose(self->session);

    g_clear_handle_id(&self->timer, g_source_remove);
    vgpu_quarantine_end(&self->session->quarantine, pardon);
    vgpu_faults_forgive(&self->session->faults);
    g_message("%s: released from quarantine", who);
    self->all->handlers->note(self->session, self->all->user_data);
    self->ways->open(self->vm);
}

static gboolean on_over(gpointer data)
{
    VgpuCustody *self = data;

    self->timer = 0;
    end(self, FALSE);
    return G_SOURCE_REMOVE;
}

static void begin(VgpuCustody *self, gint64 now_us)
{
    const gint64 until_us = self->session->quarantine.until_us;

    g_clear_handle_id(&self->timer, g_source_remove);
    if (until_us != VGPU_QUARANTINE_FOREVER) {
        const gint64 rest_ms = MAX(0, until_us - now_us) / 1000;
        self->timer = g_timeout_add((guint)MIN(rest_ms, (gint64)G_MAXUINT), on_over, self);
    }
    self->all->handlers->note(self->session, self->all->user_data);
    self->ways->shut(self->vm);
    vgpu_session_changed(self->session);
}

void vgpu_custody_recall(VgpuCustody *self)
{
    const gint64 now_us = g_get_monotonic_time();

    self->all->handlers->recall(self->session, self->all->user_data);
    if (self->session->quarantine.until_us > now_us)
        begin(self, now_us);
    else
        vgpu_quarantine_end(&self->session->quarantine, FALSE);
}

static char *explain(const VgpuSettings *settings, const VgpuWorkerEnd *last)
{
    switch (last->fault) {
    case VGPU_FAULT_INVALID:
        return g_strdup_printf("more than %u invalid requests in %u s", settings->error_budget,
                               settings->fault_window_s);
    case VGPU_FAULT_BACKEND:
        return g_strdup_printf("more than %u requests failed on its device in %u s",
                               settings->backend_fault_budget, settings->fault_window_s);
    default:
        return g_strdup_printf("its worker died more than %u times in %u s, last by a %s: %s",
                               settings->fault_budget, settings->fault_window_s,
                               vgpu_fault_name(last->fault), last->how);
    }
}

static void quarantine(VgpuCustody *self, const VgpuWorkerEnd *last, gint64 now_us)
{
    const VgpuSettings *settings = self->all->settings;
    g_autofree char *who = whose(self->session);
    g_autofree char *reason = explain(settings, last);
    const guint seconds = vgpu_quarantine_begin(&self->session->quarantine, settings->quarantine_s,
                                                settings->quarantine_max_s, reason, now_us);

    g_warning("%s: quarantined for %u s: %s", who, seconds, reason);
    begin(self, now_us);
}

gboolean vgpu_custody_count(VgpuCustody *self, const VgpuWorkerEnd *last)
{
    VgpuSession *session = self->session;
    const gint64 now_us = g_get_monotonic_time();
    /* The worker has counted these, within the same window. */
    const gboolean is_sum = last->fault == VGPU_FAULT_INVALID || last->fault == VGPU_FAULT_BACKEND;
    const gboolean too_many = vgpu_faults_add(&session->faults, now_us) || is_sum;

    session->fault_counts[last->fault]++;
    vgpu_quarantine_postpone(&session->quarantine, self->all->settings->quarantine_max_s, now_us);
    vgpu_session_changed(session);
    if (last->device_key != NULL)
        self->all->handlers->blame(session, last->device_key, self->all->user_data);
    if (too_many)
        quarantine(self, last, now_us);
    return too_many;
}

void vgpu_custody_order(VgpuCustody *self, guint seconds)
{
    const gint64 now_us = g_get_monotonic_time();
    g_autofree char *who = whose(self->session);
    g_autofree char *until =
        seconds == 0 ? g_strdup("until it is released") : g_strdup_printf("for %u s", seconds);

    g_return_if_fail(seconds <= VGPU_QUARANTINE_MAX_S);
    g_message("%s: quarantined %s: by an operator", who, until);
    vgpu_quarantine_order(&self->session->quarantine,
                          seconds == 0 ? VGPU_QUARANTINE_FOREVER
                                       : now_us + (gint64)seconds * G_USEC_PER_SEC,
                          "by an operator");
    begin(self, now_us);
}

void vgpu_custody_release(VgpuCustody *self)
{
    if (self->session->quarantine.until_us != 0) {
        end(self, TRUE);
        return;
    }
    vgpu_quarantine_end(&self->session->quarantine, TRUE);
    vgpu_faults_forgive(&self->session->faults);
    self->all->handlers->note(self->session, self->all->user_data);
}
