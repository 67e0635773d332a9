/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs next on one device.
 *
 * Pure rules: told who wants and who is done, and what time it is, the scheduler says who gets the
 * device and who is to give it back. No sockets, no threads, no clock of its own; all times are
 * nanoseconds of one clock that does not run backwards (CLOCK_MONOTONIC). docs/scheduling.md tells
 * the same with figures, docs/design-decisions.md why.
 *
 * One scheduler is for one device, and at most one client has the device at a time: its lease. A
 * client is a VM's worker. The life of a lease:
 *
 *     worker                        vgpud's main loop                        scheduler
 *       has work, no lease ────────▶ vgpu_scheduler_want() ──────────────────▶
 *       ◀─────────────────────────── GRANT ◀─────────────────────────────────
 *       job, job, job ...            (nothing: alone, the lease lasts)
 *                                    vgpu_scheduler_want() of another one ───▶
 *       ◀─────────────────────────── ASK_BACK ◀──────────────────────────────
 *       ends what it submitted,
 *       gives it back ─────────────▶ vgpu_scheduler_returned() ──────────────▶
 *                                    ◀──────────── GRANT to the other one
 *
 * Every function that takes a time returns at most one order. The caller carries it out and then
 * sets its timer to vgpu_scheduler_deadline(), at which it calls vgpu_scheduler_tick(). A tick that
 * comes early or twice does no harm; one that comes late makes turns longer by as much.
 *
 * What is promised, where a "window" is the time that a client needs from ASK_BACK until it has
 * returned the lease: at most the jobs it had submitted, settings.window of them.
 *
 * - Work conservation: whenever a client waits, the device is somebody's, unless it is paused.
 * - Strict priority: a client that wants the device while a lower priority has it waits for one
 *   window, and no lower priority is granted the device while a higher one waits. Except for
 * floors.
 * - FIFO, the default: within a priority clients get the device in the order in which they came to
 *   want it. Who still wants more when its turn is over goes to the end. A turn for which others of
 *   its priority wait ends after settings.window jobs, or settings.slice_ns and a window.
 * - Fair: of two clients of one priority that both want the device for some time, neither gets more
 *   of its time, divided by the weights, than the other, but for one turn (a slice and a window) of
 *   each. Who did not want the device is owed nothing for that.
 * - Floor: a priority with a floor of N % that wants the device gets at least N % of its time, but
 * for a turn of it and one of another priority, whoever else wants it. Turns that are given for
 * this last up to a slice, so a higher priority may meet one of them and then waits a slice and a
 * window.
 * - Share: a client with a share of N % has the lease for at most that part of the time, but for
 *   VGPU_SCHEDULER_AHEAD_NS and a window, whether or not others want the device. Meanwhile it waits
 *   without being in anybody's way.
 * - A client that does not return the lease within settings.recall_ns is to be fenced. Until it is
 *   removed nobody else gets the device, since the device may still be working for it.
 *
 * The time that counts is the time for which a client held the lease while another one of its
 * priority waited, taken with the caller's clock. What a worker says of itself decides nothing: it
 * may have been taken over by its guest.
 */
#pragma once

#include <glib.h>

#include "heap.h"
#include "vgpu-registers.h"

#define VGPU_PRIORITY_COUNT 3u /* enum vgpu_priority: 0..2 */

typedef enum {
    VGPU_SCHEDULER_FIFO, /* within a priority, in the order of wanting */
    VGPU_SCHEDULER_FAIR, /* within a priority, by weight and measured time */
} VgpuSchedulerPolicy;

/* "fifo", "fair"; NULL for anything else. */
const char *vgpu_scheduler_policy_name(VgpuSchedulerPolicy policy);

/* The policy of that name. Returns FALSE when there is none. */
gboolean vgpu_scheduler_policy_by_name(const char *name, VgpuSchedulerPolicy *policy);

