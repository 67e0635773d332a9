/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scheduler-private.h"

static const char *const policies[] = {
    [VGPU_SCHEDULER_FIFO] = "fifo",
    [VGPU_SCHEDULER_FAIR] = "fair",
};

const char *vgpu_scheduler_policy_name(VgpuSchedulerPolicy policy)
{
    return policy < G_N_ELEMENTS(policies) ? policies[policy] : NULL;
}

gboolean vgpu_scheduler_policy_by_name(const char *name, VgpuSchedulerPolicy *policy)
{
    for (guint i = 0; i < G_N_ELEMENTS(policies); i++) {
        if (g_str_equal(policies[i], name)) {
            *policy = i;
            return TRUE;
        }
    }
    return FALSE;
}

const char *vgpu_scheduler_settings_check(const VgpuSchedulerSettings *settings)
{
    guint floors = 0;

    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++) {
        if (settings->floor_percent[i] > 90)
            return "a floor is above 90 %";
        floors += settings->floor_percent[i];
    }
    if (floors > 90)
        return "the floors are above 90 % in all";
    if (vgpu_scheduler_policy_name(settings->policy) == NULL)
        return "there is no such policy";
    if (settings->window < 1 || settings->window > 1024)
        return "the window is not from 1 to 1024 jobs";
    if (settings->slice_ns < 1000 || settings->slice_ns > 10 * G_GUINT64_CONSTANT(1000000000))
        return "the slice is not from 1 us to 10 s";
    if (settings->recall_ns < 1000000 ||
        settings->recall_ns > 3600 * G_GUINT64_CONSTANT(1000000000))
        return "the recall time is not from 1 ms to 1 h";
    return NULL;
}

static void set_settings(VgpuScheduler *s, const VgpuSchedulerSettings *settings)
{
    g_assert(vgpu_scheduler_settings_check(settings) == NULL);
    s->settings = *settings;
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++)
        s->levels[i].floor.percent = settings->floor_percent[i];
}

VgpuScheduler *vgpu_scheduler_new(const VgpuSchedulerSettings *settings, guint64 now_ns)
{
    VgpuScheduler *s = g_new0(VgpuScheduler, 1);

    set_settings(s, settings);
    s->now_ns = now_ns;
    return s;
}

void vgpu_scheduler_free(VgpuScheduler *s)
{
    g_assert(s->clients == 0);
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++)
        vgpu_heap_clear(&s->levels[i].waiting);
    vgpu_heap_clear(&s->barred);
    g_free(s);
}

/* --- Accounts --- */

/* The holder had the device for @elapsed while others of its priority waited. */
static void charge(VgpuSchedulerClient *client, guint64 elapsed)
{
    guint64 share = elapsed * VGPU_SCHEDULER_WEIGHT + client->remainder;

    client->virtual_ns += share / client->weight;
    client->remainder = share % client->weight;
}

/*
 * The level's time goes with the least that somebody has had who wants the device; alone, the
 * holder goes with it.
 */
static void keep_up(VgpuSchedulerLevel *level, VgpuSchedulerClient *holder)
{
    VgpuHeapNode *first = vgpu_heap_first(&level->waiting);

    if (first == NULL) {
        holder->virtual_ns = MAX(holder->virtual_ns, level->virtual_ns);
        return;
    }
    const guint64 least = MIN(holder->virtual_ns, vgpu_scheduler_client_of(first)->virtual_ns);
    level->virtual_ns = MAX(level->virtual_ns, least);
}

static VgpuFloorUse use_of(const VgpuScheduler *s, guint priority)
{
    if (s->holder != NULL && s->holder->priority == priority)
        return s->repaid ? VGPU_FLOOR_REPAID : VGPU_FLOOR_RUNS;
    return s->levels[priority].waiting.count > 0 ? VGPU_FLOOR_WAITS : VGPU_FLOOR_AWAY;
}

/* The holder had the device for @elapsed, up to now: its share pays for that, and for longer. */
static void pay(VgpuScheduler *s, guint64 elapsed)
{
    VgpuSchedulerClient *client = s->holder;

    if (client == NULL || !vgpu_scheduler_is_capped(client))
        return;
    elapsed = MIN(elapsed, VGPU_SCHEDULER_LONGEST_LEAD_NS);
    client->paid_ns = MAX(client->paid_ns, s->now_ns - elapsed) + elapsed * 100 / client->share;
    if (client->paid_ns >= s->now_ns + VGPU_SCHEDULER_AHEAD_NS)
        client->spent = TRUE;
}

