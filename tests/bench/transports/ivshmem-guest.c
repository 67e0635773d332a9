/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared memory in three ways; who waits how is the guest's to say, message by message. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "measure.h"
#include "pci.h"

struct ivshmem_channel {
    struct channel channel;
    struct ivshmem device;
    uint32_t flags;   /* of each message */
    bool host_sleeps; /* until the next doorbell */
    uint32_t number;  /* of the last request */
};

static bool await_interrupt(int event)
{
    uint64_t count;

    if (read(event, &count, sizeof(count)) == sizeof(count))
        return true;
    perror("bench: eventfd");
    return false;
}

/* What the memory holds has been there before its number is, on either way. */
static bool send(struct ivshmem_channel *ivshmem, const struct bench_message *request)
{
    struct bench_shared *shared = ivshmem->device.shared;

    memcpy(&shared->request, request, sizeof(*request));
    shared->request.flags = ivshmem->flags;
    atomic_store_explicit(&shared->requests, ++ivshmem->number, memory_order_release);
    if (ivshmem->host_sleeps)
        *ivshmem->device.doorbell = BENCH_HOST_PEER << 16;
    ivshmem->host_sleeps = ivshmem->flags & BENCH_HOST_SLEEPS;
    if (ivshmem->flags & BENCH_INTERRUPT && !await_interrupt(ivshmem->device.interrupt))
        return false;
    while (atomic_load_explicit(&shared->responses, memory_order_acquire) != ivshmem->number)
        ;
    return true;
}

static bool ivshmem_exchange(struct channel *channel, const struct bench_message *request,
                             struct bench_message *response, const uint8_t *out, uint8_t *in)
{
    struct ivshmem_channel *ivshmem = (struct ivshmem_channel *)channel;
    struct bench_shared *shared = ivshmem->device.shared;

    if (request->op == BENCH_WRITE)
        memcpy(shared->bulk, out, request->length);
    if (!send(ivshmem, request))
        return false;
    memcpy(response, &shared->response, sizeof(*response));
    if (request->op == BENCH_READ)
        memcpy(in, shared->bulk, request->length);
    return true;
}

static void measure(const char *name, struct ivshmem device, uint32_t flags, double seconds)
{
    struct ivshmem_channel ivshmem = {
        .channel.exchange = ivshmem_exchange,
        .device = device,
        .flags = flags,
        .host_sleeps = true,
        .number = atomic_load(&device.shared->responses),
    };

    channel_measure(&ivshmem.channel, name, seconds, true);
    /* The next program finds the host asleep. */
    ivshmem.flags = BENCH_HOST_SLEEPS;
    send(&ivshmem, &(struct bench_message){.op = BENCH_ECHO});
}

void ivshmem_poll(double seconds)
{
    measure("ivshmem-poll", ivshmem_open_sysfs(), 0, seconds);
}

void ivshmem_doorbell(double seconds)
{
    measure("ivshmem-doorbell", ivshmem_open_sysfs(), BENCH_HOST_SLEEPS, seconds);
}

void ivshmem_interrupt(double seconds)
{
    measure("ivshmem-msix", ivshmem_open_vfio(), BENCH_HOST_SLEEPS | BENCH_INTERRUPT, seconds);
}
