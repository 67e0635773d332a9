/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the scheduler says to each event. Long runs are in tests/simulate. */
#include "scheduler-fixture.h"

static const VgpuSchedulerSettings fifo = VGPU_SCHEDULER_DEFAULTS;
static VgpuSchedulerSettings fair = VGPU_SCHEDULER_DEFAULTS;

static void test_alone_it_keeps_the_lease(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, -1);

    VgpuOrder order = want(&f, 0, 5);
    assert_order(order, GRANT, f.c[0]);
    assert_false(order.shared);
    assert_int_equal(order.jobs, 0);
    assert_true(vgpu_scheduler_deadline(f.s) == NEVER);
    assert_order(want(&f, 0, 6), NONE, NULL);
    assert_order(tick(&f, 3600 * 1000 * MS), NONE, NULL);
    assert_ptr_equal(vgpu_scheduler_holder(f.s), f.c[0]);
    tear_down(&f);
}

static void test_first_come_first_served(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, MEDIUM, -1);

    assert_order(want(&f, 2, 1), GRANT, f.c[2]);
    assert_order(want(&f, 1, 2), ASK_BACK, f.c[2]);
    assert_order(want(&f, 0, 3), NONE, NULL);
    VgpuOrder order = back(&f, 2, VGPU_RETURNED_WANTS, 4);
    assert_order(order, GRANT, f.c[1]);
    assert_true(order.shared);
    assert_int_equal(order.jobs, fifo.window);
    assert_int_equal(order.waited_ns, 2);
    assert_order(back(&f, 1, 0, 5), GRANT, f.c[0]);
    assert_order(want(&f, 1, 6), NONE, NULL);
    /* 2 has wanted since 4, 1 since 6. */
    assert_order(back(&f, 0, 0, 7), GRANT, f.c[2]);
    assert_order(back(&f, 2, 0, 8), GRANT, f.c[1]);
    assert_order(back(&f, 1, 0, 9), NONE, NULL);
    assert_null(vgpu_scheduler_holder(f.s));
    tear_down(&f);
}

static void test_a_turn_that_could_not_be_used_keeps_its_place_once(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, -1);
    const VgpuReturned unused = VGPU_RETURNED_WANTS | VGPU_RETURNED_UNUSED;

    assert_order(want(&f, 0, 1), GRANT, f.c[0]);
    assert_order(want(&f, 1, 1), ASK_BACK, f.c[0]);
    assert_order(back(&f, 0, unused, 2), GRANT, f.c[0]);
    assert_order(tick(&f, 2), NONE, NULL); /* its turn is bounded by jobs now */
    assert_order(back(&f, 0, unused, 3), GRANT, f.c[1]);
    tear_down(&f);
}

static void test_priority_comes_first(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, LOW, MEDIUM, HIGH, -1);

    assert_order(want(&f, 0, 1), GRANT, f.c[0]);
    assert_order(want(&f, 1, 2), ASK_BACK, f.c[0]);
    assert_order(want(&f, 2, 3), NONE, NULL);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, 4), GRANT, f.c[2]);
    /* The others wait however long it takes. */
    assert_order(tick(&f, 1000000 * MS), NONE, NULL);
    assert_order(back(&f, 2, 0, 1000001 * MS), GRANT, f.c[1]);
    assert_order(want(&f, 2, 1000002 * MS), ASK_BACK, f.c[1]);
    assert_order(back(&f, 1, 0, 1000003 * MS), GRANT, f.c[2]);
    assert_order(back(&f, 2, 0, 1000004 * MS), GRANT, f.c[0]);
    tear_down(&f);
}

static void test_who_is_more_important_is_told_to_share(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, LOW, HIGH, MEDIUM, -1);

    assert_order(want(&f, 1, 1), GRANT, f.c[1]);
    assert_order(want(&f, 0, 2), SHARE, f.c[1]);
    assert_order(want(&f, 2, 3), NONE, NULL); /* it knows */
    VgpuOrder order = back(&f, 1, 0, 4);
    assert_order(order, GRANT, f.c[2]);
    assert_true(order.shared);
    assert_int_equal(order.jobs, 0); /* nobody of its priority waits */
    tear_down(&f);
}

