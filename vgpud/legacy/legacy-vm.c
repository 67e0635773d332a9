/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-vm.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vgpu-codec.h"
#include "worker-process.h"

/* As a device's: the worker's own, shorter deadline gives the better answer. */
#define GRACE_MS 1000u

/* Another pool means another worker. That costs the host something, so it has a limit. */
#define MOVE_RATE ((VgpuRate){.per_second = 1, .burst = 5})

struct VgpuLegacyVm {
    VgpuSession *session;
    const VgpuSettings *settings;
    VgpuDispatcher *dispatcher; /* NULL: devices are not shared */
    VgpuCustody *custody;
    const VgpuLegacyVmHandlers *handlers;
    gpointer user_data;
    VgpuWorkerProcess *worker;
    int channel; /* -1: none; with a worker: it is about to end */
    guint channel_source;
    guint64 sequence; /* of the last request that was sent */
    gboolean is_live; /* it has no answer yet */
    gboolean is_owed; /* it was given up, and its worker may still answer it */
    guint deadline_source;
    guint idle_source;
    VgpuLimiter moves;
    VgpuFaults invalid; /* requests that came to no worker */
};

VgpuSession *vgpu_legacy_vm_session(const VgpuLegacyVm *self)
{
    return self->session;
}

guint vgpu_legacy_vm_patience_ms(const VgpuSettings *settings)
{
    return settings->request_timeout_ms + GRACE_MS;
}

gboolean vgpu_legacy_vm_is_busy(const VgpuLegacyVm *self)
{
    return self->is_owed || (self->worker != NULL && self->channel < 0);
}

static void close_channel(VgpuLegacyVm *self)
{
    g_clear_handle_id(&self->channel_source, g_source_remove);
    if (self->channel >= 0)
        close(self->channel);
    self->channel = -1;
}

/* The worker and the place; what it still owes is forgotten. */
static void drop_worker(VgpuLegacyVm *self)
{
    g_clear_handle_id(&self->idle_source, g_source_remove);
    close_channel(self);
    g_clear_pointer(&self->worker, vgpu_worker_process_free);
    self->session->worker_pid = 0;
    self->is_owed = FALSE;
    if (self->session->member != NULL) {
        vgpu_member_leave(g_steal_pointer(&self->session->member));
        self->handlers->left(self, self->user_data);
    }
    if (self->session->state != VGPU_SESSION_QUARANTINED)
        vgpu_session_set_state(self->session, VGPU_SESSION_RESERVED);
}

static gboolean on_idle(gpointer data)
{
    VgpuLegacyVm *self = data;
    const gboolean was_busy = vgpu_legacy_vm_is_busy(self);

    self->idle_source = 0;
    g_info("%s: no request for %u s, its worker ends", self->session->name,
           self->settings->legacy_idle_s);
    drop_worker(self);
    if (was_busy)
        self->handlers->ready(self, self->user_data);
    return G_SOURCE_REMOVE;
}

static void end_live(VgpuLegacyVm *self, enum vgpu_error error, guint32 sum)
{
    if (!self->is_live)
        return;
    self->is_live = FALSE;
    g_clear_handle_id(&self->deadline_source, g_source_remove);
    if (self->worker != NULL)
        self->idle_source = g_timeout_add_seconds(self->settings->legacy_idle_s, on_idle, self);
    self->handlers->answered(self, error, sum, self->user_data);
}

static void shut(gpointer vm)
{
    VgpuLegacyVm *self = vm;
    const gboolean was_busy = vgpu_legacy_vm_is_busy(self);

    drop_worker(self);
    vgpu_session_set_state(self->session, VGPU_SESSION_QUARANTINED);
    end_live(self, VGPU_ERROR_QUARANTINED, 0);
    if (was_busy)
        self->handlers->ready(self, self->user_data);
}

static void open_again(gpointer vm)
{
    VgpuLegacyVm *self = vm;

    vgpu_session_set_state(self->session, VGPU_SESSION_RESERVED);
}

/* The worker has died, or must: that counts against the VM. */
static void count_fault(VgpuLegacyVm *self, const VgpuWorkerEnd *end, enum vgpu_error answer)
{
    drop_worker(self);
    end_live(self, answer, 0);
    vgpu_custody_count(self->custody, end);
}

static void on_worker_ended(const VgpuWorkerEnd *end, gpointer data)
{
    VgpuLegacyVm *self = data;

    /* Also a clean end: we closed nothing, so it should not have ended. */
    g_warning("%s: worker %d ended: %s", self->session->name, (int)self->session->worker_pid,
              end->how);
    count_fault(self, end, VGPU_ERROR_EXECUTION_FAILED);
    self->handlers->ready(self, self->user_data);
}

