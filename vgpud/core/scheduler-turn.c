/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose turn it is, and when it ends. */
#include "scheduler-private.h"

#define NEVER G_MAXUINT64

/* Whether any but the holder waits. */
static gboolean somebody_waits(const VgpuScheduler *s)
{
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++)
        if (s->levels[i].waiting.count > 0)
            return TRUE;
    return FALSE;
}

/* Whether the holder is to return the lease when it has no work: its share pays for each moment
 * that it has it. */
static gboolean is_shared(const VgpuScheduler *s)
{
    return somebody_waits(s) || vgpu_scheduler_is_capped(s->holder);
}

/* The priority that is to have the next turn: who is owed most, else the highest. NULL: none. */
static VgpuSchedulerLevel *choose(VgpuScheduler *s, gboolean *repaid)
{
    VgpuSchedulerLevel *highest = NULL, *owed = NULL;

    for (guint i = VGPU_PRIORITY_COUNT; i-- > 0;) {
        VgpuSchedulerLevel *level = &s->levels[i];
        if (level->waiting.count == 0)
            continue;
        if (highest == NULL)
            highest = level;
        if (vgpu_floor_due_in(&level->floor, s->settings.slice_ns) == 0 &&
            (owed == NULL || level->floor.credit > owed->floor.credit))
            owed = level;
    }
    *repaid = owed != NULL;
    return owed != NULL ? owed : highest;
}

static VgpuOrder grant_next(VgpuScheduler *s)
{
    VgpuSchedulerLevel *level = choose(s, &s->repaid);

    if (level == NULL)
        return (VgpuOrder){.kind = VGPU_ORDER_NONE};

    VgpuSchedulerClient *client = vgpu_scheduler_client_of(vgpu_heap_first(&level->waiting));
    const guint64 waited = s->now_ns - client->since_ns;

    vgpu_heap_remove(&level->waiting, &client->node);
    level->virtual_ns = MAX(level->virtual_ns, client->virtual_ns);
    client->turns++;
    client->waited_ns += waited;
    vgpu_scheduler_set_state(s, client, VGPU_SCHEDULER_HOLDING);
    s->holder = client;
    s->asked = s->fenced = FALSE;
    s->shared = is_shared(s);
    s->bounded = s->settings.policy == VGPU_SCHEDULER_FIFO && level->waiting.count > 0;
    return (VgpuOrder){
        .kind = VGPU_ORDER_GRANT,
        .client = client,
        .shared = s->shared,
        .jobs = s->bounded ? s->settings.window : 0,
        .waited_ns = waited,
    };
}

static guint64 slice_end(const VgpuScheduler *s)
{
    return s->holder->since_ns + s->settings.slice_ns;
}

/* When the first of those who wait is to follow the holder, which is of the same priority. */
static guint64 equals_turn(const VgpuScheduler *s)
{
    const VgpuSchedulerClient *holder = s->holder;
    VgpuHeapNode *next = vgpu_heap_first(&s->levels[holder->priority].waiting);

    if (next == NULL)
        return NEVER;
    if (s->settings.policy == VGPU_SCHEDULER_FIFO)
        return s->bounded ? slice_end(s) : s->now_ns;
    /* Before it has caught up with the next, it would only be granted the device again. */
    const guint64 next_ns = vgpu_scheduler_client_of(next)->virtual_ns;
    if (next_ns <= holder->virtual_ns)
        return slice_end(s);
    const guint64 lead = MIN(next_ns - holder->virtual_ns, VGPU_SCHEDULER_LONGEST_LEAD_NS);
    return MAX(slice_end(s), s->now_ns + lead * holder->weight / VGPU_SCHEDULER_WEIGHT);
}

/* When the first of those who wait is to follow the holder, which is of another priority. */
static guint64 others_turn(const VgpuScheduler *s)
{
    guint64 at = NEVER;

    for (guint i = VGPU_PRIORITY_COUNT; i-- > 0;) {
        const VgpuSchedulerLevel *level = &s->levels[i];

        if (i == s->holder->priority || level->waiting.count == 0)
            continue;
        if (s->repaid)
            return slice_end(s);
        if (i > s->holder->priority)
            return s->now_ns;
        const guint64 due_in = vgpu_floor_due_in(&level->floor, s->settings.slice_ns);
        if (due_in != NEVER)
            at = MIN(at, s->now_ns + due_in);
    }
    return at;
}

/* When the holder will have spent its share. */
static guint64 spent_at(const VgpuScheduler *s)
{
    const VgpuSchedulerClient *holder = s->holder;

    if (!vgpu_scheduler_is_capped(holder))
        return NEVER;
    const guint64 lead = holder->paid_ns > s->now_ns ? holder->paid_ns - s->now_ns : 0;
    if (lead >= VGPU_SCHEDULER_AHEAD_NS)
        return s->now_ns;
    /* Each ns with the lease pays for 100 / share of them, one of which is over then. */
    return s->now_ns + (VGPU_SCHEDULER_AHEAD_NS - lead) * holder->share / (100 - holder->share) + 1;
}

/* When the holder is to be asked back, as things stand: now_ns or earlier is at once. */
static guint64 recall_at(const VgpuScheduler *s)
{
    if (s->paused)
        return s->now_ns;
    return MIN(spent_at(s), MIN(equals_turn(s), others_turn(s)));
}

static VgpuOrder to_holder(const VgpuScheduler *s, VgpuOrderKind kind)
{
    return (VgpuOrder){.kind = kind, .client = s->holder};
}

VgpuOrder vgpu_scheduler_decide(VgpuScheduler *s)
{
    if (s->holder == NULL)
        return s->paused ? (VgpuOrder){.kind = VGPU_ORDER_NONE} : grant_next(s);
    if (s->asked) {
        if (s->fenced || s->now_ns - s->asked_ns < s->settings.recall_ns)
            return (VgpuOrder){.kind = VGPU_ORDER_NONE};
        s->fenced = TRUE;
        return to_holder(s, VGPU_ORDER_FENCE);
    }
    /* What is left of the turn is no favour: nobody else wants it. */
    if (s->repaid && slice_end(s) <= s->now_ns && others_turn(s) == NEVER)
        s->repaid = FALSE;
    if (recall_at(s) <= s->now_ns) {
        s->asked = TRUE;
        s->asked_ns = s->now_ns;
        s->holder->recalls++;
        return to_holder(s, VGPU_ORDER_ASK_BACK);
    }
    if (!s->shared && is_shared(s)) {
        s->shared = TRUE;
        return to_holder(s, VGPU_ORDER_SHARE);
    }
    return (VgpuOrder){.kind = VGPU_ORDER_NONE};
}

guint64 vgpu_scheduler_deadline(const VgpuScheduler *s)
{
    const guint64 even = vgpu_heap_first_key(&s->barred); /* NEVER when there is nobody */

    if (s->holder == NULL || s->fenced)
        return even;
    if (s->asked)
        return MIN(even, s->asked_ns + s->settings.recall_ns);
    return MIN(even, s->repaid ? MIN(recall_at(s), slice_end(s)) : recall_at(s));
}
