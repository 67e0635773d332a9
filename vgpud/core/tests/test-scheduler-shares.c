/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How time is divided: slices, weights, floors. Long runs are in tests/simulate. */
#include "scheduler-fixture.h"

static const VgpuSchedulerSettings fifo = VGPU_SCHEDULER_DEFAULTS;
static VgpuSchedulerSettings fair = VGPU_SCHEDULER_DEFAULTS;

static void test_a_slice_ends(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fair, MEDIUM, MEDIUM, -1);

    want(&f, 0, 0);
    /* Within its slice it keeps the lease, if it has work. */
    assert_order(want(&f, 1, MS), SHARE, f.c[0]);
    assert_int_equal(vgpu_scheduler_deadline(f.s), 2 * MS);
    assert_order(tick(&f, 2 * MS), ASK_BACK, f.c[0]);
    VgpuOrder order = back(&f, 0, VGPU_RETURNED_WANTS, 3 * MS);
    assert_order(order, GRANT, f.c[1]);
    assert_int_equal(order.jobs, 0);
    assert_int_equal(vgpu_scheduler_deadline(f.s), 5 * MS);
    /* One that had the device for long does not get a slice more. */
    back(&f, 1, 0, 4 * MS);
    assert_order(tick(&f, 1000 * MS), NONE, NULL);
    assert_order(want(&f, 1, 1001 * MS), ASK_BACK, f.c[0]);
    tear_down(&f);
}

static void test_weights(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fair, MEDIUM, MEDIUM, -1);

    assert_order(vgpu_scheduler_set_weight(f.s, f.c[0], 300, 0), NONE, NULL);
    want(&f, 0, 0);
    want(&f, 1, 0);
    assert_order(tick(&f, 2 * MS), ASK_BACK, f.c[0]);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, 2 * MS), GRANT, f.c[1]);
    assert_order(tick(&f, 4 * MS), ASK_BACK, f.c[1]);
    assert_order(back(&f, 1, VGPU_RETURNED_WANTS, 4 * MS), GRANT, f.c[0]);
    /* 2 ms of one are as much as 6 ms of the other, of which it has had 2. */
    assert_in_range(vgpu_scheduler_deadline(f.s), 8 * MS, 8 * MS + 3);
    /* Alike from now on: it may still have what it was behind, by the new weight. */
    assert_order(vgpu_scheduler_set_weight(f.s, f.c[0], 100, 4 * MS), NONE, NULL);
    assert_int_equal(vgpu_scheduler_deadline(f.s), 6 * MS);
    tear_down(&f);
}

static void test_another_weight_forgives_nothing(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fair, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 0);
    want(&f, 1, 0);
    tick(&f, 2 * MS);
    back(&f, 0, VGPU_RETURNED_WANTS, 2 * MS);
    want(&f, 2, 2 * MS);
    /* 0 has had 2 ms while the others waited: they come first, by whatever weight. */
    vgpu_scheduler_set_weight(f.s, f.c[0], 200, 2 * MS);
    assert_order(back(&f, 1, 0, 2 * MS), GRANT, f.c[2]);
    tear_down(&f);
}

static void test_another_priority_forgives_nothing(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fair, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 0);
    want(&f, 1, 0);
    tick(&f, 2 * MS);
    back(&f, 0, VGPU_RETURNED_WANTS, 2 * MS);
    want(&f, 2, 2 * MS);
    vgpu_scheduler_set_priority(f.s, f.c[0], LOW, 2 * MS);
    vgpu_scheduler_set_priority(f.s, f.c[0], MEDIUM, 2 * MS);
    assert_order(back(&f, 1, 0, 2 * MS), GRANT, f.c[2]);
    tear_down(&f);
}

