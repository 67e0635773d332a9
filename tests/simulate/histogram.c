/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "histogram.h"

static guint class_of(guint64 value)
{
    if (value < 8)
        return (guint)value;
    const guint power = 63u - (guint)__builtin_clzll(value);
    return (power - 2) * 8 + (guint)((value >> (power - 3)) & 7);
}

/* The highest value of a class. */
static guint64 top_of(guint class)
{
    if (class < 8)
        return class;
    const guint shift = class / 8 - 1;
    return ((guint64)(8 + class % 8 + 1) << shift) - 1;
}

void sim_histogram_add(SimHistogram *histogram, guint64 value)
{
    histogram->counts[class_of(value)]++;
    histogram->count++;
    histogram->sum += value;
    histogram->max = MAX(histogram->max, value);
}

guint64 sim_histogram_quantile(const SimHistogram *histogram, double share)
{
    guint64 seen = 0;

    for (guint class = 0; class < SIM_HISTOGRAM_CLASSES; class ++) {
        seen += histogram->counts[class];
        if (seen > 0 && (double)seen >= share * (double)histogram->count)
            return MIN(top_of(class), histogram->max);
    }
    return histogram->max;
}
