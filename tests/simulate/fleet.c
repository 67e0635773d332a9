/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet.h"

#define US G_GUINT64_CONSTANT(1000)

/* How often VMs come, go and are placed, and loads are looked at: this many times in a run. */
#define EPOCHS 100u

/* Of a hundred VMs of the diurnal trace: how many are there, and how many leave in an epoch. */
#define PRESENT_PERCENT 90u
#define LEAVES_PERCENT  1u

typedef struct {
    SimRandom random;
    enum vgpu_priority priority;
    SimLoad load;
    SimVm *vm; /* NULL: not started */
    guint gpu;
} Guest;

typedef struct {
    const SimFleetSettings *settings;
    SimFleetResult *result;
    SimMachine *machines;
    VgpuPlace *places;
    guint64 *busy_before; /* by GPU, at the last look */
    Guest *guests;
} Fleet;

static const struct {
    const char *name, *about;
} traces[] = {
    [SIM_TRACE_EQUAL] = {"equal", "all VMs always have work, one priority, jobs of 0.2 to 2 ms"},
    [SIM_TRACE_FLOOD] = {"flood", "all VMs always have work, three priorities"},
    [SIM_TRACE_BURSTS] = {"bursts", "bursts of jobs at random, 70 % load"},
    [SIM_TRACE_DIURNAL] = {"diurnal", "a day of 60 % load, 114 % at noon; VMs come and go"},
};

const char *sim_trace_name(SimTrace trace)
{
    return traces[trace].name;
}

const char *sim_trace_about(SimTrace trace)
{
    return traces[trace].about;
}

double sim_fairness(const SimClassResult *result)
{
    return result->squares > 0 ? result->sum * result->sum / (result->vms * result->squares) : 0;
}

static gboolean always_busy(SimTrace trace)
{
    return trace == SIM_TRACE_EQUAL || trace == SIM_TRACE_FLOOD;
}

/* Ten, thirty and sixty of a hundred. */
static enum vgpu_priority any_priority(SimRandom *random)
{
    const guint percent = sim_random_below(random, 100);

    if (percent < 10)
        return VGPU_PRIORITY_HIGH;
    return percent < 40 ? VGPU_PRIORITY_MEDIUM : VGPU_PRIORITY_LOW;
}

static SimLoad any_load(const SimFleetSettings *settings, SimRandom *random)
{
    static const guint64 job_ns[] = {200 * US, 500 * US, 1000 * US, 2000 * US};
    static const guint burst[] = {1, 4, 8, 16};
    static const double size[] = {0.2, 0.5, 1, 2.3}; /* 1 on average */
    SimLoad load = {.job_ns = job_ns[sim_random_below(random, 4)]};

    if (always_busy(settings->trace)) {
        load.burst = 2 * settings->scheduler.window;
        return load;
    }

    const gboolean day = settings->trace == SIM_TRACE_DIURNAL;
    double part = (day ? 0.6 * 100 / PRESENT_PERCENT : 0.7) * settings->gpus / settings->vms;

    part *= size[sim_random_below(random, 4)];
    load.burst = burst[sim_random_below(random, 4)];
    load.pause_ns = (guint64)((double)(load.burst * load.job_ns) / part);
    if (day) {
        load.period_ns = settings->length_ns;
        load.swing = 0.9;
    }
    return load;
}

/* --- Starting and stopping VMs --- */

static void start(Fleet *fleet, Guest *guest)
{
    const gssize gpu =
        vgpu_placement_choose(fleet->settings->placement, fleet->places, fleet->settings->gpus);

    if (gpu < 0) {
        fleet->result->refused++;
        return;
    }
    fleet->places[gpu].used++;
    guest->gpu = (guint)gpu;
    guest->vm = sim_machine_add(&fleet->machines[gpu], guest->priority, VGPU_SCHEDULER_WEIGHT,
                                &guest->load, sim_random(sim_random_next(&guest->random), 0));
}

static void stop(Fleet *fleet, Guest *guest)
{
    const SimVm *vm = guest->vm;
    SimClassResult *class = &fleet->result->classes[guest->priority];
    double x = (double)vm->served_ns;

    if (!always_busy(fleet->settings->trace))
        x = vm->asked_for_ns > 0 ? x / (double)vm->asked_for_ns : 1;
    class->vms++;
    class->asked_ns += vm->asked_for_ns;
    class->served_ns += vm->served_ns;
    class->sum += x;
    class->squares += x * x;
    fleet->result->jobs += vm->served_jobs;
    sim_machine_remove(g_steal_pointer(&guest->vm));
    fleet->places[guest->gpu].used--;
}

