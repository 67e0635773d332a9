/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rings of vgpu-queue.h, as a program works on them: header-only, C11 atomics, for the worker,
 * libvgpu and tests. (The guest's kernel driver has its own few lines.)
 *
 *                      puts                              takes
 *   commands           vgpu_ring_produce_commands()      vgpu_ring_consume_commands()      guest >
 * host completions        vgpu_ring_produce_completions()   vgpu_ring_consume_completions()   host
 * > guest
 *
 * Each end belongs to one thread at a time and keeps its own indices in private memory; of the
 * shared ones it writes its own and never reads them back, and checks each of the other side's
 * against what it knows: an index that runs backwards, or further than the ring is long, is
 * VGPU_RING_BROKEN. Entries are copied once, word by word, by loads that a compiler may not repeat.
 *
 * Waking up needs a full barrier on both sides, between the store of the index and the look at
 * `parked`, and between the store of `parked` and the second look at the index. Here these are
 * sequentially consistent stores and loads, of which all threads see one order; no fence is needed,
 * which ThreadSanitizer could not follow. tests/model/ring.pml checks this protocol exhaustively.
 */
#ifndef VGPU_RING_H
#define VGPU_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "vgpu-queue.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the words of a slot are little-endian and used as they are"
#endif

#define VGPU_RING_BROKEN (-1)

/* The end that puts entries in. */
typedef struct {
    _Atomic uint32_t *tail;   /* this end's index, shared */
    _Atomic uint32_t *head;   /* the other end's */
    _Atomic uint32_t *parked; /* the other end's */
    _Atomic uint64_t *entries;
    uint32_t next;      /* entries put, published or not */
    uint32_t published; /* entries published: what stands in *tail */
    uint32_t seen;      /* the last good value of *head */
} VgpuRingProducer;

/* The end that takes them. */
typedef struct {
    _Atomic uint32_t *head;   /* this end's index, shared */
    _Atomic uint32_t *tail;   /* the other end's */
    _Atomic uint32_t *parked; /* this end's */
    _Atomic uint64_t *entries;
    uint32_t next;     /* entries taken */
    uint32_t returned; /* entries given back: what stands in *head */
    uint32_t seen;     /* the last good value of *tail */
} VgpuRingConsumer;

static inline _Atomic uint32_t *vgpu_ring_word(void *slot, size_t offset)
{
    return (_Atomic uint32_t *)(void *)((char *)slot + offset);
}

#define VGPU_RING_GUEST_WORD(slot, name)                                                           \
    vgpu_ring_word(slot, VGPU_QUEUE_GUEST + offsetof(struct vgpu_queue_guest, name))
#define VGPU_RING_HOST_WORD(slot, name)                                                            \
    vgpu_ring_word(slot, VGPU_QUEUE_HOST + offsetof(struct vgpu_queue_host, name))

/*
 * vgpu_ring_produce_commands and its three siblings:
 * One end of a ring of the slot at @slot (8-byte aligned, borrowed for as long as the end is used),
 * at a session's begin: all indices are 0. Nothing is written.
 */
static inline VgpuRingProducer vgpu_ring_produce_commands(void *slot)
{
    return (VgpuRingProducer){
        .tail = VGPU_RING_GUEST_WORD(slot, command_tail),
        .head = VGPU_RING_HOST_WORD(slot, command_head),
        .parked = VGPU_RING_HOST_WORD(slot, parked),
        .entries = (_Atomic uint64_t *)(void *)((char *)slot + VGPU_QUEUE_COMMANDS),
    };
}

static inline VgpuRingConsumer vgpu_ring_consume_commands(void *slot)
{
    return (VgpuRingConsumer){
        .head = VGPU_RING_HOST_WORD(slot, command_head),
        .tail = VGPU_RING_GUEST_WORD(slot, command_tail),
        .parked = VGPU_RING_HOST_WORD(slot, parked),
        .entries = (_Atomic uint64_t *)(void *)((char *)slot + VGPU_QUEUE_COMMANDS),
    };
}

static inline VgpuRingProducer vgpu_ring_produce_completions(void *slot)
{
    return (VgpuRingProducer){
        .tail = VGPU_RING_HOST_WORD(slot, completion_tail),
        .head = VGPU_RING_GUEST_WORD(slot, completion_head),
        .parked = VGPU_RING_GUEST_WORD(slot, parked),
        .entries = (_Atomic uint64_t *)(void *)((char *)slot + VGPU_QUEUE_RESULTS),
    };
}

static inline VgpuRingConsumer vgpu_ring_consume_completions(void *slot)
{
    return (VgpuRingConsumer){
        .head = VGPU_RING_GUEST_WORD(slot, completion_head),
        .tail = VGPU_RING_HOST_WORD(slot, completion_tail),
        .parked = VGPU_RING_GUEST_WORD(slot, parked),
        .entries = (_Atomic uint64_t *)(void *)((char *)slot + VGPU_QUEUE_RESULTS),
    };
}

/*
 * vgpu_ring_room:
 * How many entries can be put, up to VGPU_QUEUE_ENTRIES; or VGPU_RING_BROKEN, and then nothing is
 * changed. Looks at the other side's index only when less than @wanted (1 or more) are known to be
 * free.
 */
static inline int vgpu_ring_room(VgpuRingProducer *ring, uint32_t wanted)
{
    if (VGPU_QUEUE_ENTRIES - (ring->next - ring->seen) < wanted) {
        /* Taken can be what was published, and no less than before. */
        uint32_t head = atomic_load(ring->head);
        if (head - ring->seen > ring->published - ring->seen)
            return VGPU_RING_BROKEN;
        ring->seen = head;
    }
    return (int)(VGPU_QUEUE_ENTRIES - (ring->next - ring->seen));
}

/* Copies @entry, a struct of the ring's kind, into the ring, where there must be room. Nobody sees
 * it before vgpu_ring_publish(). */
#define vgpu_ring_put(ring, entry)                                                                 \
    vgpu_ring_put_words(ring, vgpu_ring_load(entry), entry, sizeof(*(entry)) / 8)

/* The same, but with @head for its first word. */
#define vgpu_ring_put_headed(ring, head, entry)                                                    \
    vgpu_ring_put_words(ring, head, entry, sizeof(*(entry)) / 8)

static inline uint64_t vgpu_ring_load(const void *entry)
{
    uint64_t word;

    memcpy(&word, entry, 8);
    return word;
}

static inline void vgpu_ring_put_words(VgpuRingProducer *ring, uint64_t head, const void *entry,
                                       size_t words)
{
    _Atomic uint64_t *to = ring->entries + ring->next % VGPU_QUEUE_ENTRIES * words;

    atomic_store_explicit(to, head, memory_order_relaxed);
    /* Unrolled: an emulated CPU takes as long for the loop as for the copy. */
#pragma GCC unroll 8
    for (size_t i = 1; i < words; i++)
        atomic_store_explicit(to + i, vgpu_ring_load((const char *)entry + 8 * i),
                              memory_order_relaxed);
    ring->next++;
}

/*
 * vgpu_ring_publish:
 * Shows all that was put to the other side. Returns true if that side must be woken, which is the
 * caller's to do; false also if there was nothing new.
 */
static inline bool vgpu_ring_publish(VgpuRingProducer *ring)
{
    if (ring->published == ring->next)
        return false;
    ring->published = ring->next;
    atomic_store(ring->tail, ring->next);
    /* The word is mostly 0, and a look leaves its cache line where it is. */
    return atomic_load(ring->parked) != 0 && atomic_exchange(ring->parked, 0) != 0;
}

/*
 * vgpu_ring_available:
 * How many entries can be taken, up to VGPU_QUEUE_ENTRIES; or VGPU_RING_BROKEN, and then nothing is
 * changed. Looks at the other side's index at each call that finds nothing.
 */
static inline int vgpu_ring_available(VgpuRingConsumer *ring)
{
    if (ring->seen == ring->next) {
        /* Not less than before, and not more than fit behind what was given back. */
        uint32_t tail = atomic_load(ring->tail);
        if (tail - ring->returned > VGPU_QUEUE_ENTRIES ||
            tail - ring->returned < ring->seen - ring->returned)
            return VGPU_RING_BROKEN;
        ring->seen = tail;
    }
    return (int)(ring->seen - ring->next);
}

/* Copies the next entry, which must be available, to @entry, a struct of the ring's kind. */
#define vgpu_ring_take(ring, entry) vgpu_ring_take_words(ring, entry, sizeof(*(entry)) / 8)

static inline void vgpu_ring_take_words(VgpuRingConsumer *ring, void *entry, size_t words)
{
    const _Atomic uint64_t *from = ring->entries + ring->next % VGPU_QUEUE_ENTRIES * words;

#pragma GCC unroll 8
    for (size_t i = 0; i < words; i++) {
        uint64_t word = atomic_load_explicit(from + i, memory_order_relaxed);
        memcpy((char *)entry + 8 * i, &word, 8);
    }
    ring->next++;
}

/* Gives back the entries taken up to index @next (not beyond ring->next): they, and what the
 * protocol binds to them, may be overwritten from now on. */
static inline void vgpu_ring_return(VgpuRingConsumer *ring, uint32_t next)
{
    if (ring->returned == next)
        return;
    ring->returned = next;
    atomic_store_explicit(ring->head, next, memory_order_release);
}

/*
 * vgpu_ring_park:
 * Asks to be woken at the next entry. The caller must then look once more with
 * vgpu_ring_available(), and may sleep only if that is 0. Afterwards, in either case,
 * vgpu_ring_unpark(). A wake-up may come though nothing is there.
 */
static inline void vgpu_ring_park(VgpuRingConsumer *ring)
{
    atomic_store(ring->parked, 1);
}

static inline void vgpu_ring_unpark(VgpuRingConsumer *ring)
{
    atomic_store_explicit(ring->parked, 0, memory_order_relaxed);
}

#endif
