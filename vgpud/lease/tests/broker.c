/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

typedef struct {
    BrokerShared *shared;
    VgpuScheduler *scheduler;
    VgpuSchedulerClient *clients[BROKER_WORKERS];
} Broker;

guint64 broker_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (guint64)time.tv_sec * G_GUINT64_CONSTANT(1000000000) + (guint64)time.tv_nsec;
}

void broker_open(int fds[BROKER_WORKERS])
{
    for (guint i = 0; i < BROKER_WORKERS; i++) {
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        g_assert_cmpint(fds[i], >=, 0);
    }
}

static void obey(Broker *broker, VgpuOrder order, guint64 now_ns)
{
    VgpuLease *lease = order.client != NULL ? order.client->owner : NULL;
    gboolean taken = FALSE;

    switch (order.kind) {
    case VGPU_ORDER_NONE:
        return;
    case VGPU_ORDER_GRANT:
        vgpu_lease_grant(lease, order.shared, (uint16_t)order.jobs);
        return;
    case VGPU_ORDER_SHARE:
        taken = vgpu_lease_share(lease);
        break;
    case VGPU_ORDER_ASK_BACK:
        taken = vgpu_lease_ask_back(lease);
        break;
    case VGPU_ORDER_FENCE:
        g_error("a worker did not return its lease");
    }
    if (taken)
        obey(broker, vgpu_scheduler_returned(broker->scheduler, order.client, 0, now_ns), now_ns);
}

static void hear(Broker *broker, guint worker, guint64 now_ns)
{
    VgpuSchedulerClient *client = broker->clients[worker];
    const uint32_t said = vgpu_lease_hear(&broker->shared->leases[worker]);
    const gboolean wants = (said & VGPU_LEASE_SAID_WANT) != 0;
    const gboolean unused = (said & VGPU_LEASE_SAID_UNUSED) != 0;
    const VgpuReturned how =
        (wants ? VGPU_RETURNED_WANTS : 0) | (unused ? VGPU_RETURNED_UNUSED : 0);

    if (said & VGPU_LEASE_SAID_RETURNED)
        obey(broker, vgpu_scheduler_returned(broker->scheduler, client, how, now_ns), now_ns);
    else if (wants)
        obey(broker, vgpu_scheduler_want(broker->scheduler, client, now_ns), now_ns);
}

/* For epoll: rounded up, so that a tick is not early. */
static int until_ms(guint64 deadline_ns, guint64 now_ns)
{
    if (deadline_ns == G_MAXUINT64)
        return -1;
    return deadline_ns > now_ns ? (int)MIN((deadline_ns - now_ns) / 1000000 + 1, G_MAXINT) : 0;
}

void broker_serve(BrokerShared *shared, const int fds[BROKER_WORKERS], guint workers,
                  const VgpuSchedulerSettings *settings)
{
    Broker broker = {.shared = shared, .scheduler = vgpu_scheduler_new(settings, broker_now())};
    const int set = epoll_create1(EPOLL_CLOEXEC);

    g_assert_cmpint(set, >=, 0);
    for (guint i = 0; i < workers; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};

        broker.clients[i] = vgpu_scheduler_add(broker.scheduler, VGPU_PRIORITY_MEDIUM,
                                               VGPU_SCHEDULER_WEIGHT, &shared->leases[i]);
        g_assert_cmpint(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event), ==, 0);
    }
    guint64 now_ns = broker_now();
    while (atomic_load(&shared->left) > 0) {
        const guint64 deadline_ns = vgpu_scheduler_deadline(broker.scheduler);
        struct epoll_event events[BROKER_WORKERS];
        int count = epoll_wait(set, events, BROKER_WORKERS, until_ms(deadline_ns, now_ns));

        now_ns = broker_now();
        for (int i = 0; i < count; i++)
            hear(&broker, events[i].data.u32, now_ns);
        if (vgpu_scheduler_deadline(broker.scheduler) <= now_ns)
            obey(&broker, vgpu_scheduler_tick(broker.scheduler, now_ns), now_ns);
    }
    for (guint i = 0; i < workers; i++)
        vgpu_scheduler_remove(broker.scheduler, broker.clients[i], broker_now());
    vgpu_scheduler_free(broker.scheduler);
    close(set);
}

void broker_end(BrokerShared *shared, int fd)
{
    atomic_fetch_sub(&shared->left, 1);
    vgpu_lease_signal_(fd);
}
