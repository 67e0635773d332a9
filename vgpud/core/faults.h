/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault budget: more than @budget faults within @window means that a VM is kept out for a while.
 * Pure: the clock is the caller's, any that does not run backwards (microseconds).
 */
#pragma once

#include <glib.h>

#define VGPU_FAULTS_MAX_BUDGET 64u

typedef struct {
    guint budget; /* 0..VGPU_FAULTS_MAX_BUDGET */
    gint64 window_us;
    gint64 recent[VGPU_FAULTS_MAX_BUDGET + 1]; /* a ring of the last faults' times */
    guint64 total;
} VgpuFaults;

void vgpu_faults_init(VgpuFaults *faults, guint budget, gint64 window_us);

/* Counts one fault at @now_us. Returns TRUE when it was one too many within the window. */
gboolean vgpu_faults_add(VgpuFaults *faults, gint64 now_us);

/* Forgets the faults within the window, so that the next one is the first; the total stays. */
void vgpu_faults_forgive(VgpuFaults *faults);
