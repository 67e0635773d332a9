/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pace.h"

#define UNKNOWN_NS (G_MAXUINT64 / 4096) /* no sum of a window of them wraps */
#define FADE       8u                   /* of what a longer one took, each time */

guint64 vgpu_pace_guess(const VgpuPaceRecord *record, guint64 items)
{
    return items == 0 || items > record->items ? UNKNOWN_NS : record->longest_ns;
}

void vgpu_pace_learn(VgpuPaceRecord *record, guint64 items, guint64 ns)
{
    ns = MIN(ns, UNKNOWN_NS);
    if (items > record->items)
        *record = (VgpuPaceRecord){items, ns};
    else if (items == record->items)
        record->longest_ns = MAX(ns, record->longest_ns - record->longest_ns / FADE);
    else
        record->longest_ns = MAX(ns, record->longest_ns);
}

gboolean vgpu_pace_fits(const VgpuPace *pace, guint64 expected_ns, guint64 patience_ns)
{
    const guint64 together_ns = pace->expected_ns + expected_ns;

    if (pace->count == 0)
        return TRUE;
    if (pace->count < pace->window)
        return together_ns <= patience_ns / 2;
    return pace->count < VGPU_PACE_MOST && together_ns <= VGPU_PACE_SHORT_NS;
}

void vgpu_pace_begin(VgpuPace *pace, guint64 expected_ns)
{
    pace->count++;
    pace->expected_ns += expected_ns;
}

void vgpu_pace_end(VgpuPace *pace, guint64 expected_ns)
{
    pace->count--;
    pace->expected_ns -= expected_ns;
}
