/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quarantine.h"

static gint64 seconds(guint s)
{
    return (gint64)s * G_USEC_PER_SEC;
}

static void set(VgpuQuarantine *quarantine, gint64 until_us, const char *reason)
{
    char *copy = g_strdup(reason); /* it may be the one that is there */

    g_free(quarantine->reason);
    quarantine->reason = copy;
    quarantine->until_us = until_us;
}

guint vgpu_quarantine_begin(VgpuQuarantine *quarantine, guint first_s, guint longest_s,
                            const char *reason, gint64 now_us)
{
    guint64 lasts_s = first_s;
    const guint64 most_s = MAX(first_s, longest_s);

    if (now_us >= quarantine->forget_us)
        quarantine->level = 0;
    for (guint i = 0; i < quarantine->level && lasts_s < most_s; i++)
        lasts_s *= 2;
    lasts_s = MIN(lasts_s, most_s);
    /* One level beyond the longest changes nothing any more. */
    if (lasts_s < most_s)
        quarantine->level++;
    quarantine->total++;
    set(quarantine, now_us + seconds((guint)lasts_s), reason);
    vgpu_quarantine_postpone(quarantine, longest_s, quarantine->until_us);
    return (guint)lasts_s;
}

void vgpu_quarantine_order(VgpuQuarantine *quarantine, gint64 until_us, const char *reason)
{
    quarantine->total++;
    set(quarantine, until_us, reason);
}

void vgpu_quarantine_postpone(VgpuQuarantine *quarantine, guint longest_s, gint64 now_us)
{
    const gint64 forget_us = now_us + seconds(longest_s);

    /* What is due to be forgotten is, even if nobody has looked since. */
    if (now_us >= quarantine->forget_us && quarantine->until_us == 0)
        quarantine->level = 0;
    quarantine->forget_us = MAX(quarantine->forget_us, forget_us);
}

void vgpu_quarantine_end(VgpuQuarantine *quarantine, gboolean pardon)
{
    set(quarantine, 0, NULL);
    if (pardon)
        quarantine->level = 0;
}

void vgpu_quarantine_copy(VgpuQuarantine *quarantine, const VgpuQuarantine *from)
{
    set(quarantine, from->until_us, from->reason);
    quarantine->level = from->level;
    quarantine->forget_us = from->forget_us;
}

void vgpu_quarantine_clear(VgpuQuarantine *quarantine)
{
    g_clear_pointer(&quarantine->reason, g_free);
}
