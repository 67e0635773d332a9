/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpud's side of some leases, as its main loop will have it: the scheduler, and an epoll set of
 * the workers' eventfds. For the tests and the benchmark of the lease.
 */
#pragma once

#include "lease.h"
#include "scheduler.h"

#define BROKER_WORKERS 8u

/* Shared by all processes; zeroed. */
typedef struct {
    VgpuLease leases[BROKER_WORKERS];
    alignas(64) _Atomic guint32 left; /* workers that have not ended */
} BrokerShared;

/* Before the workers are started. Eventfds by worker; nobody reads them. */
void broker_open(int fds[BROKER_WORKERS]);

/* Serves until all workers have ended, which each says with broker_end(). */
void broker_serve(BrokerShared *shared, const int fds[BROKER_WORKERS], guint workers,
                  const VgpuSchedulerSettings *settings);

/* The worker has given its lease back, if it had it, and ends. */
void broker_end(BrokerShared *shared, int fd);

/* CLOCK_MONOTONIC, nanoseconds. */
guint64 broker_now(void);
