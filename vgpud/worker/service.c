/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operations.h"

/* Nobody else writes: no locked operation. */
static void add(_Atomic guint64 *counter, guint64 amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

void vgpu_service_touch(const VgpuService *service)
{
    atomic_store_explicit(&service->page->last_us, g_get_real_time(), memory_order_relaxed);
}

static void account(const VgpuService *service, enum vgpu_error status, gsize response_length,
                    guint64 device_ns)
{
    VgpuPage *page = service->page;

    add(&page->requests, 1);
    if (status != VGPU_ERROR_NONE)
        add(&page->errors[status], 1);
    add(&page->bytes_in, service->live.length);
    add(&page->bytes_out, response_length);
    add(&page->device_ns, device_ns);
    add(&page->service_ns, vgpu_deadline_now() - service->live.arrived_ns);
    vgpu_service_touch(service);
}

/* Answers the live request. The accounts come first: who has the answer may look at them. */
static gboolean answer(const VgpuService *service, const struct vgpu_response *response,
                       guint64 device_ns, int flags)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    const gsize head = sizeof(struct vgpu_channel_header);
    gsize length = vgpu_response_encode(response, packet + head, sizeof(packet) - head);
    const struct vgpu_channel_header header = {.type = VGPU_CHANNEL_RESPONSE,
                                               .length = (guint32)length,
                                               .sequence = service->live.sequence,
                                               .error = response->status};
    ssize_t sent;

    g_assert(length > 0);
    vgpu_channel_encode(&header, packet);
    account(service, response->status, length, device_ns);
    do {
        sent = send(service->channel, packet, head + length, MSG_NOSIGNAL | flags);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)(head + length);
}

void vgpu_service_account(const VgpuService *service, enum vgpu_result status, guint64 bytes_in,
                          guint64 bytes_out, guint64 device_ns)
{
    VgpuPage *page = service->page;

    add(&page->requests, 1);
    if (status != VGPU_RESULT_OK && (guint)status < VGPU_ERROR_COUNT)
        add(&page->errors[status], 1);
    add(&page->bytes_in, bytes_in);
    add(&page->bytes_out, bytes_out);
    add(&page->device_ns, device_ns);
    vgpu_service_show_used(service);
}

void vgpu_service_show_used(const VgpuService *service)
{
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        atomic_store_explicit(&service->page->used[i], service->gate.quota.used[i],
                              memory_order_relaxed);
}

void vgpu_service_account_wait(const VgpuService *service, guint64 wait_ns)
{
    add(&service->page->waits[vgpu_page_wait_bucket(wait_ns)], 1);
    add(&service->page->wait_ns, wait_ns);
}

void vgpu_service_account_device(const VgpuService *service, guint64 failures, guint64 device_ns)
{
    add(&service->page->errors[VGPU_ERROR_EXECUTION_FAILED], failures);
    add(&service->page->device_ns, device_ns);
    vgpu_service_show_used(service);
}

void vgpu_service_give_up(const VgpuService *service, const char *what, guint64 limit_ns)
{
    shutdown(service->channel, SHUT_RDWR);
    g_warning("%s has not ended within %" G_GUINT64_FORMAT
              " ms: the device hangs, this worker ends",
              what, limit_ns / 1000000);
    _exit(VGPU_WORKER_EXIT_DEADLINE);
}

/* In the deadline's thread, while the main thread is stuck in the backend. */
static void expired(gpointer data)
{
    VgpuService *service = data;
    const guint64 spent_ns = vgpu_deadline_now() - service->live.arrived_ns;
    const struct vgpu_response response = {.status = VGPU_ERROR_TIMEOUT,
                                           .exec_time_us = vgpu_operation_exec_time_us(spent_ns)};

    answer(service, &response, spent_ns, MSG_DONTWAIT);
    g_autofree char *what = g_strdup_printf("request %u", service->live.request_id);
    vgpu_service_give_up(service, what, service->timeout_ns);
}

static enum vgpu_error run(VgpuService *service, const VgpuOperation *operation,
                           const struct vgpu_request *request, struct vgpu_response *response,
                           guint64 *device_ns, GError **error)
{
    const gboolean watched = service->backend != NULL && vgpu_operation_uses_device(operation);

    if (watched)
        vgpu_deadline_arm(service->deadline, service->live.arrived_ns + service->timeout_ns,
                          expired, service);
    enum vgpu_error status =
        vgpu_operation_run(operation, service->backend, request, response, device_ns, error);
    if (watched)
        vgpu_deadline_disarm(service->deadline);
    return status;
}

