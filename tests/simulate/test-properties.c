/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the scheduler promises (vgpud/core/scheduler.h), held against random histories. A history is
 * made of its number alone: "VGPU_SEED=17 test-properties" repeats one.
 */
#include <stdlib.h>

#include "world.h"

#define HISTORIES 150u

static guint64 first_seed = 1, last_seed = HISTORIES;

/* --- Any history --- */

static VgpuSchedulerSettings any_settings(SimRandom *random)
{
    VgpuSchedulerSettings settings = settings_of(sim_random_below(random, 2));

    settings.window = 1 + sim_random_below(random, 12);
    settings.slice_ns = (1 + sim_random_below(random, 40)) * 100 * US;
    settings.recall_ns = (50 + sim_random_below(random, 100)) * MS;
    if (sim_random_below(random, 2)) {
        settings.floor_percent[VGPU_PRIORITY_LOW] = sim_random_below(random, 45);
        settings.floor_percent[VGPU_PRIORITY_MEDIUM] = sim_random_below(random, 45);
        settings.floor_percent[VGPU_PRIORITY_HIGH] = sim_random_below(random, 2);
    }
    return settings;
}

static SimLoad any_load(SimRandom *random)
{
    const guint64 job_ns = (1 + sim_random_below(random, 50)) * 5 * US;

    if (sim_random_below(random, 3) == 0)
        return always(job_ns);
    return bursts(job_ns, (1 + sim_random_below(random, 100)) * 200 * US,
                  1 + sim_random_below(random, 20));
}

static void any_change(World *w)
{
    VgpuScheduler *s = w->machine.scheduler;
    const guint64 now = w->machine.now_ns;
    const guint place = sim_random_below(&w->random, VMS);
    const enum vgpu_priority priority = sim_random_below(&w->random, VGPU_PRIORITY_COUNT);
    SimVm *vm = w->vms[place];

    if (vm == NULL) {
        world_add(w, place, priority, 1 + sim_random_below(&w->random, 1000), any_load(&w->random));
        return;
    }
    switch (sim_random_below(&w->random, 8)) {
    case 0:
        world_remove(w, place);
        break;
    case 1:
        vm->hangs = TRUE;
        break;
    case 2:
        w->changed_priority = TRUE;
        sim_machine_obey(&w->machine, vgpu_scheduler_set_priority(s, vm->client, priority, now));
        break;
    case 3:
        sim_machine_obey(
            &w->machine,
            vgpu_scheduler_set_weight(s, vm->client, 1 + sim_random_below(&w->random, 1000), now));
        break;
    case 4:
        w->paused = !w->paused;
        sim_machine_obey(&w->machine,
                         w->paused ? vgpu_scheduler_pause(s, now) : vgpu_scheduler_resume(s, now));
        break;
    case 5:
        w->settings = any_settings(&w->random);
        w->settings.window = w->machine.window; /* the workers' */
        sim_machine_obey(&w->machine, vgpu_scheduler_configure(s, &w->settings, now));
        break;
    default:
        sim_machine_burst(vm, 1 + sim_random_below(&w->random, 5));
        break;
    }
}

static void test_any_history(void **state)
{
    (void)state;
    guint64 fences = 0;

    for (guint64 seed = first_seed; seed <= last_seed; seed++) {
        SimRandom random = sim_random(seed, 99);
        const VgpuSchedulerSettings settings = any_settings(&random);
        World w;

        world_init(&w, seed, &settings, sim_random_below(&random, 2) * 20 * US);
        for (guint change = 0; change < 200; change++) {
            const guint64 until = w.machine.now_ns + sim_random_around(&w.random, 5 * MS);

            while (sim_machine_step(&w.machine, until))
                world_check_nothing_lies_idle(&w);
            /* The account of a fenced VM's former client is gone with it. */
            if (w.machine.fences == 0)
                world_check_accounts(&w);
            any_change(&w);
        }
        fences += w.machine.fences;
        world_clear(&w);
    }
    assert_true(fences > 0 || first_seed == last_seed);
}

/* --- Priority --- */

