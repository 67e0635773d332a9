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

#define VGPU_PATIENCE_MIN_NS                                                                       \
    1000u                           /* costs next to nothing, and shows when answers become quick  \
                                     */
#define VGPU_PATIENCE_MAX_NS 50000u /* about what sleeping and being woken costs */

typedef struct VgpuPatience {
    long setting;       /* microseconds, VGPU_SPIN_ADAPTIVE or VGPU_SPIN_ALWAYS */
    uint64_t budget_ns; /* when adaptive */
} VgpuPatience;

/* Begins adaptively, or as @text says: a number of microseconds, "adaptive", "always". NULL or
 * anything else: adaptively. */
void vgpu_patience_init(VgpuPatience *patience, const char *text);

/* Nanoseconds to poll now; UINT64_MAX: for ever. */
uint64_t vgpu_patience_budget(const VgpuPatience *patience);

/* A wait took @waited_ns in all; @slept: it was not over within the budget. */
void vgpu_patience_learn(VgpuPatience *patience, uint64_t waited_ns, bool slept);

#endif