typedef struct {
    VgpuSchedulerPolicy policy;
    guint window;      /* jobs that a client may have submitted and not ended; 1..1024 */
    guint64 slice_ns;  /* how long a turn lasts while others of its priority wait; 1 us..10 s */
    guint64 recall_ns; /* how long a client may take to give the lease back. More than the longest
                          job that it is allowed (request-timeout-ms); 1 ms..1 h */
    guint
        floor_percent[VGPU_PRIORITY_COUNT]; /* by enum vgpu_priority, 0: none; in all at most 90 */
} VgpuSchedulerSettings;

/*
 * FIFO, a window of 8 (enough to keep a GPU busy, little enough that priority still means something
 * on one that cannot preempt), slices of 2 ms, 6 s for the recall (request-timeout-ms is 5000 by
 * default), no floors.
 */
#define VGPU_SCHEDULER_DEFAULTS                                                                    \
    {                                                                                              \
        .policy = VGPU_SCHEDULER_FIFO, .window = 8, .slice_ns = 2 * G_GUINT64_CONSTANT(1000000),   \
        .recall_ns = 6 * G_GUINT64_CONSTANT(1000000000),                                           \
    }

/* What is wrong with @settings, in words for a person; NULL: nothing. */
const char *vgpu_scheduler_settings_check(const VgpuSchedulerSettings *settings);

#define VGPU_SCHEDULER_WEIGHT     100u /* the ordinary one */
#define VGPU_SCHEDULER_MAX_WEIGHT 10000u

typedef enum {
    VGPU_SCHEDULER_IDLE,    /* neither has nor wants the device */
    VGPU_SCHEDULER_WAITING, /* wants it */
    VGPU_SCHEDULER_HOLDING, /* has it, with or without a job running */
} VgpuSchedulerState;

/* For reading only, all of it. The accounts only grow, whatever is changed. */
typedef struct {
    VgpuHeapNode node; /* private; the first field */
    gpointer owner;    /* the caller's */
    enum vgpu_priority priority;
    guint weight; /* 1..VGPU_SCHEDULER_MAX_WEIGHT */
    VgpuSchedulerState state;
    guint64 since_ns;  /* when it came into its state */
    guint64 turns;     /* leases it was granted */
    guint64 recalls;   /* of them, how many were asked back */
    guint64 held_ns;   /* had the lease, in ended turns */
    guint64 waited_ns; /* waited for the lease, in waits that ended with it */
    /* private */
    guint64 ticket;     /* order of wanting */
    guint64 virtual_ns; /* time it has had, divided by its weight, while others waited */
    guint64 remainder;  /* of that division */
    gboolean kept;      /* its ticket is of a turn that it could not use */
    guint share;        /* percent, 0: all */
    guint64 paid_ns;    /* until when its share pays for what it has had */
    gboolean spent;     /* it has run ahead of its share as far as it may: out until paid_ns */
    gboolean barred;    /* it waits for that, not for its turn */
} VgpuSchedulerClient;

typedef enum {
    VGPU_ORDER_NONE,
    /* The client has the lease. */
    VGPU_ORDER_GRANT,
    /*
     * From now on others wait: the client keeps the lease while it has work, and is to return it as
     * soon as it has none. If it has none now, the caller may take it and say so with returned().
     */
    VGPU_ORDER_SHARE,
    /* The client is to submit nothing more, and to return the lease when what it submitted has
       ended. */
    VGPU_ORDER_ASK_BACK,
    /* It did not return it in time. The client's worker is to be ended; then: remove it. */
    VGPU_ORDER_FENCE,
} VgpuOrderKind;

typedef struct {
    VgpuOrderKind kind;
    VgpuSchedulerClient *client; /* NULL for NONE */
    /* Of GRANT only: */
    gboolean shared;   /* as if SHARE had been said, too */
    guint jobs;        /* after that many the client is to return the lease; 0: no such bound */
    guint64 waited_ns; /* since it wanted */
} VgpuOrder;

typedef struct VgpuScheduler VgpuScheduler;

