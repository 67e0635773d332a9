/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared memory in three ways; who waits how is the guest's to say, message by message. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "measure.h"
#include "pci.h"

/* As vgpu-bench has it for the same ways of our queues: a host that answers at once to the next
 * call would not have fallen asleep. */
#define ASLEEP_US 3000u

struct ivshmem_channel {
    struct channel channel;
    struct ivshmem device;
    uint32_t flags;   /* of each message */
    bool host_sleeps; /* until the next doorbell */
};

static bool await_interrupt(int event)
{
    uint64_t count;

    if (read(event, &count, sizeof(count)) == sizeof(count))
        return true;
    perror("bench: eventfd");
    return false;
}

static bool send(struct ivshmem_channel *ivshmem, const struct bench_message *request,
                 struct bench_message *response)
{
    struct bench_message copy = *request;

    copy.flags = ivshmem->flags;
    bench_publish(&ivshmem->device.shared->request, &copy);
    if (ivshmem->host_sleeps)
        *ivshmem->device.doorbell = BENCH_HOST_PEER << 16;
    ivshmem->host_sleeps = ivshmem->flags & BENCH_HOST_SLEEPS;
    if (ivshmem->flags & BENCH_INTERRUPT && !await_interrupt(ivshmem->device.interrupt))
        return false;
    *response = bench_await(&ivshmem->device.shared->response, request->number);
    return true;
}

static bool ivshmem_exchange(struct channel *channel, const struct bench_message *request,
                             struct bench_message *response, const uint8_t *out, uint8_t *in)
{
    struct ivshmem_channel *ivshmem = (struct ivshmem_channel *)channel;
    struct bench_shared *shared = ivshmem->device.shared;

    if (request->op == BENCH_WRITE)
        memcpy(shared->bulk, out, request->length);
    if (!send(ivshmem, request, response))
        return false;
    if (request->op == BENCH_READ)
        memcpy(in, shared->bulk, request->length);
    return true;
}

static void measure(const char *name, struct ivshmem device, uint32_t flags, double seconds)
{
    struct ivshmem_channel ivshmem = {
        .channel = {.exchange = ivshmem_exchange, .number = device.shared->response.number},
        .device = device,
        .flags = flags,
        .host_sleeps = true,
    };

    channel_measure(&ivshmem.channel, &(struct channel_plan){
                                          .name = name,
                                          .seconds = seconds,
                                          .bulk = true,
                                          .least = 100,
                                          .pause_us = flags != 0 ? ASLEEP_US : 0,
                                      });
    /* The next program finds the host asleep. */
    ivshmem.flags = BENCH_HOST_SLEEPS;
    struct bench_message last = {.op = BENCH_ECHO, .number = ivshmem.channel.number + 1};
    send(&ivshmem, &last, &last);
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