static void test_who_does_not_return_it_is_fenced_once(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, -1);
    const guint64 end = 10 + fifo.recall_ns;

    want(&f, 0, 1);
    assert_order(want(&f, 1, 10), ASK_BACK, f.c[0]);
    assert_int_equal(vgpu_scheduler_deadline(f.s), end);
    assert_order(tick(&f, end - 1), NONE, NULL);
    assert_order(tick(&f, end), FENCE, f.c[0]);
    assert_order(tick(&f, end + 1), NONE, NULL);
    assert_true(vgpu_scheduler_deadline(f.s) == NEVER);
    /* The device may still work for it: nobody gets it before it is removed. */
    assert_order(want(&f, 1, end + 2), NONE, NULL);
    assert_order(vgpu_scheduler_remove(f.s, g_steal_pointer(&f.c[0]), end + 3), GRANT, f.c[1]);
    tear_down(&f);
}

static void test_a_bounded_turn_ends_by_the_clock_too(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, -1);

    want(&f, 0, 0);
    want(&f, 1, 0);
    assert_order(back(&f, 0, VGPU_RETURNED_WANTS, MS), GRANT, f.c[1]);
    assert_int_equal(vgpu_scheduler_deadline(f.s), 3 * MS);
    assert_order(tick(&f, 3 * MS), ASK_BACK, f.c[1]);
    tear_down(&f);
}

static void test_removal(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 1);
    want(&f, 1, 2);
    want(&f, 2, 3);
    assert_order(vgpu_scheduler_remove(f.s, g_steal_pointer(&f.c[1]), 4), NONE, NULL);
    assert_order(vgpu_scheduler_remove(f.s, g_steal_pointer(&f.c[3]), 4), NONE, NULL);
    assert_order(vgpu_scheduler_remove(f.s, g_steal_pointer(&f.c[0]), 5), GRANT, f.c[2]);
    assert_int_equal(vgpu_scheduler_clients(f.s), 1);
    assert_order(vgpu_scheduler_remove(f.s, g_steal_pointer(&f.c[2]), 6), NONE, NULL);
    assert_null(vgpu_scheduler_holder(f.s));
    tear_down(&f);
}

static void test_a_wish_may_be_taken_back(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 1);
    want(&f, 1, 2);
    want(&f, 2, 3);
    vgpu_scheduler_unwant(f.s, f.c[1], 4);
    assert_int_equal(vgpu_scheduler_waiting(f.s, MEDIUM), 1);
    vgpu_scheduler_unwant(f.s, f.c[0], 4); /* it has the lease: no matter */
    assert_order(back(&f, 0, 0, 5), GRANT, f.c[2]);
    tear_down(&f);
}

static void test_foreign_words_are_ignored(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 1);
    want(&f, 1, 2);
    assert_order(back(&f, 1, 0, 3), NONE, NULL);                   /* waits */
    assert_order(back(&f, 2, VGPU_RETURNED_WANTS, 3), NONE, NULL); /* idle */
    assert_ptr_equal(vgpu_scheduler_holder(f.s), f.c[0]);
    assert_int_equal(f.c[2]->state, VGPU_SCHEDULER_IDLE);
    assert_int_equal(f.c[1]->state, VGPU_SCHEDULER_WAITING);
    /* A clock that runs backwards stands. */
    assert_order(back(&f, 0, 0, 1), GRANT, f.c[1]);
    assert_int_equal(f.c[0]->held_ns, 2);
    tear_down(&f);
}

static void test_priority_changes_at_once(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, MEDIUM, -1);

    want(&f, 0, 1);
    want(&f, 1, 2);
    back(&f, 0, VGPU_RETURNED_WANTS, 3); /* 1 has it, 0 waits */
    want(&f, 2, 4);
    assert_order(vgpu_scheduler_set_priority(f.s, f.c[2], HIGH, 5), ASK_BACK, f.c[1]);
    assert_order(back(&f, 1, VGPU_RETURNED_WANTS, 6), GRANT, f.c[2]);
    /* The holder sinks below those who wait. */
    assert_order(vgpu_scheduler_set_priority(f.s, f.c[2], LOW, 7), ASK_BACK, f.c[2]);
    assert_order(back(&f, 2, 0, 8), GRANT, f.c[0]);
    /* Going away and back costs no place: 1 has wanted since 6. */
    want(&f, 2, 9);
    vgpu_scheduler_set_priority(f.s, f.c[1], LOW, 10);
    vgpu_scheduler_set_priority(f.s, f.c[2], MEDIUM, 10);
    vgpu_scheduler_set_priority(f.s, f.c[1], MEDIUM, 10);
    assert_order(back(&f, 0, 0, 11), GRANT, f.c[1]);
    tear_down(&f);
}

