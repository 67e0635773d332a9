/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the scheduler share: scheduler.c has the events, scheduler-turn.c the
 * decisions. */
#pragma once

#include "floor.h"
#include "scheduler.h"

/* Leads are cut to this, three days, before they are multiplied by a weight. */
#define VGPU_SCHEDULER_LONGEST_LEAD_NS (G_GUINT64_CONSTANT(1) << 48)

/* The clients of one priority. */
typedef struct {
    VgpuHeap waiting; /* FIFO: by ticket; fair: by virtual time, then by ticket */
    /*
     * Where those who come to want the device start, so that they are owed nothing for the time
     * before: the virtual time of the client granted last. While nobody waits it runs with the
     * clock, so that what somebody had more than the others fades as if they had it now.
     */
    guint64 virtual_ns;
    VgpuFloor floor;
} VgpuSchedulerLevel;

struct VgpuScheduler {
    VgpuSchedulerSettings settings;
    VgpuSchedulerLevel levels[VGPU_PRIORITY_COUNT];
    VgpuHeap barred; /* who waits, but has spent its share: by paid_ns */
    guint64 now_ns;  /* of the last call; accounts are settled up to it */
    guint64 next_ticket;
    guint clients;
    gboolean paused;

    VgpuSchedulerClient *holder; /* NULL: nobody; the following is about its turn */
    guint64 asked_ns;
    gboolean asked;   /* to give the lease back */
    gboolean fenced;  /* the order has been given */
    gboolean shared;  /* it knows that others wait */
    gboolean bounded; /* it knows after how many jobs its turn ends */
    gboolean repaid;  /* its priority was owed this turn: a higher one must wait for its end */
};

static inline VgpuSchedulerClient *vgpu_scheduler_client_of(VgpuHeapNode *node)
{
    return (VgpuSchedulerClient *)node;
}

static inline void vgpu_scheduler_set_state(VgpuScheduler *s, VgpuSchedulerClient *client,
                                            VgpuSchedulerState state)
{
    client->state = state;
    client->since_ns = s->now_ns;
}

/* Has only a part of the device's time. */
static inline gboolean vgpu_scheduler_is_capped(const VgpuSchedulerClient *client)
{
    return client->share != 0 && client->share < 100;
}

/* What is to be done now, after whatever has happened; all accounts are settled. */
VgpuOrder vgpu_scheduler_decide(VgpuScheduler *s);
