/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a VM is kept out, until when and why, and how long the next time will be: each quarantine
 * for faults lasts twice as long as the one before it, up to a longest, and after a time without
 * faults the first one's duration holds again. Pure: the clock is the caller's, one that does not
 * run backwards (microseconds).
 */
#pragma once

#include <glib.h>

#define VGPU_QUARANTINE_FOREVER G_MAXINT64 /* until it is released */
#define VGPU_QUARANTINE_MAX_S   2592000u   /* the longest by hand that ends by itself: 30 days */

/* A zeroed one is that of a VM of which nothing is known. */
typedef struct {
    gint64 until_us;  /* 0: it is not quarantined */
    char *reason;     /* for people, one line; NULL: it is not quarantined */
    guint level;      /* how often the next one's duration is doubled */
    gint64 forget_us; /* from then on it is not, whatever level says */
    guint64 total;    /* quarantines since the beginning, also those by hand */
} VgpuQuarantine;

/*
 * vgpu_quarantine_begin:
 * For faults: from @now_us on for @first_s seconds at first, for at most @longest_s later on, which
 * is also the time without faults after which the next one is a first one. Returns the seconds.
 */
guint vgpu_quarantine_begin(VgpuQuarantine *quarantine, guint first_s, guint longest_s,
                            const char *reason, gint64 now_us);

/* By hand: says nothing about the next one for faults. */
void vgpu_quarantine_order(VgpuQuarantine *quarantine, gint64 until_us, const char *reason);

/* There was a fault at @now_us: what is to be forgotten is forgotten later. */
void vgpu_quarantine_postpone(VgpuQuarantine *quarantine, guint longest_s, gint64 now_us);

/* It is over; @pardon: and the next one is a first one. */
void vgpu_quarantine_end(VgpuQuarantine *quarantine, gboolean pardon);

/* Takes over what is known of a VM; total stays. */
void vgpu_quarantine_copy(VgpuQuarantine *quarantine, const VgpuQuarantine *from);

void vgpu_quarantine_clear(VgpuQuarantine *quarantine);
