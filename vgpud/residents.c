/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMs that are there, and their places. */
#include <string.h>

#include "daemon-private.h"
#include "vgpu-names.h"

/* How often it is looked whether a VM that is to leave its member is idle. */
#define DRAIN_S 1

/* How often it is looked how busy the devices are, while there is anybody who could use them. */
#define LOADS_S 5

static VgpuLimits limits_of(const VgpuConfig *config)
{
    VgpuLimits limits;

    memcpy(limits.value, config->limits, sizeof(limits.value));
    return limits;
}

static void put(VgpuSession *session, VgpuMember *member, gpointer data)
{
    VgpuDaemon *self = data;
    VgpuVm *vm = g_hash_table_lookup(self->vms, session->uuid);

    if (vm != NULL)
        vgpu_vm_change(vm, session->pool, session->priority, &session->wish, member);
    else
        vgpu_member_leave(member); /* cannot be: each session that is not legacy's has one */
}

static gboolean on_loads(gpointer data)
{
    VgpuDaemon *self = data;

    vgpu_loads_sample(self->loads, self->sessions, self->settings->pools,
                      (guint64)g_get_monotonic_time() * 1000);
    if (g_hash_table_size(self->sessions->by_uuid) > 0)
        return G_SOURCE_CONTINUE;
    self->loads_source = 0;
    return G_SOURCE_REMOVE;
}

static void watch_loads(VgpuDaemon *self)
{
    if (self->loads_source == 0)
        self->loads_source = g_timeout_add_seconds(LOADS_S, on_loads, self);
}

void vgpu_daemon_init_places(VgpuDaemon *self)
{
    self->places = (VgpuPlaces){self->settings->pools, self->sessions, put, self};
    self->loads = vgpu_loads_new();
}

static gboolean on_drain(gpointer data)
{
    VgpuDaemon *self = data;

    self->drain_source = 0;
    vgpu_daemon_settle(self);
    return G_SOURCE_REMOVE;
}

void vgpu_daemon_settle(VgpuDaemon *self)
{
    vgpu_places_fill(&self->places);
    const gboolean left = vgpu_places_drain(&self->places, g_get_real_time());
    if (left && self->drain_source == 0)
        self->drain_source = g_timeout_add_seconds(DRAIN_S, on_drain, self);
    if (vgpu_pools_sweep(self->settings->pools) && self->dbus != NULL)
        vgpu_dbus_service_pools_changed(self->dbus);
}

void vgpu_daemon_settle_soon(VgpuDaemon *self)
{
    g_clear_handle_id(&self->drain_source, g_source_remove);
    self->drain_source = g_idle_add(on_drain, self);
}

void vgpu_daemon_end_session(VgpuDaemon *self, const char *uuid)
{
    VgpuSession *session = vgpu_sessions_by_uuid(self->sessions, uuid);

    if (session == NULL)
        return;
    g_message("domain '%s': session ended", session->name);
    g_autofree char *key = g_strdup(uuid); /* @uuid may be the session's own */
    g_hash_table_remove(self->vms, key);
    vgpu_sessions_remove(self->sessions, key);
    vgpu_daemon_settle(self);
}

static void on_vm_ended(VgpuVm *vm, gpointer data)
{
    vgpu_daemon_end_session(data, vgpu_vm_session(vm)->uuid);
}

/* Its device may be one that is to be left: now it can. */
static void on_vm_bare(VgpuVm *vm, gpointer data)
{
    const VgpuDaemon *self = data;

    vgpu_places_leave(&self->places, vgpu_vm_session(vm), g_get_real_time());
}

VgpuVm *vgpu_daemon_begin_session(VgpuDaemon *self, const VgpuDomain *domain,
                                  const VgpuConfig *config, VgpuMember *member, GError **error)
{
    static const VgpuVmHandlers handlers = {on_vm_ended, on_vm_bare};
    g_autofree char *path = vgpu_domain_socket_path(self->settings->run_dir, domain->uuid);
    g_autoptr(VgpuSession) session = NULL;
    const guint32 vm_id = domain->device->vm_id;

    if (vm_id < 1 || vm_id > VGPU_VM_ID_MAX)
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                    "its device has the VM number %u, which is not one of 1 to %u", vm_id,
                    VGPU_VM_ID_MAX);
    else if (vgpu_sessions_by_vm_id(self->sessions, vm_id) != NULL)
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                    "its device has the VM number %u of the running domain '%s'", vm_id,
                    vgpu_sessions_by_vm_id(self->sessions, vm_id)->name);
    else
        session = vgpu_session_new(domain->uuid, domain->name, vm_id, config->pool,
                                   config->priority, member, error);

    if (session == NULL) {
        if (member != NULL)
            vgpu_member_leave(member);
        return NULL;
    }

    const VgpuLimits limits = limits_of(config);
    VgpuVm *vm = vgpu_vm_new(session, self->settings, path, &limits, self->dispatcher,
                             self->custodies, &handlers, self, error);
    if (vm == NULL)
        return NULL;
    vgpu_sessions_add(self->sessions, session);
    watch_loads(self);
    g_hash_table_insert(self->vms, session->uuid, vm);
    vgpu_vm_recall(vm);
    return vm;
}

/* A place in the pool of a VM that runs already: without one it is told so, but goes on running. */
static VgpuMember *place_running(VgpuDaemon *self, const VgpuDomain *live, char pool)
{
    g_autoptr(GError) error = NULL;
    VgpuMember *member = vgpu_pools_place(self->settings->pools, pool, &error);

    if (member == NULL)
        g_warning("domain '%s': runs, but is not served: %s", live->name, error->message);
    return member;
}

void vgpu_daemon_on_running(const VgpuDomain *live, gpointer data)
{
    VgpuDaemon *self = data;
    g_autoptr(GError) error = NULL;
    VgpuVm *vm = g_hash_table_lookup(self->vms, live->uuid);
    const VgpuConfig built_in = {.pool = live->device->pool, .priority = live->device->priority};
    const VgpuConfig *config = live->config != NULL ? live->config : &built_in;

    if (vm == NULL) {
        VgpuMember *member = place_running(self, live, config->pool);
        vm = vgpu_daemon_begin_session(self, live, config, member, &error);
        if (vm == NULL)
            g_warning("domain '%s': runs, but is not served: %s", live->name, error->message);
        else if (!vgpu_vm_adopt(vm, NULL))
            vgpu_daemon_end_session(self, live->uuid); /* it has ended meanwhile */
        return;
    }
    if (live->config == NULL)
        return;

    const VgpuSession *session = vgpu_vm_session(vm);
    const VgpuLimits limits = limits_of(config);
    if (session->pool == config->pool && session->priority == config->priority &&
        vgpu_limits_equal(&session->wish, &limits))
        return;
    g_autofree char *text = vgpu_limits_format(&limits);
    g_message("domain '%s': now pool %c, priority %s, limits of its own: %s", live->name,
              config->pool, vgpu_priority_name(config->priority), text);
    VgpuMember *member =
        session->pool != config->pool ? place_running(self, live, config->pool) : NULL;
    vgpu_vm_change(vm, config->pool, config->priority, &limits, member);
    vgpu_daemon_settle(self);
}
