/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durations counted in classes that are an eighth of their power of two wide. */
#pragma once

#include <glib.h>

#define SIM_HISTOGRAM_CLASSES (62u * 8u)

typedef struct {
    guint64 counts[SIM_HISTOGRAM_CLASSES];
    guint64 count;
    guint64 sum;
    guint64 max;
} SimHistogram;

void sim_histogram_add(SimHistogram *histogram, guint64 value);

/* What @share (0..1) of the values are not above, up to an eighth too high; 0 when there are none.
 */
guint64 sim_histogram_quantile(const SimHistogram *histogram, double share);