static void enqueue(VgpuScheduler *s, VgpuSchedulerClient *client);

/* Those who are even again wait for their turn from now on. */
static void let_in(VgpuScheduler *s)
{
    VgpuHeapNode *node;

    while ((node = vgpu_heap_first(&s->barred)) != NULL) {
        VgpuSchedulerClient *client = vgpu_scheduler_client_of(node);

        if (client->paid_ns > s->now_ns)
            return;
        vgpu_heap_remove(&s->barred, node);
        enqueue(s, client);
    }
}

/* Settles all accounts up to @now_ns. Comes before any change. */
static void advance(VgpuScheduler *s, guint64 now_ns)
{
    const guint64 elapsed = now_ns > s->now_ns ? now_ns - s->now_ns : 0;

    if (elapsed == 0)
        return;
    s->now_ns = now_ns;
    pay(s, elapsed);
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++) {
        VgpuSchedulerLevel *level = &s->levels[i];
        gboolean holds = s->holder != NULL && s->holder->priority == i;

        /* More than this is owed only because somebody did not give the lease back. */
        vgpu_floor_advance(&level->floor, use_of(s, i), elapsed,
                           s->settings.slice_ns + s->settings.recall_ns);
        if (level->waiting.count == 0)
            level->virtual_ns += elapsed;
        else if (holds)
            charge(s->holder, elapsed);
        if (holds)
            keep_up(level, s->holder);
    }
    let_in(s);
}

/* --- Who waits --- */

static void enqueue(VgpuScheduler *s, VgpuSchedulerClient *client)
{
    VgpuSchedulerLevel *level = &s->levels[client->priority];

    client->barred = client->spent && client->paid_ns > s->now_ns;
    if (client->barred) {
        vgpu_heap_push(&s->barred, &client->node, client->paid_ns, client->ticket);
        return;
    }
    client->spent = FALSE;
    client->virtual_ns = MAX(client->virtual_ns, level->virtual_ns);
    vgpu_heap_push(&level->waiting, &client->node,
                   s->settings.policy == VGPU_SCHEDULER_FAIR ? client->virtual_ns : client->ticket,
                   client->ticket);
}

static void dequeue(VgpuScheduler *s, VgpuSchedulerClient *client)
{
    vgpu_heap_remove(client->barred ? &s->barred : &s->levels[client->priority].waiting,
                     &client->node);
}

static void start_waiting(VgpuScheduler *s, VgpuSchedulerClient *client, gboolean keep_ticket)
{
    client->kept = keep_ticket;
    if (!keep_ticket)
        client->ticket = s->next_ticket++;
    vgpu_scheduler_set_state(s, client, VGPU_SCHEDULER_WAITING);
    enqueue(s, client);
}

static void end_turn(VgpuScheduler *s)
{
    VgpuSchedulerClient *client = s->holder;

    client->held_ns += s->now_ns - client->since_ns;
    s->holder = NULL;
    vgpu_scheduler_set_state(s, client, VGPU_SCHEDULER_IDLE);
}

/* --- What happens --- */

VgpuSchedulerClient *vgpu_scheduler_add(VgpuScheduler *s, enum vgpu_priority priority, guint weight,
                                        gpointer owner)
{
    g_assert(priority < VGPU_PRIORITY_COUNT && weight >= 1 && weight <= VGPU_SCHEDULER_MAX_WEIGHT);
    VgpuSchedulerClient *client = g_new0(VgpuSchedulerClient, 1);

    client->owner = owner;
    client->priority = priority;
    client->weight = weight;
    client->since_ns = s->now_ns;
    s->clients++;
    return client;
}

