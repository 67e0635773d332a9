/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To be preloaded: the wall clock jumps by two days, forth and back, every 250 ms. Clocks that only
 * ever go on do as always.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#define DAY_S     86400
#define PERIOD_NS 250000000

typedef int (*ClockGettime)(clockid_t, struct timespec *);

static int real_gettime(clockid_t clock, struct timespec *now)
{
    static ClockGettime real;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, now);
}

static time_t offset(void)
{
    struct timespec now;

    real_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_nsec / PERIOD_NS % 2 == 0 ? DAY_S : -DAY_S;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = real_gettime(clock, now);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds != NULL)
        *seconds = now.tv_sec;
    return now.tv_sec;
}
