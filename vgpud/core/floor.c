/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "floor.h"

/* Years: keeps the products below in range, whatever the clock does. */
#define LONGEST_NS (G_GUINT64_CONSTANT(1) << 55)

void vgpu_floor_advance(VgpuFloor *floor, VgpuFloorUse use, guint64 elapsed_ns, guint64 most_ns)
{
    if (floor->percent == 0)
        return;

    const gint64 elapsed = (gint64)MIN(elapsed_ns, LONGEST_NS);
    const gint64 most = (gint64)MIN(most_ns, LONGEST_NS) * 100;
    const gint64 before = floor->credit;

    floor->credit += elapsed * floor->percent;
    if (use == VGPU_FLOOR_RUNS || use == VGPU_FLOOR_REPAID)
        floor->credit -= elapsed * 100;
    /*
     * A device that nobody else wanted is not held against it later, or low would starve after each
     * quiet night. A turn that it was given ahead of others is, to the end: with long jobs a floor
     * would else be a majority.
     */
    if (use == VGPU_FLOOR_RUNS)
        floor->credit = MAX(floor->credit, MIN(before + elapsed * floor->percent, 0));
    if (use == VGPU_FLOOR_AWAY)
        floor->credit = MIN(floor->credit, 0);
    floor->credit = MIN(floor->credit, most);
}

guint64 vgpu_floor_due_in(const VgpuFloor *floor, guint64 enough_ns)
{
    if (floor->percent == 0)
        return G_MAXUINT64;

    const gint64 missing = (gint64)MIN(enough_ns, LONGEST_NS) * 100 - floor->credit;
    return missing <= 0 ? 0 : ((guint64)missing + floor->percent - 1) / floor->percent;
}
