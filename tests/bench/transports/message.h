/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two sides of a transport say to each other: 64 bytes there, 64 bytes back. Both are
 * programs of this folder on one machine, so the host's byte order is the guest's.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* Bulk data moves in pieces of at most this many bytes, each acknowledged before the next. */
#define BENCH_CHUNK 1048576u

enum bench_op {
    BENCH_ECHO,  /* nothing but the message */
    BENCH_WRITE, /* length bytes go to the host, which copies them into memory of its own */
    BENCH_READ,  /* length bytes of what was written last come back */
};

enum bench_flag {
    BENCH_HOST_SLEEPS =
        1,               /* shared memory: the host waits for its next doorbell without spinning */
    BENCH_INTERRUPT = 2, /* shared memory: the answer comes with an interrupt */
};

struct bench_message {
    uint32_t op;     /* enum bench_op */
    uint32_t flags;  /* enum bench_flag */
    uint32_t length; /* of bulk data, at most BENCH_CHUNK */
    uint32_t payload[12];
    /* Counts the messages and comes back. In shared memory it is written last: one cache line holds
     * the message and the word that the other side polls. */
    uint32_t number;
};

_Static_assert(sizeof(struct bench_message) == 64, "the table speaks of 64 bytes");

#endif
