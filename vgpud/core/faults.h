/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults: their kinds, and a budget: more than @budget of them within @window are too many. vgpud
 * counts the ends of a VM's workers so, each worker the errors that it answers. Pure: the clock is
 * the caller's, any that does not run backwards (microseconds).
 */
#pragma once

#include <glib.h>

#define VGPU_FAULTS_MAX_BUDGET 65535u /* half a MiB of times */

typedef enum {
    VGPU_FAULT_CRASH,    /* its worker died, or could not be started */
    VGPU_FAULT_DEADLINE, /* its worker was ended, since something on the device took too long */
    VGPU_FAULT_INVALID,  /* its worker ended: too many invalid requests */
    VGPU_FAULT_BACKEND,  /* its worker ended: too many requests failed on the device */
    VGPU_FAULT_KINDS
} VgpuFault;

/* "crash", "deadline", "invalid-requests", "backend-faults". */
const char *vgpu_fault_name(VgpuFault fault);

typedef struct {
    guint budget; /* 0..VGPU_FAULTS_MAX_BUDGET */
    gint64 window_us;
    gint64 *recent;   /* a ring of the last budget + 1 faults' times; NULL: there was none */
    guint64 total;    /* since the beginning */
    guint64 forgiven; /* of these */
} VgpuFaults;

void vgpu_faults_init(VgpuFaults *faults, guint budget, gint64 window_us);
void vgpu_faults_clear(VgpuFaults *faults);

/* Counts one fault at @now_us. Returns TRUE when it was one too many within the window. */
gboolean vgpu_faults_add(VgpuFaults *faults, gint64 now_us);

/* Forgets the faults within the window, so that the next one is the first; the total stays. */
void vgpu_faults_forgive(VgpuFaults *faults);
