/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbus-service.h"
#include "hook-server.h"
#include "host.h"
#include "legacy.h"
#include "operator.h"
#include "session.h"
#include "state-file.h"
#include "vgpu-domain.h"
#include "vgpu-hotplug.h"
#include "vgpu-inject.h"
#include "vgpu-names.h"
#include "vm.h"

struct VgpuDaemon {
    VgpuSettings *settings;
    VgpuSessions *sessions;
    GHashTable *vms; /* uuid -> VgpuVm; one for each session */
    VgpuHookServer *hooks;
    VgpuStateFile *state;
    VgpuHost *host;
    VgpuLegacy *legacy; /* NULL: nobody is served so */
    VgpuModel model;
    char *libvirt_detail; /* for the model */
    VgpuOperator for_operators;
    VgpuActions actions;
    VgpuDBusService *dbus;
};

static VgpuLimits limits_of(const VgpuConfig *config)
{
    VgpuLimits limits;

    memcpy(limits.value, config->limits, sizeof(limits.value));
    return limits;
}

/* A place may have become free: VMs that run without one get it, the highest priority first. */
static void place_waiting(VgpuDaemon *self)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(self->sessions);

    for (int priority = VGPU_PRIORITY_HIGH; priority >= VGPU_PRIORITY_LOW; priority--) {
        for (guint i = 0; i < sessions->len; i++) {
            const VgpuSession *session = sessions->pdata[i];
            VgpuVm *vm = g_hash_table_lookup(self->vms, session->uuid);
            VgpuMember *member = NULL;

            /* Legacy VMs, which are not in the table, look for a place with each request. */
            if (vm != NULL && session->member == NULL && (int)session->priority == priority)
                member = vgpu_pools_place(self->settings->pools, session->pool, NULL);
            if (member == NULL)
                continue;
            g_message("domain '%s': served from now on, a place in pool %c is free", session->name,
                      session->pool);
            vgpu_vm_change(vm, session->pool, session->priority, &session->wish, member);
        }
    }
}

static void end_session(VgpuDaemon *self, const char *uuid)
{
    VgpuSession *session = vgpu_sessions_by_uuid(self->sessions, uuid);

    if (session == NULL)
        return;
    g_message("domain '%s': session ended", session->name);
    g_autofree char *key = g_strdup(uuid); /* @uuid may be the session's own */
    g_hash_table_remove(self->vms, key);
    vgpu_sessions_remove(self->sessions, key);
    place_waiting(self);
}

static void on_vm_ended(VgpuVm *vm, gpointer data)
{
    end_session(data, vgpu_vm_session(vm)->uuid);
}

static void on_vm_quarantined(VgpuVm *vm, gint64 until_us, gpointer data)
{
    VgpuDaemon *self = data;

    vgpu_state_file_set_quarantined(self->state, vgpu_vm_session(vm)->uuid, until_us);
}

/*
 * Makes the session of @domain, which has a device, for the pool and priority of @config. @member
 * is its place, which it takes over, also on failure.
 */
static VgpuVm *begin_session(VgpuDaemon *self, const VgpuDomain *domain, const VgpuConfig *config,
                             VgpuMember *member, GError **error)
{
    static const VgpuVmHandlers handlers = {on_vm_ended, on_vm_quarantined};
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
    VgpuVm *vm = vgpu_vm_new(session, self->settings, path, &limits, &handlers, self, error);
    if (vm == NULL)
        return NULL;
    vgpu_sessions_add(self->sessions, session);
    g_hash_table_insert(self->vms, session->uuid, vm);

    const gint64 until_us =
        vgpu_state_file_quarantined(self->state, session->uuid, g_get_monotonic_time());
    if (until_us != 0)
        vgpu_vm_quarantine(vm, until_us);
    return vm;
}

/*
 * The device is not in place as vgpud would have put it there. It can still be added once the
 * domain runs, if nothing of it is there yet and the domain is made for that; else @error says the
 * way out.
 */
static gboolean check_hotplug(VgpuDaemon *self, const VgpuHookRequest *request,
                              const VgpuDomain *domain, GError **error)
{
    g_autoptr(GError) reason = NULL;
    VgpuHotplugPlace place;

    if (vgpu_host_is_detached(self->host)) {
        g_set_error_literal(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                            "vgpud has been detached from all domains: 'vgpuctl attach --all' puts "
                            "the device back; or take the vgpu element out of the domain");
        return FALSE;
    }
    if (domain->device != NULL)
        reason = g_error_new_literal(VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                                     "what stands there is not up to date");
    else if (vgpu_domain_xml_hotplug_place(request->xml, request->xml_length,
                                           self->settings->emulator, &place, &reason))
        return TRUE;
    g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                "its vgpu device is not in place yet: vgpud adds it right after 'virsh define', so "
                "start the domain again; for 'virsh create', pass the XML through 'vgpuctl inject' "
                "first (it cannot be added while the domain runs: %s)",
                reason->message);
    return FALSE;
}

