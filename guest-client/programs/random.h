/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers that look random and are the same in each run with the same seed (xorshift64*). */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline struct random random_seed(uint32_t seed)
{
    return (struct random){0x9e3779b97f4a7c15ull ^ seed}; /* never 0, which would stay 0 */
}

static inline uint32_t random_next(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (uint32_t)(random->state * 0x2545f4914f6cdd1dull >> 32);
}

/* A number from 0 to @bound - 1; with a bound of 0 any 32-bit number. */
static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    uint32_t number = random_next(random);

    return bound > 0 ? number % bound : number;
}

#endif
