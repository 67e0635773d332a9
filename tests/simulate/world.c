/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

static gboolean waits_above(const World *w, enum vgpu_priority priority)
{
    for (guint i = priority + 1; i < VGPU_PRIORITY_COUNT; i++)
        if (vgpu_scheduler_waiting(w->machine.scheduler, i) > 0)
            return TRUE;
    return FALSE;
}

static gboolean somebody_waits(const World *w)
{
    return waits_above(w, VGPU_PRIORITY_LOW) ||
           vgpu_scheduler_waiting(w->machine.scheduler, VGPU_PRIORITY_LOW) > 0;
}

/* Within a priority nobody is passed over who has waited longer. */
static void check_fifo(World *w, const VgpuOrder *order)
{
    const guint64 since = w->machine.now_ns - order->waited_ns;

    if (w->settings.policy != VGPU_SCHEDULER_FIFO || order->client->kept || w->changed_priority)
        return;
    for (guint i = 0; i < VMS; i++) {
        const VgpuSchedulerClient *other = w->vms[i] != NULL ? w->vms[i]->client : NULL;
        if (other != NULL && other->state == VGPU_SCHEDULER_WAITING &&
            other->priority == order->client->priority)
            check(w, other->since_ns >= since);
    }
}

static void on_order(SimMachine *m, VgpuOrder order, gpointer data)
{
    World *w = data;
    VgpuSchedulerClient *holder = vgpu_scheduler_holder(m->scheduler);

    /* Work conservation. */
    check(w, holder != NULL || w->paused || !somebody_waits(w));
    if (order.kind == VGPU_ORDER_GRANT) {
        check(w, order.client == holder && !w->paused);
        /* No lower priority is granted the device while a higher waits, but for a floor. */
        check(w,
              !waits_above(w, holder->priority) || w->settings.floor_percent[holder->priority] > 0);
        check_fifo(w, &order);
    }
    if (holder != w->holder || order.kind == VGPU_ORDER_GRANT) {
        if (w->holder != NULL)
            w->held_ns += m->now_ns - w->held_since_ns;
        w->holder = holder;
        w->held_since_ns = m->now_ns;
    }
}

static void on_submit(SimMachine *m, SimVm *vm, gpointer data)
{
    World *w = data;

    w->submitted++;
    check(w, vm->client == vgpu_scheduler_holder(m->scheduler));
    check(w, vm->submitted <= w->machine.window);
    /* Once a higher priority waits, nothing more is submitted, but in a turn given by a floor. */
    if (waits_above(w, vm->client->priority)) {
        check(w, w->settings.floor_percent[vm->client->priority] > 0);
        check(w, m->now_ns - vm->client->since_ns <= w->settings.slice_ns);
    }
}

void world_init(World *w, guint64 seed, const VgpuSchedulerSettings *settings, guint64 hand_over_ns)
{
    *w = (World){.seed = seed, .random = sim_random(seed, 0), .settings = *settings};
    assert_null(vgpu_scheduler_settings_check(settings));
    sim_machine_init(&w->machine, settings, hand_over_ns, seed * SECOND);
    w->machine.observer = (SimObserver){on_order, on_submit, w};
}

SimVm *world_add(World *w, guint place, enum vgpu_priority priority, guint weight, SimLoad load)
{
    /* The observer meets the client before it is known here; it is not in the way. */
    w->vms[place] = sim_machine_add(&w->machine, priority, weight, &load,
                                    sim_random(sim_random_next(&w->random), place));
    return w->vms[place];
}

void world_remove(World *w, guint place)
{
    SimVm *vm = g_steal_pointer(&w->vms[place]);
    VgpuSchedulerClient *client = vm->client;

    w->gone_held_ns += client->held_ns;
    if (client->state == VGPU_SCHEDULER_HOLDING)
        w->gone_held_ns += w->machine.now_ns - client->since_ns;
    sim_machine_remove(vm);
}

void world_clear(World *w)
{
    for (guint i = 0; i < VMS; i++)
        if (w->vms[i] != NULL)
            world_remove(w, i);
    sim_machine_clear(&w->machine);
}

void world_check_nothing_lies_idle(World *w)
{
    const VgpuSchedulerClient *holder = vgpu_scheduler_holder(w->machine.scheduler);

    if (vgpu_heap_has(&w->machine.work) || w->paused ||
        (holder != NULL && ((SimVm *)holder->owner)->hangs))
        return;
    for (guint i = 0; i < VMS; i++)
        check(w, w->vms[i] == NULL || w->vms[i]->count == 0);
}

void world_check_accounts(World *w)
{
    guint64 held = w->gone_held_ns, seen = w->held_ns;

    for (guint i = 0; i < VMS; i++) {
        const VgpuSchedulerClient *client = w->vms[i] != NULL ? w->vms[i]->client : NULL;
        if (client != NULL)
            held += client->held_ns;
        if (client != NULL && client->state == VGPU_SCHEDULER_HOLDING)
            held += w->machine.now_ns - client->since_ns;
    }
    if (w->holder != NULL)
        seen += w->machine.now_ns - w->held_since_ns;
    check(w, held == seen);
}
