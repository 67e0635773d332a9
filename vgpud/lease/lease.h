/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lease of a device: two words of memory that vgpud shares with one worker.
 *
 * While the worker has the lease, one atomic load before each job tells it so, and nobody is told
 * anything. vgpud asks it back, or says that others wait, by a bit that the worker sees at its next
 * job: no wake-up either way. A worker that falls asleep without work marks the lease as parked;
 * then vgpud can take it without waking it. Only a grant and a return wake somebody up.
 *
 *                         vgpud                     worker
 *     (nothing)           ◀──── want ─────────────  has work
 *                         ───── grant ───────────▶  HELD
 *                                                   has() before each job: one load
 *     HELD                                          park(), sleeps; wakes, unpark()
 *     HELD|PARKED         ask_back(), share(): taken at once, the worker's unpark() says so
 *     HELD                ask_back() ────────────▶  HELD|RECALL: has() is false
 *                         ◀──── give_back ────────  when what it submitted has ended
 *
 * vgpud must not believe the words: the worker may have been taken over. All that it can say is
 * "want" and "returned" of itself, which vgpu_scheduler_want() and _returned() take from anybody.
 * And nothing here makes vgpud wait, loop or block: it wakes the worker by a futex. The worker
 * wakes vgpud by an eventfd. Who shares one can change its flags, or empty it, so a read may block:
 * vgpud never reads it, but has it in an epoll set, edge-triggered. libc only.
 */
#pragma once

#include <linux/futex.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Zeroed: nobody has it; each worker begins with such a one. The words are apart, so that saying
 * something does not slow the gate.
 */
typedef struct {
    alignas(64) _Atomic uint32_t word; /* VGPU_LEASE_*, and the bound of jobs from bit 16 on */
    alignas(64) _Atomic uint32_t said; /* by the worker, VGPU_LEASE_SAID_*, until vgpud has heard */
} VgpuLease;

#define VGPU_LEASE_HELD   (1u << 0) /* the worker has the lease */
#define VGPU_LEASE_SHARED (1u << 1) /* others wait: to be returned when there is no work */
#define VGPU_LEASE_RECALL (1u << 2) /* to be returned before the next job */
#define VGPU_LEASE_PARKED (1u << 3) /* the worker sleeps without work */
#define VGPU_LEASE_STUCK  (1u << 4) /* without HELD: for now nobody gets it, see _set_stuck() */

#define VGPU_LEASE_JOBS_SHIFT 16

#define VGPU_LEASE_SAID_WANT     (1u << 0) /* has work and no lease */
#define VGPU_LEASE_SAID_RETURNED (1u << 1) /* came before WANT, if that is there, too */
#define VGPU_LEASE_SAID_UNUSED   (1u << 2) /* with RETURNED: it submitted nothing */

static inline void vgpu_lease_signal_(int fd)
{
    const uint64_t one = 1;

    /* Fails only when the counter is full, and then the other side is awake already. */
    ssize_t written = write(fd, &one, sizeof one);
    (void)written;
}

/* --- The worker's side --- */

/* Whether a job may be submitted now: the gate. */
static inline bool vgpu_lease_has(const VgpuLease *lease)
{
    uint32_t word = atomic_load_explicit(&lease->word, memory_order_acquire);

    return (word & (VGPU_LEASE_HELD | VGPU_LEASE_RECALL)) == VGPU_LEASE_HELD;
}

/*
 * Whether one more job may be submitted now: vgpu_lease_has() and, in the same load, the turn's
 * bound. @jobs: how many have been submitted in this turn.
 */
static inline bool vgpu_lease_may(const VgpuLease *lease, uint32_t jobs)
{
    const uint32_t word = atomic_load_explicit(&lease->word, memory_order_acquire);
    const uint32_t bound = word >> VGPU_LEASE_JOBS_SHIFT;

    return (word & (VGPU_LEASE_HELD | VGPU_LEASE_RECALL)) == VGPU_LEASE_HELD &&
           (bound == 0 || jobs < bound);
}

/* Whether the worker has been given the lease that it said it wants; also if it is asked back. */
static inline bool vgpu_lease_is_granted(const VgpuLease *lease)
{
    return (atomic_load_explicit(&lease->word, memory_order_acquire) & VGPU_LEASE_HELD) != 0;
}

/* Whether others wait, so that it is to be returned when there is no work. */
static inline bool vgpu_lease_is_shared(const VgpuLease *lease)
{
    return (atomic_load_explicit(&lease->word, memory_order_relaxed) & VGPU_LEASE_SHARED) != 0;
}

/* Whether a worker without the lease has nothing to wait for. */
static inline bool vgpu_lease_is_stuck(const VgpuLease *lease)
{
    return (atomic_load_explicit(&lease->word, memory_order_relaxed) &
            (VGPU_LEASE_HELD | VGPU_LEASE_STUCK)) == VGPU_LEASE_STUCK;
}

/* After how many jobs of this turn the lease is to be returned; 0: any number. */
static inline uint32_t vgpu_lease_jobs(const VgpuLease *lease)
{
    return atomic_load_explicit(&lease->word, memory_order_relaxed) >> VGPU_LEASE_JOBS_SHIFT;
}