static void come_and_go(Fleet *fleet)
{
    const double comes = LEAVES_PERCENT / 100.0 * PRESENT_PERCENT / (100.0 - PRESENT_PERCENT);

    for (guint i = 0; i < fleet->settings->vms; i++) {
        Guest *guest = &fleet->guests[i];
        const double dice = sim_random_unit(&guest->random);

        if (guest->vm != NULL && dice < LEAVES_PERCENT / 100.0)
            stop(fleet, guest);
        else if (guest->vm == NULL && dice < comes)
            start(fleet, guest);
    }
}

static void start_all(Fleet *fleet)
{
    for (guint i = 0; i < fleet->settings->vms; i++) {
        Guest *guest = &fleet->guests[i];

        guest->random = sim_random(fleet->settings->seed, i);
        guest->priority = fleet->settings->trace == SIM_TRACE_EQUAL ? VGPU_PRIORITY_MEDIUM
                                                                    : any_priority(&guest->random);
        guest->load = any_load(fleet->settings, &guest->random);
        if (fleet->settings->trace != SIM_TRACE_DIURNAL ||
            sim_random_below(&guest->random, 100) < PRESENT_PERCENT)
            start(fleet, guest);
    }
}

/* How busy each device was since the last look, half weight to the looks before. */
static void look_at_loads(Fleet *fleet, guint64 epoch_ns)
{
    for (guint i = 0; i < fleet->settings->gpus; i++) {
        const guint64 busy = fleet->machines[i].busy_ns - fleet->busy_before[i];

        fleet->places[i].load = (guint)((fleet->places[i].load + busy * 1000 / epoch_ns) / 2);
        fleet->busy_before[i] = fleet->machines[i].busy_ns;
    }
}

/* --- A run --- */

static void sum_up(Fleet *fleet)
{
    SimFleetResult *result = fleet->result;
    const double total = (double)fleet->settings->length_ns * fleet->settings->gpus;

    for (guint i = 0; i < fleet->settings->gpus; i++) {
        const SimMachine *m = &fleet->machines[i];

        result->busy += (double)m->busy_ns / total;
        result->handed_over += (double)(m->turns * m->hand_over_ns) / total;
        result->turns += m->turns;
        result->recalls += m->recalls;
        result->unused_gpus += fleet->places[i].used == 0;
    }
}

SimFleetResult *sim_fleet_run(const SimFleetSettings *settings)
{
    const guint64 epoch_ns = settings->length_ns / EPOCHS;
    g_autofree SimMachine *machines = g_new0(SimMachine, settings->gpus);
    g_autofree VgpuPlace *places = g_new0(VgpuPlace, settings->gpus);
    g_autofree guint64 *busy_before = g_new0(guint64, settings->gpus);
    g_autofree Guest *guests = g_new0(Guest, settings->vms);
    SimFleetResult *result = g_new0(SimFleetResult, 1);
    Fleet fleet = {settings, result, machines, places, busy_before, guests};

    for (guint i = 0; i < settings->gpus; i++) {
        places[i].slots = settings->slots;
        sim_machine_init(&machines[i], &settings->scheduler, settings->hand_over_ns, 0);
        for (guint p = 0; p < VGPU_PRIORITY_COUNT; p++) {
            machines[i].turn_waits[p] = &result->classes[p].turn_waits;
            machines[i].job_waits[p] = &result->classes[p].job_waits;
        }
    }
    start_all(&fleet);
    for (guint epoch = 1; epoch <= EPOCHS; epoch++) {
        for (guint i = 0; i < settings->gpus; i++)
            sim_machine_run(&machines[i], epoch * epoch_ns);
        look_at_loads(&fleet, epoch_ns);
        if (settings->trace == SIM_TRACE_DIURNAL && epoch < EPOCHS)
            come_and_go(&fleet);
    }
    sum_up(&fleet);
    /* What removing the last VMs would still grant is not part of the run. */
    for (guint i = 0; i < settings->gpus; i++)
        for (guint p = 0; p < VGPU_PRIORITY_COUNT; p++)
            machines[i].turn_waits[p] = machines[i].job_waits[p] = NULL;
    for (guint i = 0; i < settings->vms; i++)
        if (guests[i].vm != NULL)
            stop(&fleet, &guests[i]);
    for (guint i = 0; i < settings->gpus; i++)
        sim_machine_clear(&machines[i]);
    return result;
}
