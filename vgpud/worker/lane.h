/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One queue being served: its ring, its owner, and the command that waits for the device.
 *
 * Whatever waits for the device makes only its own lane wait. A command that needs what runs before
 * it to have ended stays with the lane until it has; and so does the end of a session, which gives
 * back what the device must have finished with.
 */
#pragma once

#include <glib.h>

#include "commands.h"
#include "owner.h"
#include "queue.h"
#include "service.h"

typedef struct {
    VgpuService *service; /* borrowed */
    guint number;         /* for the trace */
    VgpuQueue queue;
    VgpuOwner *owner;            /* NULL: nobody has been served since the last one left */
    struct vgpu_command command; /* fetched, and not carried out yet, while @waits */
    gboolean waits;
    gboolean wants_turn; /* it @waits for our turn on the device */
    guint64 until_ns;    /* of the waiting one: when to try again, G_MAXUINT64: not by the clock */
    guint64 since_ns;    /* since when it waits for others than its own VM's work; 0: it did not */
    VgpuBuild *build;    /* what @command has begun; NULL: none */
    guint64 build_due_ns;
    guint follows;         /* so many of the next commands may fail only because one has */
    guint64 charged;       /* bytes of shared memory, for as long as somebody has the queue open */
    VgpuQueueNext leaving; /* SESSION, BROKEN: the owner's window has to empty first; else NOTHING
                            */
} VgpuLane;

/* @slot, @size and @wake: as of vgpu_queue_init(). */
void vgpu_lane_init(VgpuLane *lane, VgpuService *service, guint number, void *slot, gsize size,
                    int wake);

/* Frees what the owner has, without regard to the guest. Only when nothing runs any more. */
void vgpu_lane_clear(VgpuLane *lane);

/*
 * vgpu_lane_serve:
 * Carries out up to @batch commands. Returns whether there was anything to do. Does not return when
 * a command passes its deadline.
 */
gboolean vgpu_lane_serve(VgpuLane *lane, guint batch);

/* The device is lost, and the process is going to end: tells the guest, if somebody has the queue.
 */
void vgpu_lane_lose(VgpuLane *lane);

/* Ends the session, if there is one: its guest reads why. The worker is about to end. */
void vgpu_lane_quarantine(VgpuLane *lane);

/* When the command that waits is to be tried again by the clock; G_MAXUINT64: it is not. */
guint64 vgpu_lane_until(const VgpuLane *lane);

/* It waits, and some of what the device has need only have ended, not all of it. */
gboolean vgpu_lane_wants_room(const VgpuLane *lane);

/* TRUE when nothing more is fetched until something has ended on the device, or by the clock, or
 * until it is our turn. */
gboolean vgpu_lane_is_blocked(const VgpuLane *lane);

/* TRUE when somebody owns the queue. */
gboolean vgpu_lane_is_owned(const VgpuLane *lane);

/* TRUE when its build has ended: vgpu_lane_serve() has something to do. */
gboolean vgpu_lane_has_built(const VgpuLane *lane);

/* When the oldest work on the device, and the build, must have ended, vgpu_deadline_now();
 * G_MAXUINT64: none runs. */
guint64 vgpu_lane_due(const VgpuLane *lane);

/* The time that vgpu_lane_due() said has come: tells the guest, and ends the process. */
G_NORETURN void vgpu_lane_give_up(VgpuLane *lane);
