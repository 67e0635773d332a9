/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vgpu-bench measures. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <stdbool.h>

/* Below 0: not measured by this row. */
struct bench_row {
    const char *name;
    double median_us, p99_us; /* of one call */
    double calls_per_s;
    double gib_per_s;
};

extern const char *const bench_names[];
extern const unsigned int bench_count;

/* Measures row @index on @device, as vgpu_open() takes it. Returns VGPU_OK or a VGPU_E_*. */
int bench_measure(unsigned int index, const char *device, bool quick, struct bench_row *row);

#endif
