/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "device-link.h"
#include "device-socket.h"
#include "limiter.h"
#include "peer.h"
#include "worker-process.h"

/*
 * The device's own deadline is the net under the worker's: it is this much longer, so that the
 * worker's answer wins, and a worker that is stopped or starved is still answered for.
 */
#define DEVICE_GRACE_MS 1000u

struct VgpuVm {
    VgpuSession *session;
    const VgpuSettings *settings;
    VgpuDispatcher *dispatcher; /* NULL: devices are not shared */
    VgpuCustody *custody;
    const VgpuVmHandlers *handlers;
    gpointer user_data;
    VgpuDeviceSocket *socket;
    VgpuDeviceLink *link;
    gboolean greeted; /* HELLO came on this link: it may be written to */
    VgpuWorkerProcess *worker;
    int qemu_pidfd; /* -1: none */
    guint qemu_source;
    VgpuLimiter refusals; /* log lines about peers that were turned away */
    char *last_reason;    /* why a connection was closed last; NULL: it was not by us */
};

static void start_worker(VgpuVm *self);

VgpuSession *vgpu_vm_session(const VgpuVm *self)
{
    return self->session;
}

static void drop_worker(VgpuVm *self)
{
    g_clear_pointer(&self->worker, vgpu_worker_process_free);
    self->session->worker_pid = 0;
}

static void drop_link(VgpuVm *self)
{
    drop_worker(self);
    g_clear_pointer(&self->link, vgpu_device_link_free);
    self->greeted = FALSE;
    if (self->session->state != VGPU_SESSION_QUARANTINED)
        vgpu_session_set_state(self->session, VGPU_SESSION_RESERVED);
}

static enum vgpu_error current_error(const VgpuVm *self)
{
    if (self->session->state == VGPU_SESSION_QUARANTINED)
        return VGPU_ERROR_QUARANTINED;
    if (vgpu_pools_get(self->settings->pools, self->session->pool) == NULL)
        return VGPU_ERROR_INVALID_POOL;
    return self->session->member != NULL ? VGPU_ERROR_NONE : VGPU_ERROR_QUEUE_FULL;
}

/* Tells the device what the guest is to read, and whether its requests are served. */
static void announce(VgpuVm *self)
{
    const struct vgpu_link_state state = {
        .pool = (guint8)self->session->pool,
        .priority = self->session->priority,
        .vm_id = self->session->vm_id,
        .error = current_error(self),
        .timeout_ms = self->settings->request_timeout_ms + DEVICE_GRACE_MS,
    };

    atomic_store(&self->session->page->timeout_ms, self->settings->request_timeout_ms);
    if (!self->greeted || vgpu_device_link_send_state(self->link, &state))
        return;
    g_warning("domain '%s': its QEMU does not read what vgpud sends; the connection is closed",
              self->session->name);
    drop_link(self);
}

static void shut(gpointer vm)
{
    VgpuVm *self = vm;

    drop_worker(self);
    vgpu_session_set_state(self->session, VGPU_SESSION_QUARANTINED);
    announce(self);
}

static void open_again(gpointer vm)
{
    VgpuVm *self = vm;

    vgpu_session_set_state(self->session,
                           self->greeted ? VGPU_SESSION_LINKED : VGPU_SESSION_RESERVED);
    announce(self);
    start_worker(self);
}

static void count_fault(VgpuVm *self, const VgpuWorkerEnd *end)
{
    vgpu_session_set_state(self->session, VGPU_SESSION_LINKED);
    if (vgpu_custody_count(self->custody, end))
        return;
    /* Nothing of it is on its device now. */
    self->handlers->bare(self, self->user_data);
    start_worker(self);
}

static void on_worker_ended(const VgpuWorkerEnd *end, gpointer data)
{
    VgpuVm *self = data;

    g_log(G_LOG_DOMAIN, end->clean ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_WARNING,
          "domain '%s': worker %d ended: %s", self->session->name, (int)self->session->worker_pid,
          end->how);
    drop_worker(self);
    /* Also after a clean end: a device that closes its channel but not its link found it broken. */
    count_fault(self, end);
}

/* Starts a worker where one is due: QEMU is there, and the VM is served. */
static void start_worker(VgpuVm *self)
{
    g_autoptr(GError) error = NULL;
    int channel;

    if (!self->greeted || self->worker != NULL || current_error(self) != VGPU_ERROR_NONE)
        return;
    self->worker = vgpu_worker_process_new(self->session, self->settings, self->dispatcher,
                                           vgpu_device_link_share(self->link), &channel,
                                           on_worker_ended, self, &error);
    if (self->worker == NULL) {
        g_warning("domain '%s': cannot start its worker: %s", self->session->name, error->message);
        count_fault(self, &(VgpuWorkerEnd){.fault = VGPU_FAULT_CRASH, .how = error->message});
        return;
    }
    self->session->worker_pid = vgpu_worker_process_pid(self->worker);

    gboolean sent = vgpu_device_link_send_channel(self->link, channel);
    close(channel);
    if (!sent) {
        drop_link(self);
        return;
    }
    vgpu_session_set_state(self->session, VGPU_SESSION_SERVING);
    g_info("domain '%s': worker %d serves it on %s", self->session->name,
           (int)self->session->worker_pid, self->session->member->name);
}

static void on_hello(const struct vgpu_link_hello *hello, gpointer data)
{
    VgpuVm *self = data;

    (void)hello; /* what the domain's XML says stands in the session; the device is told */
    self->greeted = TRUE;
    if (self->session->state != VGPU_SESSION_QUARANTINED)
        vgpu_session_set_state(self->session, VGPU_SESSION_LINKED);
    g_message("domain '%s': QEMU %d connected, pool %c, priority %s, VM number %u",
              self->session->name, (int)self->session->qemu_pid, self->session->pool,
              vgpu_priority_name(self->session->priority), self->session->vm_id);
    announce(self);
    start_worker(self);
}

