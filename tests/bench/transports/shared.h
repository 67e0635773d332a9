/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shared memory behind ivshmem's BAR2, as the two programs use it: one request at a time. */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

#include "message.h"

/* A BAR's size is a power of two. */
#define BENCH_SHARED_SIZE (4u * 1048576u)

/* Peers on the ivshmem server, and the one interrupt vector that each has. */
#define BENCH_HOST_PEER  0u
#define BENCH_GUEST_PEER 1u

/* Each side writes cache lines of its own. */
struct bench_shared {
    _Alignas(64) _Atomic uint32_t requests; /* guest: number of the last request */
    _Alignas(64) struct bench_message request;
    _Alignas(64) _Atomic uint32_t responses; /* host: number of the last response */
    _Alignas(64) struct bench_message response;
    _Alignas(4096) uint8_t bulk[BENCH_CHUNK];
};

_Static_assert(sizeof(struct bench_shared) <= BENCH_SHARED_SIZE, "it fits");

#endif