VgpuOrder vgpu_scheduler_remove(VgpuScheduler *s, VgpuSchedulerClient *client, guint64 now_ns)
{
    advance(s, now_ns);
    if (client->state == VGPU_SCHEDULER_HOLDING)
        end_turn(s);
    else if (client->state == VGPU_SCHEDULER_WAITING)
        dequeue(s, client);
    g_free(client);
    s->clients--;
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_want(VgpuScheduler *s, VgpuSchedulerClient *client, guint64 now_ns)
{
    advance(s, now_ns);
    if (client->state == VGPU_SCHEDULER_IDLE)
        start_waiting(s, client, FALSE);
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_unwant(VgpuScheduler *s, VgpuSchedulerClient *client, guint64 now_ns)
{
    advance(s, now_ns);
    if (client->state == VGPU_SCHEDULER_WAITING) {
        dequeue(s, client);
        vgpu_scheduler_set_state(s, client, VGPU_SCHEDULER_IDLE);
    }
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_returned(VgpuScheduler *s, VgpuSchedulerClient *client, VgpuReturned how,
                                  guint64 now_ns)
{
    advance(s, now_ns);
    if (client->state == VGPU_SCHEDULER_HOLDING) {
        end_turn(s);
        if (how & VGPU_RETURNED_WANTS)
            start_waiting(s, client, (how & VGPU_RETURNED_UNUSED) && !client->kept);
    }
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_set_priority(VgpuScheduler *s, VgpuSchedulerClient *client,
                                      enum vgpu_priority priority, guint64 now_ns)
{
    g_assert(priority < VGPU_PRIORITY_COUNT);
    advance(s, now_ns);
    if (client->priority == priority)
        return vgpu_scheduler_decide(s);

    const guint64 from = s->levels[client->priority].virtual_ns;
    const guint64 lead = client->virtual_ns > from ? client->virtual_ns - from : 0;

    if (client->state == VGPU_SCHEDULER_WAITING)
        dequeue(s, client);
    client->priority = priority;
    client->virtual_ns = s->levels[priority].virtual_ns + lead;
    if (client->state == VGPU_SCHEDULER_WAITING)
        enqueue(s, client);
    if (client == s->holder)
        s->repaid = FALSE;
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_set_weight(VgpuScheduler *s, VgpuSchedulerClient *client, guint weight,
                                    guint64 now_ns)
{
    g_assert(weight >= 1 && weight <= VGPU_SCHEDULER_MAX_WEIGHT);
    advance(s, now_ns);

    /* What it had more than others is an amount of time: it counts by the new weight, too. */
    const guint64 from = s->levels[client->priority].virtual_ns;
    guint64 lead = client->virtual_ns > from ? client->virtual_ns - from : 0;

    lead = MIN(lead, VGPU_SCHEDULER_LONGEST_LEAD_NS) * client->weight / weight;
    if (client->state == VGPU_SCHEDULER_WAITING)
        dequeue(s, client);
    client->weight = weight;
    client->remainder = 0;
    client->virtual_ns = from + lead;
    if (client->state == VGPU_SCHEDULER_WAITING)
        enqueue(s, client);
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_set_share(VgpuScheduler *s, VgpuSchedulerClient *client, guint percent,
                                   guint64 now_ns)
{
    g_assert(percent <= 100);
    advance(s, now_ns);
    if (client->state == VGPU_SCHEDULER_WAITING)
        dequeue(s, client);
    client->share = percent;
    if (!vgpu_scheduler_is_capped(client)) {
        client->paid_ns = 0;
        client->spent = FALSE;
    }
    if (client->state == VGPU_SCHEDULER_WAITING)
        enqueue(s, client);
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_configure(VgpuScheduler *s, const VgpuSchedulerSettings *settings,
                                   guint64 now_ns)
{
    advance(s, now_ns);
    set_settings(s, settings);
    if (s->holder != NULL && settings->floor_percent[s->holder->priority] == 0)
        s->repaid = FALSE;
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++) {
        VgpuHeap old = s->levels[i].waiting;

        s->levels[i].waiting = (VgpuHeap){0};
        for (VgpuHeapNode *node; (node = vgpu_heap_first(&old)) != NULL;) {
            vgpu_heap_remove(&old, node);
            enqueue(s, vgpu_scheduler_client_of(node));
        }
        vgpu_heap_clear(&old);
    }
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_pause(VgpuScheduler *s, guint64 now_ns)
{
    advance(s, now_ns);
    s->paused = TRUE;
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_resume(VgpuScheduler *s, guint64 now_ns)
{
    advance(s, now_ns);
    s->paused = FALSE;
    return vgpu_scheduler_decide(s);
}

VgpuOrder vgpu_scheduler_tick(VgpuScheduler *s, guint64 now_ns)
{
    advance(s, now_ns);
    return vgpu_scheduler_decide(s);
}

VgpuSchedulerClient *vgpu_scheduler_holder(const VgpuScheduler *s)
{
    return s->holder;
}

guint vgpu_scheduler_waiting(const VgpuScheduler *s, enum vgpu_priority priority)
{
    return (guint)s->levels[priority].waiting.count;
}

guint vgpu_scheduler_clients(const VgpuScheduler *s)
{
    return s->clients;
}
