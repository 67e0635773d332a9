/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How busy a device was of late: a moving average over some seconds. Pure. */
#pragma once

#include <glib.h>

/* Zeroed: nothing is known. */
typedef struct {
    guint64 busy_ns; /* of the last sample */
    guint64 at_ns;   /* its time; 0: there is none */
    gdouble share;   /* 0..1 */
} VgpuLoad;

/*
 * vgpu_load_sample:
 * @busy_ns is for how long the device has been somebody's in all, a number that only grows, at
 * @now_ns of a clock that does not run backwards. Returns the load in thousandths. Of what was
 * before, a sample after T seconds leaves 10 / (10 + T).
 */
guint vgpu_load_sample(VgpuLoad *load, guint64 busy_ns, guint64 now_ns);
