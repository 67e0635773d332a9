/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operators change of pools while VMs run. */
#include <string.h>

#include "daemon-private.h"
#include "settings-adopt.h"

void vgpu_daemon_restore_draining(VgpuDaemon *self)
{
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(self->settings->pools, letter);

        for (guint i = 0; pool != NULL && i < pool->members->len; i++) {
            VgpuMember *member = pool->members->pdata[i];
            g_autofree char *name = g_strdup_printf("%c/%s", letter, member->name);

            if (member->removed)
                continue;
            g_free(member->drain_reason);
            member->draining = vgpu_state_file_draining(self->state, name, &member->drain_reason);
        }
    }
}

/* Pools have changed in some way: VMs follow, and who looks on is told. */
static void changed(VgpuDaemon *self)
{
    vgpu_daemon_settle(self);
    if (self->dbus != NULL)
        vgpu_dbus_service_pools_changed(self->dbus);
}

/* What holds for them within their pools may be something else now; the device is told, too. */
static void refresh_vms(VgpuDaemon *self)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(self->sessions);

    for (guint i = 0; i < sessions->len; i++) {
        VgpuSession *session = sessions->pdata[i];
        VgpuVm *vm = g_hash_table_lookup(self->vms, session->uuid);

        if (vm != NULL)
            vgpu_vm_change(vm, session->pool, session->priority, &session->wish, NULL);
    }
}

/* Devices are shared as their pools say now. Pools that share one agree, as was checked. */
static void refresh_devices(VgpuDaemon *self)
{
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(self->settings->pools, letter);

        for (guint i = 0; pool != NULL && !pool->removed && i < pool->members->len; i++) {
            g_autofree char *key = vgpu_member_device_key(pool->members->pdata[i]);
            vgpu_dispatcher_configure(self->dispatcher, key, &pool->rules.scheduler);
        }
    }
}

gboolean vgpu_daemon_reload(VgpuDaemon *self, GError **error)
{
    g_autoptr(VgpuSettings) next = vgpu_settings_load(self->config, error);

    if (next == NULL)
        return FALSE;
    if (self->connect != NULL) {
        g_free(next->connect);
        next->connect = g_strdup(self->connect);
    }
    g_autofree char *later = vgpu_settings_adopt(self->settings, next);
    g_autofree char *letters = vgpu_pools_letters(self->settings->pools);
    g_message("configuration read again: pools %s", letters);
    if (later != NULL)
        g_warning("these keys of vgpud.conf have changed and take effect when vgpud is restarted, "
                  "which running VMs survive: %s",
                  later);
    vgpu_daemon_restore_draining(self); /* also a new device of that name */
    refresh_devices(self);
    refresh_vms(self);
    changed(self);
    return TRUE;
}

gboolean vgpu_daemon_on_reload(GError **error, gpointer data)
{
    g_autoptr(GError) failure = NULL;

    if (vgpu_daemon_reload(data, &failure))
        return TRUE;
    g_warning("the configuration stays as it was: %s", failure->message);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean vgpu_daemon_drain(const char *name, gboolean drain, GError **error, gpointer data)
{
    VgpuDaemon *self = data;
    VgpuMember *member = vgpu_places_find(&self->places, name, error);

    if (member == NULL)
        return FALSE;
    if (member->draining != drain)
        g_message("%s: %s", name,
                  drain ? "takes no more VMs; those on it leave when they are idle"
                        : "takes VMs again");
    /* From now on it is the operator's will. */
    g_clear_pointer(&member->drain_reason, g_free);
    member->draining = drain;
    vgpu_state_file_set_draining(self->state, name, drain, NULL);
    changed(self);
    return TRUE;
}

gboolean vgpu_daemon_move(VgpuSession *session, const char *member, gboolean force, GError **error,
                          gpointer data)
{
    VgpuDaemon *self = data;

    if (!vgpu_places_move(&self->places, session, member, force, g_get_real_time(), error))
        return FALSE;
    changed(self);
    return TRUE;
}