/* Is all of our device in this XML, as vgpud would have put it there? *late: no, but it can be. */
static gboolean check_device(VgpuDaemon *self, const VgpuHookRequest *request,
                             const VgpuDomain *domain, gboolean *late, GError **error)
{
    g_autofree char *path = vgpu_domain_socket_path(self->settings->run_dir, domain->uuid);
    const VgpuInjection wanted = {
        .emulator = self->settings->emulator,
        .socket_path = path,
        /* Any number is right as long as nobody else has it. */
        .vm_id = domain->device != NULL ? CLAMP(domain->device->vm_id, 1, VGPU_VM_ID_MAX) : 1,
    };
    g_autofree char *xml =
        vgpu_domain_xml_inject(request->xml, request->xml_length, &wanted, error);

    if (xml == NULL)
        return FALSE;
    *late = !g_str_equal(xml, request->xml);
    if (*late)
        return check_hotplug(self, request, domain, error);

    VgpuSession *other = vgpu_sessions_by_vm_id(self->sessions, wanted.vm_id);
    if (other != NULL && !g_str_equal(other->uuid, domain->uuid)) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                    "its vgpu device has the VM number %u of the running domain '%s': define the "
                    "domain again",
                    wanted.vm_id, other->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean prepare(VgpuDaemon *self, const VgpuHookRequest *request, const VgpuDomain *domain,
                        GError **error)
{
    gboolean late;

    if (!check_device(self, request, domain, &late, error))
        return FALSE;
    end_session(self, domain->uuid); /* of a run whose end nobody told us */

    VgpuMember *member = vgpu_pools_place(self->settings->pools, domain->config->pool, error);
    if (member == NULL)
        return FALSE;
    if (late)
        vgpu_member_leave(member); /* on_running() makes the session, with the VM's number */
    else if (!begin_session(self, domain, domain->config, member, error))
        return FALSE;
    vgpu_host_hold(self->host, domain->uuid);
    g_message("domain '%s': may start, pool %c, priority %s, on %s%s", domain->name,
              domain->config->pool, vgpu_priority_name(domain->config->priority), member->name,
              late ? "; its device is added once it runs" : "");
    return TRUE;
}

static gboolean on_hook(const VgpuHookRequest *request, GError **error, gpointer data)
{
    VgpuDaemon *self = data;
    g_autoptr(VgpuDomain) domain = NULL;

    if (!vgpu_domain_parse(request->xml, request->xml_length, &domain, error))
        return FALSE;
    if (domain->uuid == NULL || domain->name == NULL) {
        g_set_error_literal(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                            "the hook's domain XML has no uuid or no name");
        return FALSE;
    }
    if (g_str_equal(request->operation, "prepare") && domain->config_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&domain->config_error));
        return FALSE;
    }
    if (g_str_equal(request->operation, "prepare") && domain->config != NULL)
        return prepare(self, request, domain, error);
    if (g_str_equal(request->operation, "release")) {
        end_session(self, domain->uuid);
        vgpu_host_resume(self->host, domain->uuid);
    }
    return TRUE;
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

static void on_running(const VgpuDomain *live, gpointer data)
{
    VgpuDaemon *self = data;
    g_autoptr(GError) error = NULL;
    VgpuVm *vm = g_hash_table_lookup(self->vms, live->uuid);
    const VgpuConfig built_in = {.pool = live->device->pool, .priority = live->device->priority};
    const VgpuConfig *config = live->config != NULL ? live->config : &built_in;

    if (vm == NULL) {
        VgpuMember *member = place_running(self, live, config->pool);
        vm = begin_session(self, live, config, member, &error);
        if (vm == NULL)
            g_warning("domain '%s': runs, but is not served: %s", live->name, error->message);
        else if (!vgpu_vm_adopt(vm, NULL))
            end_session(self, live->uuid); /* it has ended meanwhile */
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
    place_waiting(self);
}

static void on_unplugged(const char *uuid, gpointer data)
{
    VgpuDaemon *self = data;

    /* Not while it starts: it is the former run's. */
    if (!vgpu_host_is_held(self->host, uuid))
        end_session(self, uuid);
}

static void on_connected(gboolean connected, const char *detail, gpointer data)
{
    VgpuDaemon *self = data;

    self->model.libvirt_connected = connected;
    g_free(self->libvirt_detail);
    self->libvirt_detail = g_strdup(detail);
    self->model.libvirt_detail = self->libvirt_detail;
    if (connected)
        g_message("connected to libvirt: %s", detail);
    else
        g_warning("no connection to libvirt: %s; VMs that run are served, tried again", detail);
}

/* Our folders: others may pass through, not look or write. */
static gboolean make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0711) == 0 && chmod(path, 0711) == 0)
        return TRUE;

    int saved = errno;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(saved), "cannot make %s: %s", path,
                g_strerror(saved));
    return FALSE;
}

