/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A floor against starvation: what one priority is owed of a device's time, however much the others
 * want. Pure; times are nanoseconds.
 *
 * While the priority wants the device it is owed its percentage of the time that passes, and what
 * it runs is paid off. Who does not want is not owed anything later.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint percent; /* 0: no floor, never due */
    gint64 credit; /* hundredths of nanoseconds: owed; below 0: had more than its share */
} VgpuFloor;

/* How a priority spent some time. */
typedef enum {
    VGPU_FLOOR_AWAY,   /* none of it wanted the device */
    VGPU_FLOOR_WAITS,  /* some waited, others ran */
    VGPU_FLOOR_RUNS,   /* it ran since nobody of more importance wanted to */
    VGPU_FLOOR_REPAID, /* it ran since it was owed */
} VgpuFloorUse;

/*
 * vgpu_floor_advance:
 * Lets @elapsed_ns pass, spent as @use says. At most @most_ns are ever owed.
 */
void vgpu_floor_advance(VgpuFloor *floor, VgpuFloorUse use, guint64 elapsed_ns, guint64 most_ns);

/* How long it must wait until it is owed @enough_ns: 0 when it is; G_MAXUINT64 without a floor. */
guint64 vgpu_floor_due_in(const VgpuFloor *floor, guint64 enough_ns);
