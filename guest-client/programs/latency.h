/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long things take. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stddef.h>
#include <stdint.h>

/* The guest's monotonic clock, nanoseconds. */
uint64_t latency_now(void);

struct latency_summary {
    uint64_t min, median, p99; /* nanoseconds; median and p99 by nearest rank */
    double per_second;         /* of these one after the other */
};

/* Sums up @count (at least 1) durations in nanoseconds and sorts them. */
struct latency_summary latency_summarize(uint64_t *durations, size_t count);

#endif
