/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#define NEVER G_MAXUINT64

static void push(SimMachine *m, VgpuHeapNode *node, guint64 at_ns)
{
    vgpu_heap_push(&m->events, node, at_ns, m->sequence++);
}

static void take(SimMachine *m, VgpuHeapNode *node)
{
    if (vgpu_heap_has(node))
        vgpu_heap_remove(&m->events, node);
}

/* --- A VM's jobs --- */

static SimJob *job_at(SimVm *vm, guint index)
{
    return &vm->jobs[(vm->first + index) & (vm->room - 1)];
}

static void add_job(SimVm *vm)
{
    if (vm->count == vm->room) {
        SimJob *jobs = g_new(SimJob, MAX(16, vm->room * 2));

        for (guint i = 0; i < vm->count; i++)
            jobs[i] = *job_at(vm, i);
        g_free(vm->jobs);
        vm->jobs = jobs;
        vm->first = 0;
        vm->room = MAX(16, vm->room * 2);
    }
    const guint64 length = sim_random_around(&vm->random, vm->load.job_ns);
    *job_at(vm, vm->count++) = (SimJob){vm->machine->now_ns, length};
    vm->asked_for_ns += length;
}

/* How busy the VM is at this time of its day, 1 on average: a triangle from night to noon. */
static double busyness(const SimLoad *load, guint64 now_ns)
{
    if (load->period_ns == 0)
        return 1;
    double turn = (double)now_ns / (double)load->period_ns + load->phase;
    turn -= floor(turn);
    return 1 + load->swing * (1 - 4 * fabs(turn - 0.5));
}

/* Bursts come as often as at noon, but at other times some of them are left out: see on_arrival().
 */
static void plan_arrival(SimVm *vm)
{
    const double pause = (double)vm->load.pause_ns / (1 + vm->load.swing);

    if (vm->load.pause_ns != 0)
        push(vm->machine, &vm->arrival,
             vm->machine->now_ns + sim_random_around(&vm->random, (guint64)pause));
}

/* --- The worker --- */

static void start_job(SimVm *vm)
{
    SimMachine *m = vm->machine;
    const SimJob *job = job_at(vm, 0);
    SimHistogram *waits = m->job_waits[vm->client->priority];

    m->on_device = vm;
    if (waits != NULL)
        sim_histogram_add(waits, m->now_ns - job->arrived_ns);
    if (!vm->hangs)
        push(m, &m->work, m->now_ns + job->length_ns);
}

static void give_back(SimVm *vm)
{
    SimMachine *m = vm->machine;
    VgpuReturned how = 0;

    if (vm->count > 0)
        how |= VGPU_RETURNED_WANTS;
    if (vm->turn_jobs == 0)
        how |= VGPU_RETURNED_UNUSED;
    vm->started = FALSE;
    sim_machine_obey(m, vgpu_scheduler_returned(m->scheduler, vm->client, how, m->now_ns));
}

/* What a worker does that has the lease, whenever something has changed. */
static void work(SimVm *vm)
{
    SimMachine *m = vm->machine;
    const gboolean was_empty = vm->submitted == 0;

    while (!vm->asked && vm->submitted < m->window && vm->submitted < vm->count &&
           (vm->bound == 0 || vm->turn_jobs < vm->bound)) {
        vm->submitted++;
        vm->turn_jobs++;
        if (m->observer.submit != NULL)
            m->observer.submit(m, vm, m->observer.data);
    }
    if (was_empty && vm->submitted > 0)
        start_job(vm);
    if (vm->submitted > 0)
        return;
    if (vm->asked || vm->count > 0 || vm->shared)
        give_back(vm);
}

static void fence(SimVm *vm)
{
    SimMachine *m = vm->machine;
    VgpuSchedulerClient *old = vm->client;

    take(m, &m->work);
    vm->first = vm->count = vm->submitted = 0;
    vm->started = vm->hangs = FALSE;
    vm->client = vgpu_scheduler_add(m->scheduler, old->priority, old->weight, vm);
    sim_machine_obey(m, vgpu_scheduler_remove(m->scheduler, old, m->now_ns));
}

void sim_machine_obey(SimMachine *m, VgpuOrder order)
{
    SimVm *vm = order.client != NULL ? order.client->owner : NULL;

    if (m->observer.order != NULL)
        m->observer.order(m, order, m->observer.data);
    switch (order.kind) {
    case VGPU_ORDER_NONE:
        break;
    case VGPU_ORDER_GRANT:
        m->turns++;
        if (m->turn_waits[order.client->priority] != NULL)
            sim_histogram_add(m->turn_waits[order.client->priority], order.waited_ns);
        m->on_device = vm;
        vm->started = vm->asked = FALSE;
        vm->shared = order.shared;
        vm->bound = order.jobs;
        vm->turn_jobs = 0;
        push(m, &m->work, m->now_ns + m->hand_over_ns);
        break;
    case VGPU_ORDER_SHARE:
        vm->shared = TRUE;
        if (vm->started)
            work(vm);
        break;
    case VGPU_ORDER_ASK_BACK:
        m->recalls++;
        vm->asked = TRUE;
        if (vm->started)
            work(vm);
        break;
    case VGPU_ORDER_FENCE:
        m->fences++;
        fence(vm);
        break;
    }
}

