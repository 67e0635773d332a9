/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This worker's turns on its device: its side of the lease (vgpud/lease/lease.h).
 *
 * A turn begins when a job asks for it and vgpud has granted the lease, and lasts until others wait
 * and there is no work, the bound of jobs is reached, or vgpud asks the lease back. While nobody
 * else wants the device it never ends, and each job costs one atomic load. When the worker goes to
 * sleep without work the lease is parked, and vgpud can take it without waking the worker.
 */
#pragma once

#include <glib.h>

#include "lease.h"
#include "trace.h"

typedef struct {
    VgpuLease *lease; /* borrowed; NULL: the device is nobody else's */
    int vgpud;        /* eventfd that wakes vgpud */
    VgpuTrace *trace; /* borrowed */
    gboolean holds;   /* the lease was granted, and not given back by us */
    gboolean parked;  /* but vgpud may have taken it */
    gboolean wants;   /* a job was refused and none begun since */
    gboolean asked;   /* vgpud has been told that we want the lease */
    guint32 jobs;     /* begun in this turn */
    guint64 since_ns; /* when wants became true, vgpu_deadline_now() */
} VgpuTurn;

/* @lease NULL: every job may begin at any time. */
void vgpu_turn_init(VgpuTurn *turn, VgpuLease *lease, int vgpud, VgpuTrace *trace);

/*
 * vgpu_turn_take:
 * TRUE: a job may begin now, and counts. FALSE: it has to wait; vgpud is told where that is due. To
 * be called again when vgpu_turn_has_news() or the lease's pipe says so, with the same job or
 * another one. @waited_ns: how long jobs have waited for this turn; 0 unless it has just begun.
 */
gboolean vgpu_turn_take(VgpuTurn *turn, guint64 *waited_ns);

/* Whether a job that waits may begin now, or vgpu_turn_is_over(): for spinning. */
gboolean vgpu_turn_has_news(const VgpuTurn *turn);

/*
 * vgpu_turn_is_over:
 * TRUE when the lease is to be given back as soon as nothing is submitted any more. @idle: there is
 * no job to begin.
 */
gboolean vgpu_turn_is_over(const VgpuTurn *turn, gboolean idle);

/* A job that waits has nothing to wait for: the device will not be anybody's for now. */
gboolean vgpu_turn_is_hopeless(const VgpuTurn *turn);

/* Looks whether the lease has been granted, for a job that may be gone by now. */
void vgpu_turn_look(VgpuTurn *turn);

/* Gives the lease back. The turn is over, and the device has ended all that was submitted. @wants:
 * there is a job that waits. */
void vgpu_turn_end(VgpuTurn *turn, gboolean wants);

/* The worker goes to sleep; there is no job to begin, and nothing is submitted. */
void vgpu_turn_rest(VgpuTurn *turn);
