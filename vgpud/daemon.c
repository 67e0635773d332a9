/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon-private.h"

static void on_unplugged(const char *uuid, gpointer data)
{
    VgpuDaemon *self = data;

    /* Not while it starts: it is the former run's. */
    if (!vgpu_host_is_held(self->host, uuid))
        vgpu_daemon_end_session(self, uuid);
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
        .running = vgpu_daemon_on_running,
        .unplugged = on_unplugged,
    };

    self->host = vgpu_host_new(&options, &listener, self);
    vgpu_host_start(self->host);
}

static void on_legacy_place_free(gpointer data)
{
    vgpu_daemon_settle(data);
}

/* VMs of libvirt's are served without it, too. */
static void start_legacy(VgpuDaemon *self)
{
    static const VgpuLegacyHandlers handlers = {on_legacy_place_free};
    g_autoptr(GError) error = NULL;

    if (self->settings->legacy_dir == NULL)
        return;
    self->legacy = vgpu_legacy_new(self->settings, self->sessions, self->dispatcher,
                                   self->custodies, &handlers, self, &error);
    if (self->legacy == NULL)
        g_warning("legacy VMs are not served until vgpud's next start: %s", error->message);
}

VgpuDaemon *vgpu_daemon_new(VgpuSettings *settings, const char *config, const char *connect,
                            GError **error)
{
    g_autoptr(VgpuDaemon) self = g_new0(VgpuDaemon, 1);

    self->settings = settings;
    self->config = g_strdup(config);
    self->connect = g_strdup(connect);
    self->sessions = vgpu_sessions_new();
    self->vms = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vgpu_vm_free);
    self->model = (VgpuModel){
        .pools = settings->pools,
        .sessions = self->sessions,
        .started_us = g_get_real_time(),
        .started_mono_us = g_get_monotonic_time(),
        .libvirt_uri = settings->connect,
    };
    vgpu_daemon_init_places(self);
    if (!make_folders(settings, error))
        return NULL;
    /* First of all what only one vgpud can have. */
    self->hooks = vgpu_hook_server_new(settings->run_dir, VGPU_HOOK_SERVER_TIMEOUT_MS,
                                       vgpu_daemon_on_hook, self, error);
    if (self->hooks == NULL)
        return NULL;
    self->dispatcher = vgpu_dispatcher_new(error);
    if (self->dispatcher == NULL)
        return NULL;
    self->state = vgpu_state_file_open(settings->run_dir);
    vgpu_daemon_restore_draining(self);
    vgpu_daemon_init_quarantine(self);
    start_host(self);
    self->for_operators = (VgpuOperator){
        .host = self->host,
        .sessions = self->sessions,
        .settings = settings,
        .reload = vgpu_daemon_on_reload,
        .drain = vgpu_daemon_drain,
        .move = vgpu_daemon_move,
        .quarantine = vgpu_daemon_quarantine,
        .release = vgpu_daemon_release,
        .daemon = self,
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
    g_clear_handle_id(&self->drain_source, g_source_remove);
    g_clear_handle_id(&self->loads_source, g_source_remove);
    g_clear_pointer(&self->loads, vgpu_loads_free);
    g_hash_table_unref(self->vms);
    g_clear_pointer(&self->custodies, vgpu_custodies_free);
    g_clear_pointer(&self->breaker, vgpu_breaker_free);
    g_clear_pointer(&self->dispatcher, vgpu_dispatcher_free);
    vgpu_sessions_free(self->sessions);
    g_clear_pointer(&self->hooks, vgpu_hook_server_free);
    g_clear_pointer(&self->state, vgpu_state_file_free);
    vgpu_settings_free(self->settings);
    g_free(self->libvirt_detail);
    g_free(self->config);
    g_free(self->connect);
    g_free(self);
}
