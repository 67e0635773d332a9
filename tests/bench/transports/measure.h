/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durations of calls, and the row that comes of them. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One call to be timed, with the caller's @context. Returns false after it has said on stderr what
 * went wrong; the measurement then ends the program.
 */
typedef bool (*measure_call)(void *context);

/* One row. A figure that was not taken is negative. */
struct measure_row {
    const char *name;
    double median_us, p99_us; /* nearest rank */
    double calls_per_s;       /* one after the other, without pauses */
    double gib_per_s;
};

/* The monotonic clock, nanoseconds. */
uint64_t measure_now(void);

/* How calls are repeated. */
struct measure_plan {
    double seconds;        /* for so long, pauses included, */
    unsigned int least;    /* but at least so many; the first ones of many do not count */
    unsigned int pause_us; /* before each call, so that all who wait have fallen asleep; or 0 */
};

/* Times @call again and again. Ends the program when a call fails. */
struct measure_row measure_latency(const char *name, measure_call call, void *context,
                                   const struct measure_plan *plan);

/*
 * GiB/s of @call, which moves @bytes, by the median of @seconds of calls. Ends the program when a
 * call fails.
 */
double measure_rate(measure_call call, void *context, size_t bytes, double seconds);

/* Prints the row on stdout: one JSON object in one line, null for what was not taken. */
void measure_print(const struct measure_row *row);

/* Ends the program with 1 and a line on stderr, with errno's text when it is not 0. */
__attribute__((format(printf, 1, 2), noreturn)) void measure_die(const char *format, ...);

#endif
