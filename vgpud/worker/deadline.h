/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The deadline of what the main thread does: a thread that sleeps in read() on a timerfd.
 *
 * A driver that hangs cannot be cancelled, so at the deadline somebody else must answer and end the
 * process. A thread does that with no regard to what the driver does to signals, even while the
 * main thread sits in the kernel; and it may use any function, unlike a signal handler.
 */
#pragma once

#include <glib.h>

typedef struct VgpuDeadline VgpuDeadline;

/* Called once, in the watching thread. Ends the process. */
typedef void (*VgpuDeadlineExpired)(gpointer data);

/*
 * vgpu_deadline_new:
 * Starts the thread. There is one per process, for as long as it lives. NULL with @error set when
 * there is no descriptor or no thread to be had.
 */
VgpuDeadline *vgpu_deadline_new(GError **error);

/* The clock of the deadlines: CLOCK_MONOTONIC, nanoseconds. */
guint64 vgpu_deadline_now(void);

/* @expired is called with @data at @at_ns, unless vgpu_deadline_disarm() comes first. */
void vgpu_deadline_arm(VgpuDeadline *deadline, guint64 at_ns, VgpuDeadlineExpired expired,
                       gpointer data);

/*
 * vgpu_deadline_disarm:
 * Ends what vgpu_deadline_arm() began. Of this and @expired exactly one happens: a caller that is
 * too late does not come back, since @expired is ending the process.
 */
void vgpu_deadline_disarm(VgpuDeadline *deadline);

/*
 * vgpu_deadline_rest:
 * Stops the timer, which is left running by vgpu_deadline_disarm(): from now on nothing wakes up
 * until something is armed. For before going to sleep; nothing is armed then.
 */
void vgpu_deadline_rest(VgpuDeadline *deadline);