static gboolean make_folders(const VgpuSettings *settings, GError **error)
{
    g_autofree char *sockets = g_build_filename(settings->run_dir, "vm", NULL);

    return make_folder(settings->run_dir, error) && make_folder(sockets, error) &&
           make_folder(settings->cache_dir, error);
}

static void start_host(VgpuDaemon *self)
{
    const VgpuHostOptions options = {
        .uri = self->settings->connect,
        .emulator = self->settings->emulator,
        .run_dir = self->settings->run_dir,
    };
    /* Of a VM's end we hear from its pidfd and the hook: libvirt's event may come late. */
    const VgpuHostListener listener = {
        .connected = on_connected,
        .running = on_running,
        .unplugged = on_unplugged,
    };

    self->host = vgpu_host_new(&options, &listener, self);
    vgpu_host_start(self->host);
}

static void on_legacy_place_free(gpointer data)
{
    place_waiting(data);
}

static void on_legacy_quarantined(const char *uuid, gint64 until_us, gpointer data)
{
    vgpu_state_file_set_quarantined(((VgpuDaemon *)data)->state, uuid, until_us);
}

static gint64 legacy_quarantined_until(const char *uuid, gpointer data)
{
    return vgpu_state_file_quarantined(((VgpuDaemon *)data)->state, uuid, g_get_monotonic_time());
}

/* VMs of libvirt's are served without it, too. */
static void start_legacy(VgpuDaemon *self)
{
    static const VgpuLegacyHandlers handlers = {on_legacy_place_free, on_legacy_quarantined,
                                                legacy_quarantined_until};
    g_autoptr(GError) error = NULL;

    if (self->settings->legacy_dir == NULL)
        return;
    self->legacy = vgpu_legacy_new(self->settings, self->sessions, &handlers, self, &error);
    if (self->legacy == NULL)
        g_warning("legacy VMs are not served until vgpud's next start: %s", error->message);
}

VgpuDaemon *vgpu_daemon_new(VgpuSettings *settings, GError **error)
{
    g_autoptr(VgpuDaemon) self = g_new0(VgpuDaemon, 1);

    self->settings = settings;
    self->sessions = vgpu_sessions_new();
    self->vms = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vgpu_vm_free);
    self->model = (VgpuModel){
        .pools = settings->pools,
        .sessions = self->sessions,
        .started_us = g_get_real_time(),
        .started_mono_us = g_get_monotonic_time(),
        .libvirt_uri = settings->connect,
    };
    if (!make_folders(settings, error))
        return NULL;
    /* First of all what only one vgpud can have. */
    self->hooks =
        vgpu_hook_server_new(settings->run_dir, VGPU_HOOK_SERVER_TIMEOUT_MS, on_hook, self, error);
    if (self->hooks == NULL)
        return NULL;
    self->state = vgpu_state_file_open(settings->run_dir);
    start_host(self);
    self->for_operators = (VgpuOperator){
        .host = self->host,
        .sessions = self->sessions,
        .settings = settings,
    };
    self->actions = vgpu_operator_actions(&self->for_operators);
    self->dbus = vgpu_dbus_service_new(settings->bus, &self->model, &self->actions);
    start_legacy(self);
    return g_steal_pointer(&self);
}

void vgpu_daemon_free(VgpuDaemon *self)
{
    g_clear_pointer(&self->dbus, vgpu_dbus_service_free);
    g_clear_pointer(&self->host, vgpu_host_free);
    g_clear_pointer(&self->legacy, vgpu_legacy_free);
    g_hash_table_unref(self->vms);
    vgpu_sessions_free(self->sessions);
    g_clear_pointer(&self->hooks, vgpu_hook_server_free);
    g_clear_pointer(&self->state, vgpu_state_file_free);
    vgpu_settings_free(self->settings);
    g_free(self->libvirt_detail);
    g_free(self);
}
