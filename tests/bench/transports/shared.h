/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shared memory behind ivshmem's BAR2, as the two programs use it: one request at a time. */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "message.h"

/* A BAR's size is a power of two. */
#define BENCH_SHARED_SIZE (4u * 1048576u)

/* Peers on the ivshmem server, and the one interrupt vector that each has. */
#define BENCH_HOST_PEER  0u
#define BENCH_GUEST_PEER 1u

/* Each side writes one cache line, and the bulk data when it is its turn. */
struct bench_shared {
    _Alignas(64) struct bench_message request;  /* guest */
    _Alignas(64) struct bench_message response; /* host */
    _Alignas(4096) uint8_t bulk[BENCH_CHUNK];
};

/* Copies @message into the shared @slot, its number last. */
static inline void bench_publish(struct bench_message *slot, const struct bench_message *message)
{
    memcpy(slot, message, offsetof(struct bench_message, number));
    __atomic_store_n(&slot->number, message->number, __ATOMIC_RELEASE);
}

/* Spins until the shared @slot has message @number, then copies it. */
static inline struct bench_message bench_await(const struct bench_message *slot, uint32_t number)
{
    while (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) != number)
        ;
    return *slot;
}

_Static_assert(sizeof(struct bench_shared) <= BENCH_SHARED_SIZE, "it fits");

#endif
