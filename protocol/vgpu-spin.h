/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long to look again and again before going to sleep: header-only, for both ends of a ring.
 *
 * Going to sleep and being woken costs far more than a short wait, but spinning on a busy machine
 * takes the CPU from those who would bring what is waited for. VgpuSpin learns which of both it is:
 *
 *   - A spin that found something doubles the budget, up to the maximum; one that ended without
 *     halves it, below VGPU_SPIN_MIN_NS to nothing.
 *   - With nothing it does not spin for a number of waits, then tries again with VGPU_SPIN_MIN_NS.
 *     That number doubles each time the budget comes down to nothing, to VGPU_SPIN_PAUSE_MAX, and
 *     begins again at 1 when a spin has paid. So where spinning steals, it costs nearly nothing.
 *
 * An end that is idle spins once, for the budget at most, and sleeps. Who tells how long it slept,
 * by vgpu_spin_slept(), also learns waits that are longer than the budget has been so far.
 */
#ifndef VGPU_SPIN_H
#define VGPU_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define VGPU_SPIN_MIN_NS    2000u /* about what the cheapest wake-up costs */
#define VGPU_SPIN_PAUSE_MAX 1024u /* waits */
#define VGPU_SPIN_LOOKS     16u   /* looks between two readings of the clock, which may be slow */

/* What a machine has: a monotonic clock in nanoseconds, and what eases a CPU that only waits (x86:
 * pause; nothing where that is expensive, as it is on emulated CPUs). */
typedef struct {
    uint64_t (*now)(void *data);
    void (*relax)(void *data);
    void *data;
} VgpuSpinMachine;

typedef struct {
    VgpuSpinMachine machine;
    uint32_t max_ns;    /* 0: never spin */
    uint32_t budget_ns; /* of the next spin; 0: none */
    uint32_t pause;     /* waits without a spin that are left */
    uint32_t pauses;    /* waits of the next such pause */
    uint32_t spun_ns;   /* by a spin that has just found nothing; 0 */
} VgpuSpin;

/* @max_ns: the longest spin; below VGPU_SPIN_MIN_NS: never spin. Choose that on one CPU. */
static inline VgpuSpin vgpu_spin_new(VgpuSpinMachine machine, uint32_t max_ns)
{
    if (max_ns < VGPU_SPIN_MIN_NS)
        max_ns = 0;
    return (VgpuSpin){.machine = machine,
                      .max_ns = max_ns,
                      .budget_ns = max_ns == 0 ? 0 : VGPU_SPIN_MIN_NS,
                      .pauses = 1};
}

/* A spin found something. */
static inline void vgpu_spin_paid(VgpuSpin *spin)
{
    spin->budget_ns = spin->budget_ns > spin->max_ns / 2 ? spin->max_ns : spin->budget_ns * 2;
    spin->pauses = 1;
}

static inline void vgpu_spin_give_up(VgpuSpin *spin)
{
    spin->budget_ns = 0;
    spin->pause = spin->pauses;
    if (spin->pauses < VGPU_SPIN_PAUSE_MAX)
        spin->pauses *= 2;
}

/* A spin found nothing. */
static inline void vgpu_spin_failed(VgpuSpin *spin)
{
    spin->spun_ns = spin->budget_ns;
    spin->budget_ns /= 2;
    if (spin->budget_ns < VGPU_SPIN_MIN_NS)
        vgpu_spin_give_up(spin);
}

/*
 * vgpu_spin_slept:
 * After a wait that was not over within its spin: the sleep took @slept_ns. What came as soon as
 * this end slept had been kept from its CPU by the spin. What came a little later would have been
 * found by a longer spin: it looks longer by the wake-up, so it may be twice the maximum. Trying
 * costs nothing where waits are far longer.
 */
static inline void vgpu_spin_slept(VgpuSpin *spin, uint64_t slept_ns)
{
    const uint32_t spun_ns = spin->spun_ns;
    const bool near = spun_ns + slept_ns <= 2ull * spin->max_ns;

    spin->spun_ns = 0;
    if (spun_ns == 0)
        return;
    if (slept_ns < spun_ns / 4 || (near && spun_ns == spin->max_ns)) {
        if (spin->budget_ns > 0)
            vgpu_spin_give_up(spin);
    } else if (near) {
        spin->budget_ns = spun_ns > spin->max_ns / 2 ? spin->max_ns : spun_ns * 2;
    } else {
        spin->pauses = 1;
    }
}

/* Called for each wait; whether it is to spin. */
static inline bool vgpu_spin_tries(VgpuSpin *spin)
{
    if (spin->max_ns == 0)
        return false;
    if (spin->budget_ns > 0)
        return true;
    if (spin->pause > 0) {
        spin->pause--;
        return false;
    }
    spin->budget_ns = VGPU_SPIN_MIN_NS;
    return true;
}

/*
 * vgpu_spin_until:
 * Waits for @ready(@what) to be true, for the budget's time at most. Returns whether it is; if not,
 * the caller parks. A wait that is over at once teaches nothing and reads no clock.
 */
static inline bool vgpu_spin_until(VgpuSpin *spin, bool (*ready)(void *what), void *what)
{
    const VgpuSpinMachine *machine = &spin->machine;

    if (ready(what))
        return true;
    if (!vgpu_spin_tries(spin))
        return false;
    const uint64_t begin = machine->now(machine->data);
    do {
        for (uint32_t i = 0; i < VGPU_SPIN_LOOKS; i++) {
            machine->relax(machine->data);
            if (ready(what)) {
                vgpu_spin_paid(spin);
                return true;
            }
        }
    } while (machine->now(machine->data) - begin < spin->budget_ns);
    vgpu_spin_failed(spin);
    return false;
}

#endif
