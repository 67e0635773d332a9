/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is kept out, and which devices are: what custodies and the breaker say is kept and told. */
#include <string.h>

#include "daemon-private.h"

static void on_recall(VgpuSession *session, gpointer data)
{
    VgpuDaemon *self = data;

    vgpu_state_file_get_quarantine(self->state, session->uuid, &session->quarantine);
}

static void on_note(const VgpuSession *session, gpointer data)
{
    VgpuDaemon *self = data;

    vgpu_state_file_set_quarantine(self->state, session->uuid, &session->quarantine,
                                   g_get_monotonic_time());
}

/* The member is its device, and takes VMs: it is to be empty. Adds its name to @names. */
static void give_up(VgpuDaemon *self, char letter, VgpuMember *member, const char *key,
                    const char *why, GStrvBuilder *names)
{
    g_autofree char *own = vgpu_member_device_key(member);

    if (strcmp(own, key) != 0 || member->draining || member->removed)
        return;
    g_autofree char *name = g_strdup_printf("%c/%s", letter, member->name);
    member->draining = TRUE;
    member->drain_reason = g_strdup(why);
    vgpu_state_file_set_draining(self->state, name, TRUE, why);
    g_strv_builder_add(names, name);
}

static char **give_up_device(VgpuDaemon *self, const char *key, const char *why)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(self->settings->pools, letter);

        for (guint i = 0; pool != NULL && i < pool->members->len; i++)
            give_up(self, letter, pool->members->pdata[i], key, why, names);
    }
    return g_strv_builder_end(names);
}

static void on_blame(const VgpuSession *session, const char *key, gpointer data)
{
    VgpuDaemon *self = data;
    const VgpuBreakerRule rule = {
        .vms = self->settings->breaker_vms,
        .window_us = (gint64)self->settings->fault_window_s * G_USEC_PER_SEC,
    };
    g_autofree char *why = vgpu_breaker_blame(self->breaker, self->sessions, session, key, &rule,
                                              g_get_monotonic_time(), g_get_real_time());

    if (why == NULL)
        return;
    g_auto(GStrv) names = give_up_device(self, key, why);
    if (names[0] == NULL)
        return; /* all of it is being emptied already */
    g_autofree char *list = g_strjoinv(", ", names);
    g_warning("device %s: %s; takes no more VMs (%s) until 'vgpuctl undrain'", key, why, list);
    if (self->dbus != NULL)
        vgpu_dbus_service_device_drained(self->dbus, key, (const char *const *)names, why);
    vgpu_daemon_settle_soon(self);
}

void vgpu_daemon_init_quarantine(VgpuDaemon *self)
{
    static const VgpuCustodyHandlers handlers = {on_recall, on_note, on_blame};

    self->custodies = vgpu_custodies_new(self->settings, &handlers, self);
    self->breaker = vgpu_breaker_new();
}

/* Each session has one, unless it is just ending. */
static VgpuCustody *find(VgpuDaemon *self, const VgpuSession *session, GError **error)
{
    VgpuCustody *custody = vgpu_custodies_find(self->custodies, session);

    if (custody == NULL)
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_UNKNOWN, "\"%s\" has just ended",
                    session->name);
    return custody;
}

gboolean vgpu_daemon_quarantine(VgpuSession *session, guint seconds, GError **error, gpointer data)
{
    VgpuCustody *custody = find(data, session, error);

    if (custody == NULL)
        return FALSE;
    vgpu_custody_order(custody, seconds);
    return TRUE;
}

gboolean vgpu_daemon_release(VgpuSession *session, GError **error, gpointer data)
{
    VgpuCustody *custody = find(data, session, error);

    if (custody == NULL)
        return FALSE;
    vgpu_custody_release(custody);
    return TRUE;
}