static void test_absence_earns_nothing(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fair, MEDIUM, MEDIUM, MEDIUM, -1);
    guint64 now = 0;
    guint holder = 0;

    want(&f, 0, 0);
    want(&f, 1, 0);
    for (guint turn = 0; turn < 1000; turn++, holder = 1 - holder) {
        now = vgpu_scheduler_deadline(f.s);
        assert_order(tick(&f, now), ASK_BACK, f.c[holder]);
        assert_order(back(&f, holder, VGPU_RETURNED_WANTS, now), GRANT, f.c[1 - holder]);
    }
    /* It gets every third turn, not a second's worth at once. */
    want(&f, 2, now);
    guint turns = 0;
    for (guint turn = 0; turn < 300; turn++) {
        VgpuSchedulerClient *client = vgpu_scheduler_holder(f.s);

        turns += client == f.c[2];
        now = vgpu_scheduler_deadline(f.s);
        tick(&f, now);
        vgpu_scheduler_returned(f.s, client, VGPU_RETURNED_WANTS, now);
    }
    assert_in_range(turns, 99, 101);
    tear_down(&f);
}

static void test_floor(void **state)
{
    (void)state;
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;
    Fixture f;

    settings.floor_percent[LOW] = 10;
    set_up(&f, &settings, LOW, HIGH, -1);
    want(&f, 1, 0);
    assert_order(want(&f, 0, 10 * MS), SHARE, f.c[1]);
    /* 10 % of 20 ms are one slice. */
    assert_int_equal(vgpu_scheduler_deadline(f.s), 30 * MS);
    assert_order(tick(&f, 30 * MS), ASK_BACK, f.c[1]);
    assert_order(back(&f, 1, VGPU_RETURNED_WANTS, 30 * MS), GRANT, f.c[0]);
    /* For the slice that it is owed it is not asked back. */
    assert_int_equal(vgpu_scheduler_deadline(f.s), 32 * MS);
    assert_order(tick(&f, 32 * MS), ASK_BACK, f.c[0]);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, 32 * MS), GRANT, f.c[1]);
    /* Of the 22 ms it was owed 2.2. */
    assert_int_equal(vgpu_scheduler_deadline(f.s), 50 * MS);
    tear_down(&f);
}

static void test_an_owed_turn_that_nobody_minds_is_an_ordinary_one(void **state)
{
    (void)state;
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;
    Fixture f;

    settings.floor_percent[LOW] = 10;
    set_up(&f, &settings, LOW, HIGH, -1);
    want(&f, 1, 0);
    want(&f, 0, 0);
    tick(&f, 20 * MS);
    assert_order(back(&f, 1, 0, 20 * MS), GRANT, f.c[0]);
    assert_order(tick(&f, vgpu_scheduler_deadline(f.s)), NONE, NULL);
    assert_true(vgpu_scheduler_deadline(f.s) == NEVER);
    assert_order(want(&f, 1, 1000 * MS), ASK_BACK, f.c[0]);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, 1000 * MS), GRANT, f.c[1]);
    /* A second alone is not held against it; nor is it owed for it. */
    assert_int_equal(vgpu_scheduler_deadline(f.s), 1020 * MS);
    tear_down(&f);
}

static void test_another_policy_in_between(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fair, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 0);
    want(&f, 1, 0);
    tick(&f, 2 * MS);
    back(&f, 0, VGPU_RETURNED_WANTS, 2 * MS); /* 1 has it */
    want(&f, 2, 3 * MS);                      /* after 0, but it has had nothing */
    assert_order(vgpu_scheduler_configure(f.s, &fifo, 3 * MS), ASK_BACK, f.c[1]);
    assert_order(back(&f, 1, 0, 3 * MS), GRANT, f.c[0]);
    vgpu_scheduler_configure(f.s, &fair, 3 * MS);
    want(&f, 1, 3 * MS);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, 4 * MS), GRANT, f.c[2]);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slice_ends),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_another_weight_forgives_nothing),
        cmocka_unit_test(test_another_priority_forgives_nothing),
        cmocka_unit_test(test_absence_earns_nothing),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_an_owed_turn_that_nobody_minds_is_an_ordinary_one),
        cmocka_unit_test(test_another_policy_in_between),
    };
    fair.policy = VGPU_SCHEDULER_FAIR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