/* Its worker has not answered in time, not even that it could not. */
static gboolean on_deadline(gpointer data)
{
    VgpuLegacyVm *self = data;

    self->deadline_source = 0;
    if (atomic_load(&self->session->page->state) == VGPU_PAGE_STARTING) {
        /* It will take the request up, or end by itself. */
        g_warning("%s: its device is not open yet after %u ms", self->session->name,
                  vgpu_legacy_vm_patience_ms(self->settings));
        self->is_owed = TRUE;
    } else {
        g_warning("%s: worker %d does not answer and is ended", self->session->name,
                  (int)self->session->worker_pid);
        count_fault(self,
                    &(VgpuWorkerEnd){.fault = VGPU_FAULT_DEADLINE, .how = (char *)"no answer came"},
                    VGPU_ERROR_TIMEOUT);
        return G_SOURCE_REMOVE;
    }
    end_live(self, VGPU_ERROR_TIMEOUT, 0);
    return G_SOURCE_REMOVE;
}

/* Takes a packet of the worker's apart. FALSE: it is not an answer to what was sent last. */
static gboolean read_answer(const VgpuLegacyVm *self, const guint8 *packet, gsize length,
                            enum vgpu_error *error, guint32 *sum)
{
    struct vgpu_channel_header header;
    struct vgpu_response response;

    if (!vgpu_channel_decode(packet, length, &header) || header.type != VGPU_CHANNEL_RESPONSE ||
        header.sequence != self->sequence || header.error >= VGPU_ERROR_COUNT)
        return FALSE;
    *error = header.error;
    if (header.error != VGPU_ERROR_NONE)
        return TRUE;
    if (!vgpu_response_decode(packet + sizeof(header), header.length, &response) ||
        response.result_count != 1)
        return FALSE;
    *sum = response.results[0];
    return TRUE;
}

/* Others have the device: the live request's time begins anew, as a device would have it. */
static gboolean read_waits(VgpuLegacyVm *self, const guint8 *packet, gsize length)
{
    struct vgpu_channel_header header;

    if (!vgpu_channel_decode(packet, length, &header) || header.type != VGPU_CHANNEL_WAITS ||
        header.sequence != self->sequence)
        return FALSE;
    if (self->is_live) {
        g_clear_handle_id(&self->deadline_source, g_source_remove);
        self->deadline_source =
            g_timeout_add(vgpu_legacy_vm_patience_ms(self->settings), on_deadline, self);
    }
    return TRUE;
}