static void test_accounts_survive_changes(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, -1);

    want(&f, 0, 0);
    want(&f, 1, 5);
    back(&f, 0, VGPU_RETURNED_WANTS, 10);
    vgpu_scheduler_set_priority(f.s, f.c[0], HIGH, 20);
    vgpu_scheduler_set_weight(f.s, f.c[0], 7, 20);
    vgpu_scheduler_configure(f.s, &fair, 20);
    assert_int_equal(f.c[0]->held_ns, 10);
    assert_int_equal(f.c[0]->turns, 1);
    assert_int_equal(f.c[0]->recalls, 1);
    assert_order(back(&f, 1, 0, 30), GRANT, f.c[0]);
    assert_int_equal(f.c[0]->waited_ns, 20);
    assert_int_equal(f.c[1]->waited_ns, 5);
    assert_int_equal(f.c[1]->held_ns, 20);
    tear_down(&f);
}

static void test_pause(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &fifo, MEDIUM, MEDIUM, -1);

    want(&f, 0, 1);
    assert_order(vgpu_scheduler_pause(f.s, 2), ASK_BACK, f.c[0]);
    want(&f, 1, 3);
    assert_order(back(&f, 0, 0, 4), NONE, NULL);
    assert_true(vgpu_scheduler_deadline(f.s) == NEVER);
    assert_order(vgpu_scheduler_resume(f.s, 5), GRANT, f.c[1]);
    tear_down(&f);
}

static void test_names_of_policies(void **state)
{
    (void)state;
    VgpuSchedulerPolicy policy;

    for (guint i = 0; vgpu_scheduler_policy_name(i) != NULL; i++) {
        assert_true(vgpu_scheduler_policy_by_name(vgpu_scheduler_policy_name(i), &policy));
        assert_int_equal(policy, i);
    }
    assert_true(vgpu_scheduler_policy_by_name("fair", &policy));
    assert_int_equal(policy, VGPU_SCHEDULER_FAIR);
    assert_false(vgpu_scheduler_policy_by_name("", &policy));
}

static void test_settings_are_checked(void **state)
{
    (void)state;
    VgpuSchedulerSettings settings = fifo;

    assert_null(vgpu_scheduler_settings_check(&settings));
    settings.floor_percent[LOW] = 60;
    assert_null(vgpu_scheduler_settings_check(&settings));
    settings.floor_percent[MEDIUM] = 31;
    assert_non_null(vgpu_scheduler_settings_check(&settings));
    settings = fifo;
    settings.floor_percent[LOW] = G_MAXUINT;
    settings.floor_percent[MEDIUM] = 2;
    assert_non_null(vgpu_scheduler_settings_check(&settings));
    settings = fifo;
    settings.window = 0;
    assert_non_null(vgpu_scheduler_settings_check(&settings));
    settings = fifo;
    settings.slice_ns = 0;
    assert_non_null(vgpu_scheduler_settings_check(&settings));
    settings = fifo;
    settings.recall_ns = 0;
    assert_non_null(vgpu_scheduler_settings_check(&settings));
    settings = fifo;
    settings.policy = 7;
    assert_non_null(vgpu_scheduler_settings_check(&settings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_keeps_the_lease),
        cmocka_unit_test(test_first_come_first_served),
        cmocka_unit_test(test_a_turn_that_could_not_be_used_keeps_its_place_once),
        cmocka_unit_test(test_priority_comes_first),
        cmocka_unit_test(test_who_is_more_important_is_told_to_share),
        cmocka_unit_test(test_who_does_not_return_it_is_fenced_once),
        cmocka_unit_test(test_a_bounded_turn_ends_by_the_clock_too),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_a_wish_may_be_taken_back),
        cmocka_unit_test(test_foreign_words_are_ignored),
        cmocka_unit_test(test_priority_changes_at_once),
        cmocka_unit_test(test_accounts_survive_changes),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_names_of_policies),
        cmocka_unit_test(test_settings_are_checked),
    };
    fair.policy = VGPU_SCHEDULER_FAIR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
