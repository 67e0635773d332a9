/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operations.h"

static void add(_Atomic guint64 *counter, guint64 amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
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
    atomic_store_explicit(&page->last_us, g_get_real_time(), memory_order_relaxed);
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

/*
 * In the deadline's thread, while the main thread is stuck in the backend. The channel is shut
 * down by hand because a process whose thread hangs in a driver may stay for long after exit.
 */
static void expired(gpointer data)
{
    VgpuService *service = data;
    const guint64 spent_ns = vgpu_deadline_now() - service->live.arrived_ns;
    const struct vgpu_response response = {.status = VGPU_ERROR_TIMEOUT,
                                           .exec_time_us = vgpu_operation_exec_time_us(spent_ns)};

    answer(service, &response, spent_ns, MSG_DONTWAIT);
    shutdown(service->channel, SHUT_RDWR);
    g_warning("request %u has not ended within %" G_GUINT64_FORMAT
              " ms: the device hangs, this worker ends",
              service->live.request_id, service->timeout_ns / 1000000);
    _exit(VGPU_WORKER_EXIT_DEADLINE);
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

/* One load for each request; vgpud may change the rate at any time. */
static gboolean may_pass(VgpuService *service)
{
    const guint64 rate = atomic_load_explicit(&service->page->rate, memory_order_relaxed);

    if (rate != service->rate) {
        service->rate = rate;
        vgpu_limiter_init(&service->limiter, vgpu_page_rate(rate));
    }
    return vgpu_limiter_take(&service->limiter, service->live.arrived_ns);
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

    if (may_pass(service))
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
 * Waits for a packet. Returns its real length, which may be beyond @size, and 0 when the channel is
 * closed, also by an empty packet, which no device sends; -1 on an error.
 */
static ssize_t receive(int channel, void *packet, gsize size)
{
    ssize_t length;

    do {
        length = recv(channel, packet, size, MSG_TRUNC);
    } while (length < 0 && errno == EINTR);
    return length < 0 && errno == ECONNRESET ? 0 : length;
}

VgpuWorkerExit vgpu_service_run(VgpuService *service)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;

    for (;;) {
        ssize_t length = receive(service->channel, packet, sizeof(packet));
        if (length == 0)
            return VGPU_WORKER_EXIT_CLOSED;
        if (length < 0) {
            g_critical("cannot read the channel: %s", g_strerror(errno));
            return VGPU_WORKER_EXIT_FAILURE;
        }
        if (!vgpu_channel_decode(packet, (gsize)length, &header) ||
            header.type != VGPU_CHANNEL_REQUEST) {
            g_critical("QEMU sent a malformed packet of %zd bytes: this worker ends", length);
            return VGPU_WORKER_EXIT_PACKET;
        }

        service->live = (VgpuLive){.sequence = header.sequence,
                                   .request_id = header.request_id,
                                   .length = header.length,
                                   .arrived_ns = vgpu_deadline_now()};
        if (!serve(service, packet + sizeof(header)))
            return VGPU_WORKER_EXIT_CLOSED;
    }
}