/* --- Events --- */

static void on_work(SimMachine *m)
{
    SimVm *vm = m->on_device;

    if (!vm->started) {
        vm->started = TRUE;
    } else {
        const guint64 length = job_at(vm, 0)->length_ns;

        m->busy_ns += length;
        vm->served_ns += length;
        vm->served_jobs++;
        vm->first = (vm->first + 1) & (vm->room - 1);
        vm->count--;
        vm->submitted--;
        if (vm->load.pause_ns == 0 && vm->load.burst != 0)
            add_job(vm);
        if (vm->submitted > 0)
            start_job(vm);
    }
    work(vm);
}

void sim_machine_burst(SimVm *vm, guint jobs)
{
    SimMachine *m = vm->machine;

    for (guint i = 0; i < jobs; i++)
        add_job(vm);
    if (vm->started)
        work(vm);
    else if (vm->client->state == VGPU_SCHEDULER_IDLE)
        sim_machine_obey(m, vgpu_scheduler_want(m->scheduler, vm->client, m->now_ns));
}

static void on_arrival(SimVm *vm)
{
    const guint jobs = (guint)sim_random_around(&vm->random, vm->load.burst);
    const double left_in = busyness(&vm->load, vm->machine->now_ns) / (1 + vm->load.swing);

    plan_arrival(vm);
    if (left_in >= 1 || sim_random_unit(&vm->random) < left_in)
        sim_machine_burst(vm, jobs);
}

static void plan_tick(SimMachine *m)
{
    const guint64 at_ns = vgpu_scheduler_deadline(m->scheduler);

    if (at_ns == m->tick_ns && (at_ns == NEVER || vgpu_heap_has(&m->tick)))
        return;
    take(m, &m->tick);
    m->tick_ns = at_ns;
    if (at_ns != NEVER)
        push(m, &m->tick, MAX(at_ns, m->now_ns));
}

gboolean sim_machine_step(SimMachine *m, guint64 until_ns)
{
    plan_tick(m);
    VgpuHeapNode *node = vgpu_heap_first(&m->events);
    const guint64 at_ns = vgpu_heap_first_key(&m->events);

    if (node == NULL || at_ns > until_ns) {
        m->now_ns = until_ns;
        return FALSE;
    }
    m->now_ns = at_ns;
    vgpu_heap_remove(&m->events, node);
    if (node == &m->work)
        on_work(m);
    else if (node == &m->tick)
        sim_machine_obey(m, vgpu_scheduler_tick(m->scheduler, m->now_ns));
    else
        on_arrival((SimVm *)node);
    return TRUE;
}

void sim_machine_run(SimMachine *m, guint64 until_ns)
{
    while (sim_machine_step(m, until_ns))
        ;
}

/* --- Coming and going --- */

void sim_machine_init(SimMachine *m, const VgpuSchedulerSettings *settings, guint64 hand_over_ns,
                      guint64 now_ns)
{
    *m = (SimMachine){
        .scheduler = vgpu_scheduler_new(settings, now_ns),
        .window = settings->window,
        .hand_over_ns = hand_over_ns,
        .now_ns = now_ns,
        .tick_ns = NEVER,
    };
}

void sim_machine_clear(SimMachine *m)
{
    vgpu_scheduler_free(m->scheduler);
    vgpu_heap_clear(&m->events);
}

SimVm *sim_machine_add(SimMachine *m, enum vgpu_priority priority, guint weight,
                       const SimLoad *load, SimRandom random)
{
    SimVm *vm = g_new0(SimVm, 1);

    vm->machine = m;
    vm->load = *load;
    vm->random = random;
    vm->client = vgpu_scheduler_add(m->scheduler, priority, weight, vm);
    if (load->pause_ns != 0)
        plan_arrival(vm);
    else
        sim_machine_burst(vm, load->burst);
    return vm;
}

void sim_machine_remove(SimVm *vm)
{
    SimMachine *m = vm->machine;

    take(m, &vm->arrival);
    if (vm->client->state == VGPU_SCHEDULER_HOLDING)
        take(m, &m->work);
    sim_machine_obey(m, vgpu_scheduler_remove(m->scheduler, vm->client, m->now_ns));
    g_free(vm->jobs);
    g_free(vm);
}
