/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine whose every event is held against what the scheduler promises of each; for the tests of
 * properties. A promise that is broken ends the test, with the number of the history.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "machine.h"

#define US      G_GUINT64_CONSTANT(1000)
#define MS      G_GUINT64_CONSTANT(1000000)
#define SECOND  G_GUINT64_CONSTANT(1000000000)
#define VMS     12u
#define LONGEST 20u /* times the mean: random.h */

/* A machine with its VMs, and what was seen of it. */
typedef struct {
    guint64 seed;
    SimRandom random;
    SimMachine machine;
    VgpuSchedulerSettings settings;
    SimVm *vms[VMS]; /* NULL: gone */
    gboolean paused;
    gboolean changed_priority; /* since then places in order are not by time alone */
    guint64 submitted;
    guint64 held_ns; /* the device was somebody's */
    guint64 held_since_ns;
    VgpuSchedulerClient *holder;
    guint64 gone_held_ns; /* of removed VMs */
} World;

#define check(world, condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("VGPU_SEED=%" G_GUINT64_FORMAT ", at %" G_GUINT64_FORMAT " ns: %s",           \
                     (world)->seed, (world)->machine.now_ns, #condition);                          \
    } while (0)

/* With an observer that checks: work conservation, priority, FIFO, windows. */
void world_init(World *world, guint64 seed, const VgpuSchedulerSettings *settings,
                guint64 hand_over_ns);

/* Removes the VMs that are there. */
void world_clear(World *world);

/* A VM at @place, which is free. */
SimVm *world_add(World *world, guint place, enum vgpu_priority priority, guint weight,
                 SimLoad load);

void world_remove(World *world, guint place);

/* The device neither works nor is on its way to somebody: then nobody has work for it. */
void world_check_nothing_lies_idle(World *world);

/* The VMs' accounts are the time in which the device was somebody's; unless one was fenced. */
void world_check_accounts(World *world);

static inline VgpuSchedulerSettings settings_of(VgpuSchedulerPolicy policy)
{
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;

    settings.policy = policy;
    return settings;
}

static inline SimLoad always(guint64 job_ns)
{
    return (SimLoad){.job_ns = job_ns, .burst = 32};
}

static inline SimLoad bursts(guint64 job_ns, guint64 pause_ns, guint burst)
{
    return (SimLoad){.job_ns = job_ns, .pause_ns = pause_ns, .burst = burst};
}
