/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP     16u
#define MAX_SAMPLES 2000000u /* 8 MiB; what is beyond adds nothing */
#define NS_PER_S    1e9
#define GIB         1073741824.0

uint64_t measure_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void measure_die(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    fputs("bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (error != 0)
        fprintf(stderr, ": %s", strerror(error));
    fputc('\n', stderr);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least @percent of all do not exceed. Microseconds. */
static double percentile_us(const uint32_t *sorted, size_t count, unsigned int percent)
{
    return sorted[(count * percent + 99) / 100 - 1] / 1000.0;
}

static void do_call(const char *name, measure_call call, void *context)
{
    if (!call(context)) {
        errno = 0;
        measure_die("%s: a call failed", name);
    }
}

/* Fills @samples with nanoseconds; returns how many of them there are. */
static size_t sample(uint32_t *samples, const char *name, measure_call call, void *context,
                     const struct measure_plan *plan)
{
    uint64_t last = measure_now(), end = last + (uint64_t)(plan->seconds * NS_PER_S);
    size_t count = 0;

    while (count < MAX_SAMPLES && (count < plan->least || last < end)) {
        if (plan->pause_us > 0) {
            usleep(plan->pause_us);
            last = measure_now();
        }
        do_call(name, call, context);
        uint64_t now = measure_now(), took = now - last;
        samples[count++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
        last = now;
    }
    return count;
}

struct measure_row measure_latency(const char *name, measure_call call, void *context,
                                   const struct measure_plan *plan)
{
    uint32_t *samples = malloc(MAX_SAMPLES * sizeof(*samples));
    double total = 0;

    if (samples == NULL)
        measure_die("%s: no memory", name);
    memset(samples, 1, MAX_SAMPLES * sizeof(*samples)); /* no page fault later */
    for (unsigned int i = 0; i < WARM_UP && plan->least > WARM_UP; i++)
        do_call(name, call, context);
    size_t count = sample(samples, name, call, context, plan);
    qsort(samples, count, sizeof(*samples), compare);
    for (size_t i = 0; i < count; i++)
        total += samples[i];
    struct measure_row row = {
        .name = name,
        .median_us = percentile_us(samples, count, 50),
        .p99_us = percentile_us(samples, count, 99),
        .calls_per_s = (double)count * NS_PER_S / total,
        .gib_per_s = -1,
    };
    free(samples);
    return row;
}

double measure_rate(measure_call call, void *context, size_t bytes, double seconds)
{
    const struct measure_plan plan = {.seconds = seconds, .least = 20};
    struct measure_row row = measure_latency("bulk", call, context, &plan);

    return (double)bytes / GIB * 1e6 / row.median_us;
}

static void print_number(const char *name, double value)
{
    if (value < 0)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %.6g", name, value);
}

void measure_print(const struct measure_row *row)
{
    printf("{\"name\": \"%s\"", row->name);
    print_number("median_us", row->median_us);
    print_number("p99_us", row->p99_us);
    print_number("calls_per_s", row->calls_per_s);
    print_number("gib_per_s", row->gib_per_s);
    puts("}");
    fflush(stdout);
}