static void test_high_waits_for_one_window(void **state)
{
    (void)state;

    for (guint64 seed = first_seed; seed <= last_seed; seed++) {
        const VgpuSchedulerSettings settings = settings_of(seed % 2);
        World w;

        world_init(&w, seed, &settings, 0);
        for (guint i = 0; i < 8; i++)
            world_add(&w, i, i % 2, VGPU_SCHEDULER_WEIGHT, always(200 * US));
        SimVm *high = world_add(&w, 8, VGPU_PRIORITY_HIGH, VGPU_SCHEDULER_WEIGHT, bursts(US, 1, 1));
        high->load.pause_ns = 0;
        high->load.burst = 0; /* its work comes from here */
        for (guint i = 0; i < 20; i++) {
            sim_machine_run(&w.machine, w.machine.now_ns + sim_random_around(&w.random, 10 * MS));
            if (high->count > 0)
                continue;
            const guint64 before = w.submitted;
            sim_machine_burst(high, 1);
            /* Nothing is submitted from now on but its job; a window of others was before. */
            while (high->count > 0)
                check(&w, sim_machine_step(&w.machine, G_MAXINT64));
            check(&w, w.submitted - before <= 1 + settings.window);
            check(&w, high->client->waited_ns <= (i + 1) * settings.window * LONGEST * 200 * US);
        }
        check(&w, high->served_jobs > 0);
        world_clear(&w);
    }
}

/* --- Floor --- */

static guint64 held_by(const World *w, enum vgpu_priority priority)
{
    guint64 held = 0;

    for (guint i = 0; i < VMS; i++)
        if (w->vms[i] != NULL && w->vms[i]->client->priority == priority)
            held += w->vms[i]->served_ns;
    return held;
}

static void test_nobody_starves_above_a_floor(void **state)
{
    (void)state;

    for (guint64 seed = first_seed; seed <= last_seed; seed++) {
        SimRandom random = sim_random(seed, 98);
        VgpuSchedulerSettings settings = settings_of(seed % 2);
        const guint64 job_ns = 20 * US, length = 2 * SECOND;
        World w;

        settings.floor_percent[VGPU_PRIORITY_LOW] = 1 + sim_random_below(&random, 40);
        settings.floor_percent[VGPU_PRIORITY_MEDIUM] = sim_random_below(&random, 40);
        world_init(&w, seed, &settings, 0);
        for (guint i = 0; i < 9; i++)
            world_add(&w, i, i % 3, VGPU_SCHEDULER_WEIGHT, always(job_ns));
        sim_machine_run(&w.machine, w.machine.now_ns + length);

        const guint64 turn = settings.slice_ns + settings.window * LONGEST * job_ns;
        for (guint i = 0; i < VGPU_PRIORITY_HIGH; i++) {
            const guint64 owed = length * settings.floor_percent[i] / 100;
            check(&w, held_by(&w, i) + 3 * turn >= owed);
            /* Nor is it more: what is left is the higher priority's. */
            check(&w, held_by(&w, i) <= owed + 3 * turn);
        }
        world_clear(&w);
    }
}

static void test_without_a_floor_high_has_it_all(void **state)
{
    (void)state;
    const VgpuSchedulerSettings settings = settings_of(VGPU_SCHEDULER_FIFO);
    World w;

    world_init(&w, 1, &settings, 0);
    world_add(&w, 0, VGPU_PRIORITY_LOW, VGPU_SCHEDULER_WEIGHT, always(100 * US));
    world_add(&w, 1, VGPU_PRIORITY_HIGH, VGPU_SCHEDULER_WEIGHT, always(100 * US));
    sim_machine_run(&w.machine, w.machine.now_ns + SECOND);
    check(&w, w.vms[0]->served_jobs <= settings.window);
    world_clear(&w);
}

/* --- Shares --- */

typedef struct {
    guint64 since_ns; /* G_MAXUINT64: does not want all the time */
    guint64 held_ns;
} Mark;

static guint64 held_so_far(const World *w, guint place)
{
    const VgpuSchedulerClient *client = w->vms[place]->client;

    return client->held_ns +
           (client->state == VGPU_SCHEDULER_HOLDING ? w->machine.now_ns - client->since_ns : 0);
}

/* In the time from the marks on, nobody had more by weight than another, but for a turn of each. */
static void check_shares(World *w, const Mark *marks, guint count, guint64 turn_ns)
{
    for (guint i = 0; i < count; i++) {
        for (guint j = 0; j < count; j++) {
            if (marks[i].since_ns != marks[j].since_ns)
                continue;
            const double wi = w->vms[i]->client->weight, wj = w->vms[j]->client->weight;
            const double si = (double)(held_so_far(w, i) - marks[i].held_ns);
            const double sj = (double)(held_so_far(w, j) - marks[j].held_ns);
            const double most = (double)turn_ns / wi + (double)turn_ns / wj;
            check(w, si / wi - sj / wj <= most);
        }
    }
}

