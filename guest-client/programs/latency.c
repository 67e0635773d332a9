/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "latency.h"

#include <stdlib.h>
#include <time.h>

uint64_t latency_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least @percent of all do not exceed. */
static uint64_t percentile(const uint64_t *sorted, size_t count, unsigned int percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

struct latency_summary latency_summarize(uint64_t *durations, size_t count)
{
    uint64_t total = 0;

    qsort(durations, count, sizeof(*durations), compare);
    for (size_t i = 0; i < count; i++)
        total += durations[i];
    return (struct latency_summary){
        .min = durations[0],
        .median = percentile(durations, count, 50),
        .p99 = percentile(durations, count, 99),
        .per_second = total > 0 ? (double)count * 1e9 / (double)total : 0,
    };
}
