/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ./run simulate --bench: what a decision of the scheduler costs, by the number of clients. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "random.h"
#include "scheduler.h"

#define DECISIONS 2000000u
#define TRIES     5u
#define BOUND_NS  200.0 /* on average, with BOUND_AT clients */
#define BOUND_AT  10000u

static double now_ns(void)
{
    struct timespec time;

    /* Of this process alone: others do not count, but for the caches that they take. */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

typedef struct {
    VgpuScheduler *scheduler;
    VgpuSchedulerClient **clients;
    guint count;
    guint64 now_ns; /* the scheduler's */
    SimRandom random;
} Bench;

/*
 * Everybody wants the device all the time. A decision is one returned() that ends in a grant. The
 * turns are of any length, so that with the policy fair a client goes back to anywhere in the
 * order.
 */
static double turns(Bench *bench)
{
    const double begin = now_ns();

    for (guint i = 0; i < DECISIONS; i++) {
        VgpuSchedulerClient *holder = vgpu_scheduler_holder(bench->scheduler);

        bench->now_ns += 1000 + (sim_random_next(&bench->random) & 0xfffff);
        vgpu_scheduler_returned(bench->scheduler, holder, VGPU_RETURNED_WANTS, bench->now_ns);
    }
    return (now_ns() - begin) / DECISIONS;
}

/*
 * One of high priority comes in between: want() asks back, returned() grants it the device, and
 * another returned() the next one. A client of any place changes its priority there and back.
 */
static double changes(Bench *bench)
{
    VgpuSchedulerClient *high = bench->clients[bench->count - 1];
    const double begin = now_ns();

    for (guint i = 0; i < DECISIONS / 5; i++) {
        VgpuSchedulerClient *holder = vgpu_scheduler_holder(bench->scheduler);
        VgpuSchedulerClient *other =
            bench->clients[sim_random_below(&bench->random, bench->count - 1)];

        bench->now_ns += 1000;
        vgpu_scheduler_want(bench->scheduler, high, bench->now_ns);
        vgpu_scheduler_returned(bench->scheduler, holder, VGPU_RETURNED_WANTS, bench->now_ns);
        vgpu_scheduler_set_priority(bench->scheduler, other, VGPU_PRIORITY_MEDIUM, bench->now_ns);
        vgpu_scheduler_set_priority(bench->scheduler, other, VGPU_PRIORITY_LOW, bench->now_ns);
        vgpu_scheduler_returned(bench->scheduler, high, 0, bench->now_ns);
    }
    return (now_ns() - begin) / DECISIONS;
}

static double median(Bench *bench, double (*measure)(Bench *))
{
    double results[TRIES];

    for (guint i = 0; i < TRIES; i++)
        results[i] = measure(bench);
    qsort(results, TRIES, sizeof results[0], compare);
    return results[TRIES / 2];
}

/* Returns the worse of the two figures. */
static double bench(VgpuSchedulerPolicy policy, guint count)
{
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;
    Bench bench = {.count = count + 1, .random = sim_random(1, count)};

    settings.policy = policy;
    settings.floor_percent[VGPU_PRIORITY_LOW] = 10;
    bench.scheduler = vgpu_scheduler_new(&settings, 0);
    bench.clients = g_new(VgpuSchedulerClient *, bench.count);
    for (guint i = 0; i < count; i++)
        bench.clients[i] = vgpu_scheduler_add(bench.scheduler, VGPU_PRIORITY_LOW,
                                              1 + sim_random_below(&bench.random, 1000), NULL);
    bench.clients[count] = vgpu_scheduler_add(bench.scheduler, VGPU_PRIORITY_HIGH, 100, NULL);
    for (guint i = 0; i < count; i++)
        vgpu_scheduler_want(bench.scheduler, bench.clients[i], 0);

    const double turn_ns = median(&bench, turns), change_ns = median(&bench, changes);
    printf("  %-6s %9u %12.0f ns %12.0f ns", policy == VGPU_SCHEDULER_FAIR ? "fair" : "fifo", count,
           turn_ns, change_ns);
    for (guint i = 0; i < bench.count; i++)
        vgpu_scheduler_remove(bench.scheduler, bench.clients[i], bench.now_ns);
    vgpu_scheduler_free(bench.scheduler);
    g_free(bench.clients);
    return MAX(turn_ns, change_ns);
}

int main(void)
{
    gboolean missed = FALSE;

    setlocale(LC_CTYPE, "");
    printf("one decision of the scheduler, on average (median of %u runs)\n"
           "  policy   clients   next turn      any event\n",
           TRIES);
    for (guint policy = 0; policy < 2; policy++) {
        for (guint count = 10; count <= 100000; count *= 10) {
            const double worst = bench(policy, count);

            if (count == BOUND_AT) {
                missed |= worst >= BOUND_NS;
                printf("  %s: < %.0f ns", worst < BOUND_NS ? "ok" : "MISSED", BOUND_NS);
            }
            printf("\n");
        }
    }
    return missed;
}