static void test_share_error_is_one_turn(void **state)
{
    (void)state;
    const VgpuSchedulerSettings settings = settings_of(VGPU_SCHEDULER_FAIR);
    const guint64 job_ns = 20 * US;
    const guint64 turn_ns = settings.slice_ns + settings.window * LONGEST * job_ns;

    for (guint64 seed = first_seed; seed <= last_seed; seed++) {
        const guint count = 2 + (guint)(seed % 7);
        Mark marks[VMS];
        World w;

        world_init(&w, seed, &settings, 0);
        for (guint i = 0; i < count; i++)
            world_add(&w, i, VGPU_PRIORITY_MEDIUM, 20 + sim_random_below(&w.random, 500),
                      always(job_ns));
        /* Others that come and go, in this priority and above. */
        world_add(&w, 9, VGPU_PRIORITY_MEDIUM, 100, bursts(job_ns, 20 * MS, 100));
        world_add(&w, 10, VGPU_PRIORITY_HIGH, 100, bursts(job_ns, 20 * MS, 50));
        /* One that comes late is owed nothing for the time before. */
        w.vms[0]->load.burst = 0;
        for (guint epoch = 0; epoch < 30; epoch++) {
            if (epoch == 10) {
                w.vms[0]->load.burst = 32;
                sim_machine_burst(w.vms[0], 32);
            }
            for (guint i = 0; i < count; i++)
                marks[i] = (Mark){w.machine.now_ns, held_so_far(&w, i)};
            if (w.vms[0]->count == 0)
                marks[0].since_ns = G_MAXUINT64;
            for (guint i = 0; i < 20; i++) {
                sim_machine_run(&w.machine, w.machine.now_ns + 7 * MS);
                if (epoch != 0) /* the sleeper's first jobs */
                    check_shares(&w, marks, count, turn_ns);
            }
        }
        world_clear(&w);
    }
}

static void check_four_equal(VgpuSchedulerPolicy policy, const guint64 job_ns[4])
{
    for (guint64 seed = first_seed; seed <= MIN(last_seed, first_seed + 9); seed++) {
        const VgpuSchedulerSettings settings = settings_of(policy);
        guint64 least = G_MAXUINT64, most = 0;
        World w;

        world_init(&w, seed, &settings, 20 * US);
        for (guint i = 0; i < 4; i++)
            world_add(&w, i, VGPU_PRIORITY_MEDIUM, VGPU_SCHEDULER_WEIGHT, always(job_ns[i]));
        sim_machine_run(&w.machine, w.machine.now_ns + 60 * SECOND);
        for (guint i = 0; i < 4; i++) {
            least = MIN(least, w.vms[i]->served_ns);
            most = MAX(most, w.vms[i]->served_ns);
        }
        check(&w, (double)most <= 1.02 * (double)least);
        check(&w, (double)w.machine.busy_ns >= 0.95 * 60 * SECOND);
        world_clear(&w);
    }
}

static void test_four_equal(void **state)
{
    (void)state;
    check_four_equal(VGPU_SCHEDULER_FIFO, (guint64[]){200 * US, 200 * US, 200 * US, 200 * US});
    check_four_equal(VGPU_SCHEDULER_FAIR, (guint64[]){200 * US, 200 * US, 200 * US, 200 * US});
    /* By time, however it is cut into jobs. */
    check_four_equal(VGPU_SCHEDULER_FAIR, (guint64[]){50 * US, 100 * US, 300 * US, 900 * US});
}

static void test_the_same_seed_is_the_same_history(void **state)
{
    (void)state;
    guint64 turns[2], busy[2];

    for (guint run = 0; run < 2; run++) {
        SimRandom random = sim_random(5, 1);
        const VgpuSchedulerSettings settings = settings_of(VGPU_SCHEDULER_FAIR);
        World w;

        world_init(&w, 5, &settings, 20 * US);
        for (guint i = 0; i < VMS; i++)
            world_add(&w, i, i % 3, 100, any_load(&random));
        sim_machine_run(&w.machine, w.machine.now_ns + SECOND);
        turns[run] = w.machine.turns;
        busy[run] = w.machine.busy_ns;
        world_clear(&w);
    }
    assert_int_equal(turns[0], turns[1]);
    assert_int_equal(busy[0], busy[1]);
    assert_true(turns[0] > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_history),
        cmocka_unit_test(test_high_waits_for_one_window),
        cmocka_unit_test(test_nobody_starves_above_a_floor),
        cmocka_unit_test(test_without_a_floor_high_has_it_all),
        cmocka_unit_test(test_share_error_is_one_turn),
        cmocka_unit_test(test_four_equal),
        cmocka_unit_test(test_the_same_seed_is_the_same_history),
    };
    const char *seed = getenv("VGPU_SEED");

    if (seed != NULL)
        first_seed = last_seed = g_ascii_strtoull(seed, NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