/*
 * Whether the live request is to wait for the VM's rate. Not beyond its deadline: then it is
 * answered as if nothing could wait.
 */
static gboolean must_wait(VgpuService *service, const guint8 *bytes)
{
    const guint64 due_ns = vgpu_gate_due(&service->gate);

    service->until_ns = 0;
    if (due_ns == 0 || due_ns >= service->live.arrived_ns + service->timeout_ns)
        return FALSE;
    service->until_ns = due_ns;
    if (bytes != service->waiting)
        memcpy(service->waiting, bytes, service->live.length);
    return TRUE;
}

/* Serves the live request, whose bytes are @bytes. FALSE: nobody takes the answer. */
static gboolean serve(VgpuService *service, const guint8 *bytes)
{
    g_autoptr(GError) error = NULL;
    const VgpuOperation *operation = NULL;
    struct vgpu_request request;
    struct vgpu_response response = {0};
    guint64 device_ns = 0;
    enum vgpu_error status = VGPU_ERROR_RATE_LIMITED;

    if (vgpu_gate_pass(&service->gate))
        status = vgpu_operation_check(bytes, service->live.length, &request, &operation);
    if (status == VGPU_ERROR_NONE)
        status = run(service, operation, &request, &response, &device_ns, &error);

    response.status = status;
    if (status != VGPU_ERROR_NONE)
        vgpu_tally_add(&service->tally, status, service->live.request_id,
                       error != NULL ? error->message : NULL);
    return answer(service, &response, device_ns, 0);
}

/*
 * Takes a packet. Returns its real length, which may be beyond @size, and 0 when the channel is
 * closed, also by an empty packet, which no device sends; -1 on an error.
 */
static ssize_t receive(int channel, void *packet, gsize size)
{
    ssize_t length;

    do {
        length = recv(channel, packet, size, MSG_TRUNC | MSG_DONTWAIT);
    } while (length < 0 && errno == EINTR);
    return length < 0 && errno == ECONNRESET ? 0 : length;
}

static VgpuServiceResult end(VgpuWorkerExit *how, VgpuWorkerExit exit)
{
    *how = exit;
    return VGPU_SERVICE_ENDS;
}

VgpuServiceResult vgpu_service_serve(VgpuService *service, VgpuWorkerExit *how)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;
    const ssize_t length = receive(service->channel, packet, sizeof(packet));

    if (length == 0)
        return end(how, VGPU_WORKER_EXIT_CLOSED);
    if (length < 0 && errno == EAGAIN)
        return VGPU_SERVICE_SERVED;
    if (length < 0) {
        g_critical("cannot read the channel: %s", g_strerror(errno));
        return end(how, VGPU_WORKER_EXIT_FAILURE);
    }
    if (!vgpu_channel_decode(packet, (gsize)length, &header) ||
        header.type != VGPU_CHANNEL_REQUEST) {
        g_critical("QEMU sent a malformed packet of %zd bytes: this worker ends", length);
        return end(how, VGPU_WORKER_EXIT_PACKET);
    }

    service->live = (VgpuLive){.sequence = header.sequence,
                               .request_id = header.request_id,
                               .length = header.length,
                               .arrived_ns = vgpu_deadline_now()};
    /* One that still waits is forgotten: a device sends another one only when it has ended it. */
    if (must_wait(service, packet + sizeof(header)))
        return VGPU_SERVICE_SERVED;
    return serve(service, packet + sizeof(header)) ? VGPU_SERVICE_SERVED
                                                   : end(how, VGPU_WORKER_EXIT_CLOSED);
}

guint64 vgpu_service_until(const VgpuService *service)
{
    return service->until_ns != 0 ? service->until_ns : G_MAXUINT64;
}

VgpuServiceResult vgpu_service_resume(VgpuService *service, VgpuWorkerExit *how)
{
    if (service->until_ns == 0 || vgpu_deadline_now() < service->until_ns ||
        must_wait(service, service->waiting))
        return VGPU_SERVICE_SERVED;
    vgpu_service_account_wait(service, vgpu_deadline_now() - service->live.arrived_ns);
    return serve(service, service->waiting) ? VGPU_SERVICE_SERVED
                                            : end(how, VGPU_WORKER_EXIT_CLOSED);
}