/*
 * vgpu_lease_park:
 * The worker has the lease, no work and nothing submitted, and is going to sleep. FALSE: others
 * wait, it is to give the lease back instead.
 */
static inline bool vgpu_lease_park(VgpuLease *lease)
{
    uint32_t word = atomic_load_explicit(&lease->word, memory_order_relaxed);

    return (word & (VGPU_LEASE_SHARED | VGPU_LEASE_RECALL)) == 0 &&
           atomic_compare_exchange_strong_explicit(&lease->word, &word, word | VGPU_LEASE_PARKED,
                                                   memory_order_release, memory_order_relaxed);
}

/* The worker has parked and has work again. FALSE: the lease was taken, it is to want it. */
static inline bool vgpu_lease_unpark(VgpuLease *lease)
{
    uint32_t word =
        atomic_fetch_and_explicit(&lease->word, ~VGPU_LEASE_PARKED, memory_order_acquire);

    return (word & VGPU_LEASE_HELD) != 0;
}

/* The worker has work and no lease. @vgpud_fd wakes vgpud; vgpu_lease_wait() awaits the grant. */
static inline void vgpu_lease_want(VgpuLease *lease, int vgpud_fd)
{
    atomic_fetch_or_explicit(&lease->said, VGPU_LEASE_SAID_WANT, memory_order_release);
    vgpu_lease_signal_(vgpud_fd);
}

/* Sleeps until the worker has the lease, which it has said that it wants. */
static inline void vgpu_lease_wait(VgpuLease *lease)
{
    uint32_t word;

    while (((word = atomic_load_explicit(&lease->word, memory_order_acquire)) & VGPU_LEASE_HELD) ==
           0)
        syscall(SYS_futex, &lease->word, FUTEX_WAIT, word, NULL, NULL, 0);
}

/*
 * vgpu_lease_give_back:
 * The worker has the lease, asked back or not, and nothing submitted. @used: it has submitted
 * something in this turn; @wants: it has more work.
 */
static inline void vgpu_lease_give_back(VgpuLease *lease, int vgpud_fd, bool used, bool wants)
{
    atomic_store_explicit(&lease->word, 0, memory_order_release);
    atomic_fetch_or_explicit(&lease->said,
                             VGPU_LEASE_SAID_RETURNED | (used ? 0 : VGPU_LEASE_SAID_UNUSED) |
                                 (wants ? VGPU_LEASE_SAID_WANT : 0),
                             memory_order_release);
    vgpu_lease_signal_(vgpud_fd);
}

/* --- vgpud's side --- */

/* What the worker has said since the last call: VGPU_LEASE_SAID_*, unknown bits left out. */
static inline uint32_t vgpu_lease_hear(VgpuLease *lease)
{
    return atomic_exchange_explicit(&lease->said, 0, memory_order_acquire) &
           (VGPU_LEASE_SAID_WANT | VGPU_LEASE_SAID_RETURNED | VGPU_LEASE_SAID_UNUSED);
}

/* The worker does not have the lease, and gets it. */
static inline void vgpu_lease_grant(VgpuLease *lease, bool shared, uint16_t jobs)
{
    atomic_store_explicit(&lease->word,
                          VGPU_LEASE_HELD | (shared ? VGPU_LEASE_SHARED : 0) |
                              (uint32_t)jobs << VGPU_LEASE_JOBS_SHIFT,
                          memory_order_release);
    syscall(SYS_futex, &lease->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/*
 * Another worker has the lease, and will neither return it nor end: whoever wants it is to hear of
 * that rather than wait. A grant ends it, too. The worker is to be woken.
 */
static inline void vgpu_lease_set_stuck(VgpuLease *lease, bool stuck)
{
    if (stuck)
        atomic_fetch_or_explicit(&lease->word, VGPU_LEASE_STUCK, memory_order_release);
    else
        atomic_fetch_and_explicit(&lease->word, ~VGPU_LEASE_STUCK, memory_order_release);
}

static inline bool vgpu_lease_tell_(VgpuLease *lease, uint32_t what)
{
    uint32_t word = atomic_fetch_or_explicit(&lease->word, what, memory_order_acq_rel);

    if ((word & VGPU_LEASE_PARKED) == 0)
        return false;
    word |= what;
    /* Fails when the worker has just woken up: then it sees the bit. */
    return atomic_compare_exchange_strong_explicit(&lease->word, &word, 0, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/*
 * vgpu_lease_share, vgpu_lease_ask_back:
 * TRUE: the worker slept and the lease has been taken, that is, returned without more work. FALSE:
 * the worker has been told, and will say when it has returned it.
 */
static inline bool vgpu_lease_share(VgpuLease *lease)
{
    return vgpu_lease_tell_(lease, VGPU_LEASE_SHARED);
}

static inline bool vgpu_lease_ask_back(VgpuLease *lease)
{
    return vgpu_lease_tell_(lease, VGPU_LEASE_RECALL);
}
