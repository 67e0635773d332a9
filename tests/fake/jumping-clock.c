/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To be preloaded: every 100 ms the wall clock jumps by an hour, forward, or with
 * JUMPING_CLOCK=back back. Clocks that only ever go on do as always.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define HOUR_S    3600
#define PERIOD_NS 100000000

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
    static time_t begin_s;
    const char *direction = getenv("JUMPING_CLOCK");
    struct timespec now;

    real_gettime(CLOCK_MONOTONIC, &now);
    if (begin_s == 0)
        begin_s = now.tv_sec;
    time_t jumps = (now.tv_sec - begin_s) * (1000000000 / PERIOD_NS) + now.tv_nsec / PERIOD_NS;
    return direction != NULL && strcmp(direction, "back") == 0 ? -HOUR_S * jumps : HOUR_S * jumps;
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
