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

/* Whatever it wants, and though nobody else does, it has its share: 25 % of ten seconds. */
static void test_a_share_is_kept_alone(void **state)
{
    (void)state;
    Fixture f;
    guint64 now = 0;
    set_up(&f, &fifo, MEDIUM, -1);

    assert_order(vgpu_scheduler_set_share(f.s, f.c[0], 25, 0), NONE, NULL);
    VgpuOrder order = want(&f, 0, 0);
    assert_order(order, GRANT, f.c[0]);
    assert_true(order.shared);
    while (now < 10000 * MS) {
        /* A third of what it may be ahead: with each of those 33 ms it is 100 ms further. */
        assert_in_range(vgpu_scheduler_deadline(f.s) - now, 33 * MS, 34 * MS);
        now = vgpu_scheduler_deadline(f.s);
        assert_order(tick(&f, now), ASK_BACK, f.c[0]);
        assert_order(back(&f, 0, VGPU_RETURNED_WANTS, now), NONE, NULL);
        assert_int_equal(f.c[0]->state, VGPU_SCHEDULER_WAITING);
        assert_order(tick(&f, now + 50 * MS), NONE, NULL);
        now = vgpu_scheduler_deadline(f.s);
        assert_order(tick(&f, now), GRANT, f.c[0]);
    }
    assert_in_range(f.c[0]->held_ns, now * 24 / 100, now * 26 / 100);
    tear_down(&f);
}

/* Meanwhile it is in nobody's way, whatever its priority; and it is back when it is even. */
static void test_a_spent_share_stands_back(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, HIGH, LOW, -1);

    vgpu_scheduler_set_share(f.s, f.c[0], 50, 0);
    want(&f, 0, 0);
    want(&f, 1, 0);
    assert_order(tick(&f, 101 * MS), ASK_BACK, f.c[0]);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, 110 * MS), GRANT, f.c[1]);
    /* What it had more by not returning it at once is paid for, too. */
    assert_int_equal(vgpu_scheduler_deadline(f.s), 220 * MS);
    assert_order(tick(&f, 219 * MS), NONE, NULL);
    assert_order(tick(&f, 220 * MS), ASK_BACK, f.c[1]);
    assert_order(back(&f, 1, VGPU_RETURNED_WANTS, 221 * MS), GRANT, f.c[0]);
    tear_down(&f);
}

/* A pause is not saved up beyond what it may be ahead, and nothing is owed for time without work.
 */
static void test_a_share_is_not_saved(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, -1);

    vgpu_scheduler_set_share(f.s, f.c[0], 50, 0);
    want(&f, 0, 5000 * MS);
    assert_in_range(vgpu_scheduler_deadline(f.s), 5100 * MS, 5101 * MS);
    assert_order(back(&f, 0, 0, 5010 * MS), NONE, NULL);
    assert_order(want(&f, 0, 5020 * MS), GRANT, f.c[0]);
    assert_in_range(vgpu_scheduler_deadline(f.s), 5120 * MS, 5121 * MS);
    tear_down(&f);
}

/* Another share at any time, in any state. */
static void test_another_share(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, -1);

    assert_order(want(&f, 0, 0), GRANT, f.c[0]);
    assert_order(vgpu_scheduler_set_share(f.s, f.c[0], 10, 0), SHARE, f.c[0]);
    guint64 now = vgpu_scheduler_deadline(f.s);
    assert_order(tick(&f, now), ASK_BACK, f.c[0]);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, now), NONE, NULL);
    assert_order(vgpu_scheduler_set_priority(f.s, f.c[0], HIGH, now), NONE, NULL);
    assert_order(vgpu_scheduler_set_weight(f.s, f.c[0], 300, now), NONE, NULL);
    assert_order(vgpu_scheduler_set_share(f.s, f.c[0], 100, now), GRANT, f.c[0]);
    /* Gone while it waits for its share. */
    vgpu_scheduler_set_share(f.s, f.c[0], 10, now);
    now = vgpu_scheduler_deadline(f.s);
    tick(&f, now);
    back(&f, 0, VGPU_RETURNED_WANTS, now);
    assert_order(vgpu_scheduler_remove(f.s, f.c[0], now), NONE, NULL);
    f.c[0] = NULL;
    assert_int_equal(vgpu_scheduler_deadline(f.s), NEVER);
    assert_order(want(&f, 1, now), GRANT, f.c[1]);
    /* And unwanted. */
    vgpu_scheduler_set_share(f.s, f.c[1], 10, now);
    now = vgpu_scheduler_deadline(f.s);
    tick(&f, now);
    back(&f, 1, VGPU_RETURNED_WANTS, now);
    vgpu_scheduler_unwant(f.s, f.c[1], now);
    assert_int_equal(vgpu_scheduler_deadline(f.s), NEVER);
    assert_int_equal(f.c[1]->state, VGPU_SCHEDULER_IDLE);
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
        cmocka_unit_test(test_a_share_is_kept_alone),
        cmocka_unit_test(test_a_spent_share_stands_back),
        cmocka_unit_test(test_a_share_is_not_saved),
        cmocka_unit_test(test_another_share),
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
