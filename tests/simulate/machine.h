/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One device with its VMs, as a model: the scheduler is vgpud's own, the device, the workers, the
 * guests and the way of a message between them are simulated, one event after the other.
 *
 * The device runs one job at a time, in the order of submission. A worker submits up to a window of
 * jobs while it has the lease. An order to a worker that sleeps takes hand_over_ns, in which the
 * device does nothing; one to a worker that runs is a word in shared memory, and takes no time.
 */
#pragma once

#include "histogram.h"
#include "random.h"
#include "scheduler.h"

/* What a VM wants of its device. Lengths and pauses are exponentially distributed. */
typedef struct {
    guint64 job_ns;    /* mean length of a job */
    guint64 pause_ns;  /* mean time from one burst to the next; 0: it always has work */
    guint burst;       /* mean number of jobs in a burst */
    guint64 period_ns; /* of the day; 0: no day */
    double swing;      /* how far the load goes up at noon and down at night: 0..1 */
    double phase;      /* when noon is: 0..1 */
} SimLoad;

typedef struct {
    guint64 arrived_ns;
    guint64 length_ns;
} SimJob;

typedef struct SimMachine SimMachine;

typedef struct {
    VgpuHeapNode arrival; /* the first field */
    SimMachine *machine;
    VgpuSchedulerClient *client;
    gpointer owner;
    SimLoad load;
    SimRandom random;
    SimJob *jobs; /* a ring of those that have not ended, the submitted ones first */
    guint first, count, room;
    guint submitted;

    gboolean started; /* has the lease, and knows */
    gboolean asked, shared;
    guint bound;     /* jobs of this turn, 0: any number */
    guint turn_jobs; /* submitted in this turn */
    gboolean hangs;  /* its job never ends */

    guint64 asked_for_ns; /* length of all its jobs */
    guint64 served_ns;    /* length of those that ended */
    guint64 served_jobs;
} SimVm;

/* What a test may want to look at. Each may be NULL. */
typedef struct {
    void (*order)(SimMachine *machine, VgpuOrder order, gpointer data);
    void (*submit)(SimMachine *machine, SimVm *vm, gpointer data); /* a job, to the device */
    gpointer data;
} SimObserver;

struct SimMachine {
    VgpuScheduler *scheduler;
    guint window;
    guint64 hand_over_ns;
    guint64 now_ns;
    SimObserver observer;
    SimHistogram *turn_waits[VGPU_PRIORITY_COUNT]; /* of VMs for the lease; NULL: not counted */
    SimHistogram *job_waits[VGPU_PRIORITY_COUNT];  /* of jobs for the device; the same */
    guint64 busy_ns;                               /* the device ran jobs */
    guint64 turns, recalls, fences;
    /* private */
    VgpuHeap events;
    guint64 sequence;
    VgpuHeapNode work, tick; /* the device's next event and the scheduler's */
    guint64 tick_ns;
    SimVm *on_device; /* whose job runs, or whom the lease is on its way to */
};

void sim_machine_init(SimMachine *machine, const VgpuSchedulerSettings *settings,
                      guint64 hand_over_ns, guint64 now_ns);

/* All VMs have been removed. */
void sim_machine_clear(SimMachine *machine);

/* A VM whose first burst comes within a pause. */
SimVm *sim_machine_add(SimMachine *machine, enum vgpu_priority priority, guint weight,
                       const SimLoad *load, SimRandom random);

/* Ends @vm: its jobs are lost, and it is freed. */
void sim_machine_remove(SimVm *vm);

/* @vm has @jobs more jobs, besides those of its load. */
void sim_machine_burst(SimVm *vm, guint jobs);

/* Carries out what the scheduler answered to something that a test told it. */
void sim_machine_obey(SimMachine *machine, VgpuOrder order);

/* Lets one event happen. Returns FALSE when there is none until @until_ns, which it then is. */
gboolean sim_machine_step(SimMachine *machine, guint64 until_ns);

/* Lets the time pass until @until_ns. */
void sim_machine_run(SimMachine *machine, guint64 until_ns);