static void on_link_closed(const char *reason, gpointer data)
{
    VgpuVm *self = data;

    /* QEMU comes back every second, and a stale one will be so until its VM is restarted. */
    if (reason != NULL)
        g_log(G_LOG_DOMAIN,
              g_strcmp0(reason, self->last_reason) == 0 ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_WARNING,
              "domain '%s': QEMU %d %s; the connection is closed", self->session->name,
              (int)self->session->qemu_pid, reason);
    g_free(self->last_reason);
    self->last_reason = g_strdup(reason);
    drop_link(self);
}

void vgpu_vm_change(VgpuVm *self, char pool, enum vgpu_priority priority, const VgpuLimits *limits,
                    VgpuMember *member)
{
    VgpuSession *session = self->session;

    session->priority = priority;
    if (self->worker != NULL)
        vgpu_worker_process_set_priority(self->worker, priority);
    if (pool != session->pool || member != NULL) {
        drop_worker(self);
        if (session->state == VGPU_SESSION_SERVING)
            vgpu_session_set_state(session, VGPU_SESSION_LINKED);
        vgpu_session_set_pool(session, pool, (guint64)g_get_monotonic_time() * 1000);
        vgpu_session_set_member(session, member);
    }
    vgpu_session_limit(session, limits, vgpu_pools_get(self->settings->pools, pool));
    if (self->worker != NULL)
        vgpu_worker_process_set_limits(self->worker, &session->limits);
    vgpu_session_changed(session);
    announce(self);
    start_worker(self);
}

static gboolean on_qemu_ended(gint fd, GIOCondition condition, gpointer data)
{
    VgpuVm *self = data;

    (void)fd;
    (void)condition;
    self->qemu_source = 0;
    self->handlers->ended(self, self->user_data); /* frees self */
    return G_SOURCE_REMOVE;
}

static void watch_qemu(VgpuVm *self, pid_t pid, int pidfd)
{
    g_clear_handle_id(&self->qemu_source, g_source_remove);
    if (self->qemu_pidfd >= 0)
        close(self->qemu_pidfd);
    self->qemu_pidfd = pidfd;
    self->qemu_source = g_unix_fd_add(pidfd, G_IO_IN, on_qemu_ended, self);
    self->session->qemu_pid = pid;
    vgpu_session_changed(self->session);
}

gboolean vgpu_vm_adopt(VgpuVm *self, GError **error)
{
    pid_t pid;
    int pidfd = vgpu_peer_find(self->settings->libvirt_run_dir, self->session->name, &pid, error);

    if (pidfd < 0)
        return FALSE;
    watch_qemu(self, pid, pidfd);
    return TRUE;
}

static void on_connection(int fd, gpointer data)
{
    static const VgpuDeviceLinkHandlers handlers = {on_hello, on_link_closed};
    VgpuVm *self = data;
    g_autoptr(GError) error = NULL;
    pid_t pid = vgpu_peer_pid(fd);
    int pidfd = vgpu_peer_prove(pid, self->settings->libvirt_run_dir, self->session->name, &error);

    if (pidfd < 0) {
        if (vgpu_limiter_take(&self->refusals, (guint64)g_get_monotonic_time() * 1000))
            g_warning("domain '%s': process %d on its socket is not its QEMU: %s; closed",
                      self->session->name, (int)pid, error->message);
        close(fd);
        return;
    }
    drop_link(self);
    watch_qemu(self, pid, pidfd);
    self->link = vgpu_device_link_new(fd, &handlers, self);
}

void vgpu_vm_recall(VgpuVm *self)
{
    vgpu_custody_recall(self->custody);
}

VgpuVm *vgpu_vm_new(VgpuSession *session, const VgpuSettings *settings, const char *socket_path,
                    const VgpuLimits *limits, VgpuDispatcher *dispatcher, VgpuCustodies *custodies,
                    const VgpuVmHandlers *handlers, gpointer user_data, GError **error)
{
    static const VgpuCustodyWays ways = {shut, open_again};
    VgpuVm *self = g_new0(VgpuVm, 1);
    gid_t group;

    self->session = vgpu_session_ref(session);
    self->settings = settings;
    self->dispatcher = dispatcher;
    self->handlers = handlers;
    self->user_data = user_data;
    self->qemu_pidfd = -1;
    vgpu_session_limit(session, limits, vgpu_pools_get(settings->pools, session->pool));
    vgpu_limiter_init(&self->refusals, (VgpuRate){1, 5});
    self->custody = vgpu_custody_new(custodies, session, &ways, self);
    if (vgpu_device_socket_group(settings->socket_group, &group, error))
        self->socket = vgpu_device_socket_new(socket_path, group, on_connection, self, error);
    if (self->socket == NULL) {
        vgpu_vm_free(self);
        return NULL;
    }
    return self;
}

void vgpu_vm_free(VgpuVm *self)
{
    g_clear_pointer(&self->socket, vgpu_device_socket_free);
    drop_worker(self);
    g_clear_pointer(&self->link, vgpu_device_link_free);
    vgpu_custody_free(self->custody);
    g_clear_handle_id(&self->qemu_source, g_source_remove);
    if (self->qemu_pidfd >= 0)
        close(self->qemu_pidfd);
    vgpu_session_set_state(self->session, VGPU_SESSION_ENDED);
    vgpu_session_unref(self->session);
    g_free(self->last_reason);
    g_free(self);
}
