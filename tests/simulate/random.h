/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random numbers that are the same everywhere: splitmix64 (Steele, Lea and Flood, "Fast splittable
 * pseudorandom number generators", 2014). Each VM has a generator of its own, so that what one does
 * never changes another's.
 */
#pragma once

#include <glib.h>
#include <math.h>

typedef struct {
    guint64 state;
} SimRandom;

static inline guint64 sim_random_next(SimRandom *random)
{
    guint64 z = random->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The @stream-th generator of @seed. */
static inline SimRandom sim_random(guint64 seed, guint64 stream)
{
    SimRandom random = {seed};

    random.state = sim_random_next(&random) ^ (stream * G_GUINT64_CONSTANT(0xd1342543de82ef95));
    return (SimRandom){sim_random_next(&random)};
}

/* From 0, included, to 1, not included. */
static inline double sim_random_unit(SimRandom *random)
{
    return (double)(sim_random_next(random) >> 11) * 0x1p-53;
}

/* From 0 to @below - 1. */
static inline guint sim_random_below(SimRandom *random, guint below)
{
    return (guint)(sim_random_unit(random) * below);
}

/* Exponentially distributed around @mean, at least 1 and at most 20 times the mean. */
static inline guint64 sim_random_around(SimRandom *random, guint64 mean)
{
    double value = -log(1 - sim_random_unit(random)) * (double)mean;

    return (guint64)CLAMP(value, 1, 20.0 * (double)mean);
}