/* @settings are copied; they have passed vgpu_scheduler_settings_check(). */
VgpuScheduler *vgpu_scheduler_new(const VgpuSchedulerSettings *settings, guint64 now_ns);

/* Its clients have been removed before. */
void vgpu_scheduler_free(VgpuScheduler *scheduler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuScheduler, vgpu_scheduler_free)

/* Other settings, at any time: nobody's place in order or account is lost. */
VgpuOrder vgpu_scheduler_configure(VgpuScheduler *scheduler, const VgpuSchedulerSettings *settings,
                                   guint64 now_ns);

/* A client that is IDLE; owned by @scheduler until vgpu_scheduler_remove(). */
VgpuSchedulerClient *vgpu_scheduler_add(VgpuScheduler *scheduler, enum vgpu_priority priority,
                                        guint weight, gpointer owner);

/*
 * vgpu_scheduler_remove:
 * Frees @client, in whatever state it is. If it has the lease this is the end of it: the caller has
 * seen to it that the device does not work for it any more.
 */
VgpuOrder vgpu_scheduler_remove(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                                guint64 now_ns);

/* @client has work and no lease. Nothing happens if it waits already, or has the lease. */
VgpuOrder vgpu_scheduler_want(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                              guint64 now_ns);

/* @client has no work any more. Nothing happens unless it waits. */
VgpuOrder vgpu_scheduler_unwant(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                                guint64 now_ns);

typedef enum {
    VGPU_RETURNED_WANTS = 1 << 0,  /* the client has more work: want() in the same moment */
    VGPU_RETURNED_UNUSED = 1 << 1, /* it submitted nothing in this turn: it was asked back before it
                                      could. It keeps its place, but not twice in a row */
} VgpuReturned;

/*
 * vgpu_scheduler_returned:
 * @client has given the lease back, asked to or not, and the device has ended all of its jobs.
 * Ignored when it does not have the lease.
 */
VgpuOrder vgpu_scheduler_returned(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                                  VgpuReturned how, guint64 now_ns);

/* Another priority, at any time. A client that waits keeps its ticket: it does not start anew. */
VgpuOrder vgpu_scheduler_set_priority(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                                      enum vgpu_priority priority, guint64 now_ns);

/* Another weight, at any time; for the time from now on. */
VgpuOrder vgpu_scheduler_set_weight(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                                    guint weight, guint64 now_ns);

/*
 * By how much a client with a share may have had more than its share: so long it runs without a
 * break, and then is out until it is even again. Longer than a slice, so that shares are no matter
 * of many small turns; a tenth of a second, so that a person at the VM does not see it stop and go.
 */
#define VGPU_SCHEDULER_AHEAD_NS (100 * G_GUINT64_CONSTANT(1000000))

/* The part of the device's time that the client may have, in percent; 0 and 100: all. At any time.
 */
VgpuOrder vgpu_scheduler_set_share(VgpuScheduler *scheduler, VgpuSchedulerClient *client,
                                   guint percent, guint64 now_ns);

/* No more grants; who has the lease is asked back. Clients may still come, go and want. */
VgpuOrder vgpu_scheduler_pause(VgpuScheduler *scheduler, guint64 now_ns);

VgpuOrder vgpu_scheduler_resume(VgpuScheduler *scheduler, guint64 now_ns);

/* Time has passed. To be called at the deadline. */
VgpuOrder vgpu_scheduler_tick(VgpuScheduler *scheduler, guint64 now_ns);

/* When to call vgpu_scheduler_tick() unless something else is called before; G_MAXUINT64: never. */
guint64 vgpu_scheduler_deadline(const VgpuScheduler *scheduler);

/* Who has the lease; NULL: nobody. */
VgpuSchedulerClient *vgpu_scheduler_holder(const VgpuScheduler *scheduler);

/* How many clients of @priority wait, without those who have spent their share. */
guint vgpu_scheduler_waiting(const VgpuScheduler *scheduler, enum vgpu_priority priority);

/* How many clients there are. */
guint vgpu_scheduler_clients(const VgpuScheduler *scheduler);
