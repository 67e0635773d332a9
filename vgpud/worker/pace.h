/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much of one VM the device may have at once: nothing takes it back, so this is what others
 * wait for. Jobs are counted, and the time that they will take is guessed by what the same kernel
 * took:
 *
 * - together no longer than half of what one request may take, so that a worker that is asked for
 *   its device gives it back in time; a kernel that has not run yet runs alone
 * - at most a window of them, or VGPU_PACE_MOST if all together are to take no longer than
 *   VGPU_PACE_SHORT_NS: few short ones would let the device idle
 *
 * Pure. A kernel may suddenly take longer than before: then others wait longer, and at worst its VM
 * loses its worker.
 */
#pragma once

#include <glib.h>

#define VGPU_PACE_SHORT_NS G_GUINT64_CONSTANT(2000000) /* VgpuSchedulerSettings' slice, usually */

/* Enough of the shortest to hide the way to the device. */
#define VGPU_PACE_MOST 256u

/* What is known of a kernel. Zeroed: nothing. */
typedef struct {
    guint64 items;      /* work-items of the largest launch so far */
    guint64 longest_ns; /* that one took, or a later one; it fades */
} VgpuPaceRecord;

typedef struct {
    guint window;        /* jobs, however long */
    guint count;         /* on the device now */
    guint64 expected_ns; /* what these are to take together */
} VgpuPace;

/* How long a launch over so many work-items will take; longer than anybody has patience: nobody
 * knows. */
guint64 vgpu_pace_guess(const VgpuPaceRecord *record, guint64 items);

/* One has taken @ns. */
void vgpu_pace_learn(VgpuPaceRecord *record, guint64 items, guint64 ns);

/*
 * Whether a job that is to take @expected_ns may be given to the device now, where one may take
 * @patience_ns.
 */
gboolean vgpu_pace_fits(const VgpuPace *pace, guint64 expected_ns, guint64 patience_ns);

/* It has been given; it has ended. Both with the same @expected_ns. */
void vgpu_pace_begin(VgpuPace *pace, guint64 expected_ns);
void vgpu_pace_end(VgpuPace *pace, guint64 expected_ns);
