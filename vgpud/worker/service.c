/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS G_GUINT64_CONSTANT(1000000)

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

void vgpu_service_refresh(VgpuService *service)
{
    const guint32 ms = atomic_load_explicit(&service->page->timeout_ms, memory_order_relaxed);

    if (ms == 0)
        return;
    service->timeout_ns = ms * NS_PER_MS;
    service->build_ns = MAX(service->build_ns, service->timeout_ns);
}

void vgpu_service_strike(VgpuService *service, guint32 status)
{
    /* Without a device it is this host that is wrong. */
    if (status == VGPU_ERROR_NONE ||
        (status == VGPU_ERROR_EXECUTION_FAILED && service->backend == NULL))
        return;
    vgpu_strikes_add(&service->strikes, status, g_get_monotonic_time());
}

gboolean vgpu_service_take_turn(VgpuService *service)
{
    guint64 waited_ns;

    if (!vgpu_turn_take(&service->turn, &waited_ns))
        return FALSE;
    if (G_UNLIKELY(waited_ns > 0))
        vgpu_service_account_wait(service, waited_ns);
    return TRUE;
}

void vgpu_service_failed(VgpuService *service)
{
    if (service->lost)
        return;
    if (service->backend != NULL)
        service->lost = service->backend->class->is_lost(service->backend);
    else
        service->lost = vgpu_deadline_now() >= service->retry_ns;
    if (service->lost)
        g_warning("%s: this worker ends, the next one opens it anew",
                  service->backend != NULL ? "the device is lost" : "there was no device");
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
    const guint64 spent_ns = vgpu_deadline_now() - service->live.begun_ns;
    const struct vgpu_response response = {.status = VGPU_ERROR_TIMEOUT,
                                           .exec_time_us = vgpu_operation_exec_time_us(spent_ns)};

    answer(service, &response, spent_ns, MSG_DONTWAIT);
    g_autofree char *what = g_strdup_printf("request %u", service->live.request_id);
    vgpu_service_give_up(service, what, service->timeout_ns);
}

static gboolean needs_device(const VgpuService *service, const VgpuOperation *operation)
{
    return service->backend != NULL && vgpu_operation_uses_device(operation);
}

/*
 * Whether the live request is to wait for the VM's rate. Not beyond its deadline: then it is
 * answered as if nothing could wait.
 */
static gboolean must_wait(VgpuService *service)
{
    const guint64 due_ns = vgpu_gate_due(&service->gate);

    service->until_ns = 0;
    if (due_ns == 0 || due_ns >= service->live.arrived_ns + service->timeout_ns)
        return FALSE;
    service->until_ns = due_ns;
    return TRUE;
}

/* The live request, which has its turn if it needs one. FALSE: nobody takes the answer. */
static gboolean run(VgpuService *service, enum vgpu_error status)
{
    g_autoptr(GError) error = NULL;
    VgpuLive *live = &service->live;
    const gboolean watched = status == VGPU_ERROR_NONE && needs_device(service, live->operation);
    struct vgpu_response response = {0};
    guint64 device_ns = 0;

    live->waits = FALSE;
    if (watched) {
        vgpu_trace(&service->trace, "job 1.0 %u 0x%02x", live->request_id, live->request.opcode);
        live->begun_ns = vgpu_deadline_now();
        vgpu_deadline_arm(service->deadline, live->begun_ns + service->timeout_ns, expired,
                          service);
    }
    if (status == VGPU_ERROR_NONE)
        status = vgpu_operation_run(live->operation, service->backend, &live->request, &response,
                                    &device_ns, &error);
    if (status == VGPU_ERROR_EXECUTION_FAILED && (watched || service->backend == NULL))
        vgpu_service_failed(service);
    if (watched) {
        vgpu_deadline_disarm(service->deadline);
        vgpu_trace(&service->trace, "ended");
    }
    response.status = status;
    if (status != VGPU_ERROR_NONE)
        vgpu_tally_add(&service->tally, status, live->request_id,
                       error != NULL ? error->message : NULL);
    vgpu_service_strike(service, status);
    return answer(service, &response, device_ns, 0);
}

