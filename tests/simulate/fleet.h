/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pool of many devices with many VMs that come, compute and go; placed by vgpud's own rules. */
#pragma once

#include "machine.h"
#include "placement.h"

typedef enum {
    SIM_TRACE_EQUAL,   /* every VM always has work, of the same priority; jobs of several lengths */
    SIM_TRACE_FLOOD,   /* every VM always has work, in three priorities */
    SIM_TRACE_BURSTS,  /* bursts of jobs at random, in three priorities; 70 % load */
    SIM_TRACE_DIURNAL, /* the same with a day of 60 % load on average that is short of devices at
                          noon, and VMs that start and stop */
    SIM_TRACE_COUNT,
} SimTrace;

const char *sim_trace_name(SimTrace trace);
const char *sim_trace_about(SimTrace trace);

typedef struct {
    guint vms;
    guint gpus;
    guint slots; /* VMs on a GPU at most */
    guint64 length_ns;
    guint64 hand_over_ns;
    guint64 seed;
    SimTrace trace;
    VgpuPlacementPolicy placement;
    VgpuSchedulerSettings scheduler;
} SimFleetSettings;

/* What the VMs of one priority got. */
typedef struct {
    guint64 vms;             /* that were there for some time */
    SimHistogram turn_waits; /* of a VM for the device: from wanting it to the lease */
    SimHistogram job_waits;  /* of a job, from its arrival to its start on the device */
    guint64 asked_ns;        /* device time of the jobs that arrived */
    guint64 served_ns;       /* of those that ended */
    double sum, squares;     /* of the VMs' x, see below */
} SimClassResult;

typedef struct {
    SimClassResult classes[VGPU_PRIORITY_COUNT];
    double busy;        /* part of the devices' time in which they ran jobs */
    double handed_over; /* in which the lease was on its way */
    guint64 jobs, turns, recalls;
    guint64 refused;     /* starts of VMs for which there was no slot */
    guint64 unused_gpus; /* on which no VM was at the end */
} SimFleetResult;

/*
 * sim_fairness:
 * Jain's index of x over the VMs of a class: 1 when all have the same, 1/n when one has all. x is a
 * VM's device time where all always want it, else the part that it got of what it asked for. 0 when
 * nobody got anything.
 */
double sim_fairness(const SimClassResult *result);

/* The outcome depends on @settings alone. Freed with g_free(). */
SimFleetResult *sim_fleet_run(const SimFleetSettings *settings);
