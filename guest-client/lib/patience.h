/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long to poll before sleeping. Polling is worth it when the answer comes sooner than a thread
 * could fall asleep and be woken, which takes 5 to 60 us; a poller that is not answered in time has
 * only taken a CPU from the host. So the budget follows what waiting took. Pure logic.
 *
 * Not vgpu-spin.h: that learns from polling alone, as its ends are woken by one another. A guest
 * that sleeps lets its worker fall asleep, too; unless it then polls for as long as a wake-up
 * takes, both go on waking each other for ever, where they could poll.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Costs next to nothing, and shows when answers become quick. */
#define VGPU_PATIENCE_MIN_NS 1000u

/* The most, of a wait for an answer: what it takes to wake the host, which then answers, and to be
 * woken by it. */
#define VGPU_PATIENCE_ANSWER_NS 100000u

/* The most, of a wait for room. The host has half of a ring to work on then: if that takes long, it
 * does not matter how long this side takes to wake up, and it is better off without a poller. */
#define VGPU_PATIENCE_ROOM_NS 20000u

typedef struct VgpuPatience {
    long setting;       /* microseconds, VGPU_SPIN_ADAPTIVE or VGPU_SPIN_ALWAYS */
    uint64_t max_ns;    /* when adaptive */
    uint64_t budget_ns; /* when adaptive */
} VgpuPatience;

/* Begins adaptively, with at most @max_ns, or as @text says: a number of microseconds, "adaptive",
 * "always". NULL or anything else: adaptively. */
void vgpu_patience_init(VgpuPatience *patience, const char *text, uint64_t max_ns);

/* Nanoseconds to poll now; UINT64_MAX: for ever. */
uint64_t vgpu_patience_budget(const VgpuPatience *patience);

/* A wait took @waited_ns in all; @slept: it was not over within the budget. */
void vgpu_patience_learn(VgpuPatience *patience, uint64_t waited_ns, bool slept);

#endif