/* Serves the live request, unless it has to wait. FALSE: nobody takes the answer. */
static gboolean serve(VgpuService *service)
{
    VgpuLive *live = &service->live;
    enum vgpu_error status = VGPU_ERROR_RATE_LIMITED;

    if (vgpu_gate_pass(&service->gate))
        status = vgpu_operation_check(live->packet + sizeof(struct vgpu_channel_header),
                                      live->length, &live->request, &live->operation);
    live->waits = status == VGPU_ERROR_NONE && needs_device(service, live->operation) &&
                  !vgpu_service_take_turn(service);
    if (live->waits && vgpu_turn_is_hopeless(&service->turn))
        return run(service, VGPU_ERROR_UNAVAILABLE);
    return live->waits || run(service, status);
}

/* FALSE: nobody is there any more who could be told. */
static gboolean say_waits(VgpuService *service, guint64 now_ns)
{
    const struct vgpu_channel_header header = {.type = VGPU_CHANNEL_WAITS,
                                               .sequence = service->live.sequence};
    guint8 packet[sizeof(header)];

    service->live.said_ns = now_ns;
    vgpu_channel_encode(&header, packet);
    /* A device that does not read for a while misses one of many. */
    return send(service->channel, packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
           errno == EAGAIN || errno == EINTR;
}

guint64 vgpu_service_due(const VgpuService *service)
{
    return service->live.waits ? service->live.said_ns + VGPU_CHANNEL_WAITS_MS * NS_PER_MS
                               : G_MAXUINT64;
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

static void try_expired(gpointer data)
{
    const VgpuService *service = data;

    vgpu_service_give_up(service, "trying the device after a failure", service->timeout_ns);
}

static void try_suspected(VgpuService *service)
{
    if (!vgpu_service_take_turn(service))
        return;
    service->suspects = FALSE;
    vgpu_deadline_arm(service->deadline, vgpu_deadline_now() + service->timeout_ns, try_expired,
                      service);
    vgpu_service_failed(service);
    vgpu_deadline_disarm(service->deadline);
}

VgpuServiceResult vgpu_service_go_on(VgpuService *service, gboolean *worked, VgpuWorkerExit *how)
{
    gboolean heard = TRUE;

    if (service->suspects)
        try_suspected(service);
    if (!service->live.waits)
        return VGPU_SERVICE_SERVED;
    if (vgpu_service_take_turn(service)) {
        *worked = TRUE;
        heard = run(service, VGPU_ERROR_NONE);
    } else if (vgpu_turn_is_hopeless(&service->turn)) {
        *worked = TRUE;
        heard = run(service, VGPU_ERROR_UNAVAILABLE);
    } else {
        const guint64 now_ns = vgpu_deadline_now();

        if (now_ns >= vgpu_service_due(service))
            heard = say_waits(service, now_ns);
    }
    return heard ? VGPU_SERVICE_SERVED : end(how, VGPU_WORKER_EXIT_CLOSED);
}

VgpuServiceResult vgpu_service_serve(VgpuService *service, VgpuWorkerExit *how)
{
    VgpuLive *live = &service->live;
    struct vgpu_channel_header header;
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    const ssize_t length = receive(service->channel, packet, sizeof(packet));

    vgpu_service_refresh(service); /* it may have been long asleep */
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

    /* A device has one live request: one that still waits has been given up, by a reset. */
    live->sequence = header.sequence;
    live->request_id = header.request_id;
    live->length = header.length;
    live->arrived_ns = live->begun_ns = live->said_ns = vgpu_deadline_now();
    live->waits = FALSE;
    memcpy(live->packet, packet, (gsize)length);
    if (must_wait(service))
        return VGPU_SERVICE_SERVED;
    return serve(service) ? VGPU_SERVICE_SERVED : end(how, VGPU_WORKER_EXIT_CLOSED);
}

guint64 vgpu_service_until(const VgpuService *service)
{
    return service->until_ns != 0 ? service->until_ns : G_MAXUINT64;
}

VgpuServiceResult vgpu_service_resume(VgpuService *service, VgpuWorkerExit *how)
{
    if (service->until_ns == 0 || vgpu_deadline_now() < service->until_ns || must_wait(service))
        return VGPU_SERVICE_SERVED;
    const guint64 now_ns = vgpu_deadline_now();
    vgpu_service_account_wait(service, now_ns - service->live.arrived_ns);
    /* The device's deadline, which runs since it arrived, begins anew with the worker's. */
    if (!say_waits(service, now_ns))
        return end(how, VGPU_WORKER_EXIT_CLOSED);
    return serve(service) ? VGPU_SERVICE_SERVED : end(how, VGPU_WORKER_EXIT_CLOSED);
}