static gboolean on_channel(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    VgpuLegacyVm *self = data;
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    const ssize_t length = recv(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
    enum vgpu_error error = VGPU_ERROR_NONE;
    guint32 sum = 0;

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (length > 0 && (gsize)length <= sizeof(packet) && read_waits(self, packet, (gsize)length))
        return G_SOURCE_CONTINUE;
    if (length > 0 && (gsize)length <= sizeof(packet) && (self->is_live || self->is_owed) &&
        read_answer(self, packet, (gsize)length, &error, &sum)) {
        const gboolean was_owed = self->is_owed;
        self->is_owed = FALSE;
        end_live(self, error, sum);
        if (was_owed)
            self->handlers->ready(self, self->user_data);
        return G_SOURCE_CONTINUE;
    }
    if (length > 0)
        g_warning("%s: worker %d sent a malformed answer", self->session->name,
                  (int)self->session->worker_pid);
    /* It ends, which on_worker_ended() counts, since its channel is closed. */
    self->channel_source = 0;
    close_channel(self);
    end_live(self, VGPU_ERROR_EXECUTION_FAILED, 0);
    return G_SOURCE_REMOVE;
}

static enum vgpu_error start_worker(VgpuLegacyVm *self)
{
    g_autoptr(GError) error = NULL;
    VgpuSession *session = self->session;

    session->member = vgpu_pools_place(self->settings->pools, session->pool, NULL);
    if (session->member == NULL)
        return VGPU_ERROR_QUEUE_FULL;
    vgpu_session_limit(session, &session->wish,
                       vgpu_pools_get(self->settings->pools, session->pool));
    /* Until it says otherwise: the page was that of the worker before, too. */
    atomic_store(&session->page->state, VGPU_PAGE_STARTING);
    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    self->worker = vgpu_worker_process_new(session, self->settings, self->dispatcher, NULL,
                                           &self->channel, on_worker_ended, self, &error);
    if (self->worker == NULL) {
        self->channel = -1;
        g_warning("%s: cannot start its worker: %s", session->name, error->message);
        count_fault(self, &(VgpuWorkerEnd){.fault = VGPU_FAULT_CRASH, .how = error->message},
                    VGPU_ERROR_EXECUTION_FAILED);
        return VGPU_ERROR_EXECUTION_FAILED;
    }
    session->worker_pid = vgpu_worker_process_pid(self->worker);
    self->channel_source = g_unix_fd_add(self->channel, G_IO_IN, on_channel, self);
    vgpu_session_set_state(session, VGPU_SESSION_SERVING);
    g_info("%s: worker %d serves it on %s", session->name, (int)session->worker_pid,
           session->member->name);
    return VGPU_ERROR_NONE;
}

enum vgpu_error vgpu_legacy_vm_prepare(VgpuLegacyVm *self, char pool, enum vgpu_priority priority)
{
    VgpuSession *session = self->session;

    if (session->state == VGPU_SESSION_QUARANTINED)
        return VGPU_ERROR_QUARANTINED;
    if (vgpu_pools_get(self->settings->pools, pool) == NULL)
        return VGPU_ERROR_INVALID_POOL;
    if (pool != session->pool && self->worker != NULL) {
        if (!vgpu_limiter_take(&self->moves, (guint64)g_get_monotonic_time() * 1000))
            return VGPU_ERROR_RATE_LIMITED;
        drop_worker(self);
    }
    g_clear_handle_id(&self->idle_source, g_source_remove);
    if (pool != session->pool || priority != session->priority) {
        vgpu_session_set_pool(session, pool, (guint64)g_get_monotonic_time() * 1000);
        session->priority = priority;
        vgpu_session_changed(session);
    }
    return self->worker != NULL ? VGPU_ERROR_NONE : start_worker(self);
}

gboolean vgpu_legacy_vm_send(VgpuLegacyVm *self, const guint32 numbers[2])
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    const gsize head = sizeof(struct vgpu_channel_header);
    const struct vgpu_request request = {
        .opcode = VGPU_OP_VECTOR_ADD,
        .param_count = 2,
        .params = {numbers[0], numbers[1]},
    };
    const gsize length = vgpu_request_encode(&request, packet + head, sizeof(packet) - head);
    const struct vgpu_channel_header header = {
        .type = VGPU_CHANNEL_REQUEST,
        .length = (guint32)length,
        .sequence = self->sequence + 1,
        .request_id = (guint32)(self->sequence + 1),
    };

    g_assert(!self->is_live && length > 0);
    atomic_store(&self->session->page->timeout_ms, self->settings->request_timeout_ms);
    /* Not before: what is at work for an earlier request would keep its device from others. */
    vgpu_worker_process_set_priority(self->worker, self->session->priority);
    vgpu_channel_encode(&header, packet);
    if (send(self->channel, packet, head + length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return FALSE;
    self->sequence++;
    self->is_live = TRUE;
    self->deadline_source =
        g_timeout_add(vgpu_legacy_vm_patience_ms(self->settings), on_deadline, self);
    return TRUE;
}

/* A UUID of RFC 9562's version 8, its own: always the same one for this folder. */
static char *uuid_of(const char *folder)
{
    g_autofree char *text = g_strdup_printf("vgpud legacy directory %s", folder);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

    return g_strdup_printf("%.8s-%.4s-8%.3s-a%.3s-%.12s", sum, sum + 8, sum + 12, sum + 15,
                           sum + 18);
}

/* For people and logs: what is not text is replaced. */
static char *name_of(const char *folder)
{
    g_autofree char *last = g_path_get_basename(folder);
    g_autofree char *text = g_utf8_make_valid(last, -1);

    for (char *c = text; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = '?';
    return g_strdup_printf("legacy:%s", text);
}

VgpuLegacyVm *vgpu_legacy_vm_new(const char *folder, guint number, char pool,
                                 enum vgpu_priority priority, const VgpuSettings *settings,
                                 VgpuDispatcher *dispatcher, VgpuCustodies *custodies,
                                 const VgpuLegacyVmHandlers *handlers, gpointer user_data,
                                 GError **error)
{
    static const VgpuCustodyWays ways = {shut, open_again};
    g_autofree char *uuid = uuid_of(folder);
    g_autofree char *name = name_of(folder);
    VgpuSession *session =
        vgpu_session_new(uuid, name, VGPU_VM_ID_MAX + 1 + number, pool, priority, NULL, error);

    if (session == NULL)
        return NULL;

    VgpuLegacyVm *self = g_new0(VgpuLegacyVm, 1);
    self->session = session;
    self->settings = settings;
    self->dispatcher = dispatcher;
    self->handlers = handlers;
    self->user_data = user_data;
    self->channel = -1;
    vgpu_limiter_init(&self->moves, MOVE_RATE);
    vgpu_faults_init(&self->invalid, settings->error_budget,
                     (gint64)settings->fault_window_s * G_USEC_PER_SEC);
    self->custody = vgpu_custody_new(custodies, session, &ways, self);
    return self;
}

void vgpu_legacy_vm_strike(VgpuLegacyVm *self)
{
    if (self->invalid.budget == 0 || self->session->state == VGPU_SESSION_QUARANTINED ||
        !vgpu_faults_add(&self->invalid, g_get_monotonic_time()))
        return;
    vgpu_faults_forgive(&self->invalid);
    vgpu_custody_count(self->custody, &(VgpuWorkerEnd){.fault = VGPU_FAULT_INVALID});
}

void vgpu_legacy_vm_recall(VgpuLegacyVm *self)
{
    vgpu_custody_recall(self->custody);
}

void vgpu_legacy_vm_free(VgpuLegacyVm *self)
{
    drop_worker(self);
    g_clear_handle_id(&self->deadline_source, g_source_remove);
    vgpu_custody_free(self->custody);
    vgpu_faults_clear(&self->invalid);
    vgpu_session_set_state(self->session, VGPU_SESSION_ENDED);
    vgpu_session_unref(self->session);
    g_free(self);
}
