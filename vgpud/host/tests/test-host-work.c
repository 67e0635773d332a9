/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host-work.h"

static int setup(void **state)
{
    *state = vgpu_host_work_new();
    return 0;
}

static int teardown(void **state)
{
    vgpu_host_work_free(*state);
    return 0;
}

static void expect_look(VgpuHostWork *work, const char *expected)
{
    g_autofree char *uuid = NULL;

    assert_int_equal(vgpu_host_work_take(work, FALSE, &uuid), VGPU_HOST_TASK_LOOK);
    assert_string_equal(uuid, expected);
}

static void expect_task(VgpuHostWork *work, VgpuHostTask expected)
{
    g_autofree char *uuid = NULL;

    assert_int_equal(vgpu_host_work_take(work, FALSE, &uuid), expected);
    assert_null(uuid);
}

static void changes_coalesce(void **state)
{
    VgpuHostWork *work = *state;

    for (guint i = 0; i < 50; i++) {
        vgpu_host_work_add(work, "a");
        vgpu_host_work_add(work, "b");
    }
    expect_look(work, "a");
    vgpu_host_work_add(work, "a"); /* while it is looked at: once more, behind b */
    expect_look(work, "b");
    expect_look(work, "a");
    expect_task(work, VGPU_HOST_TASK_NONE);
}

static void begin_settles_what_waits(void **state)
{
    VgpuHostWork *work = *state;

    vgpu_host_work_add(work, "a");
    assert_true(vgpu_host_work_begin(work, "a"));
    expect_task(work, VGPU_HOST_TASK_NONE);
    assert_true(vgpu_host_work_begin(work, "a"));
}

static void held_is_kept_for_later(void **state)
{
    VgpuHostWork *work = *state;

    vgpu_host_work_hold(work, "a");
    vgpu_host_work_hold(work, "a");
    assert_true(vgpu_host_work_is_held(work, "a"));
    vgpu_host_work_add(work, "a");
    vgpu_host_work_add(work, "a");
    vgpu_host_work_add(work, "b");
    expect_look(work, "b");
    expect_task(work, VGPU_HOST_TASK_NONE);

    vgpu_host_work_resume(work, "a");
    assert_false(vgpu_host_work_is_held(work, "a"));
    expect_look(work, "a");
    expect_task(work, VGPU_HOST_TASK_NONE);
}

static void hold_without_change_brings_no_look(void **state)
{
    VgpuHostWork *work = *state;

    vgpu_host_work_hold(work, "a");
    vgpu_host_work_resume(work, "a");
    vgpu_host_work_resume(work, "a");
    vgpu_host_work_resume(work, "never held");
    expect_task(work, VGPU_HOST_TASK_NONE);
}

static void hold_takes_over_what_waits(void **state)
{
    VgpuHostWork *work = *state;

    vgpu_host_work_add(work, "a");
    vgpu_host_work_hold(work, "a");
    expect_task(work, VGPU_HOST_TASK_NONE);
    vgpu_host_work_resume(work, "a");
    expect_look(work, "a");
}

static void scan_passes_held_ones_by(void **state)
{
    VgpuHostWork *work = *state;

    vgpu_host_work_hold(work, "a");
    assert_false(vgpu_host_work_begin(work, "a"));
    vgpu_host_work_resume(work, "a");
    expect_look(work, "a");
}

static void loss_ends_holds(void **state)
{
    VgpuHostWork *work = *state;
    g_autofree char *before = vgpu_host_work_loss(work);

    assert_null(before);
    vgpu_host_work_add(work, "a");
    vgpu_host_work_hold(work, "b");
    assert_false(vgpu_host_work_is_over(work));
    vgpu_host_work_lose(work, "first");
    vgpu_host_work_lose(work, "second");
    assert_true(vgpu_host_work_is_over(work));
    assert_false(vgpu_host_work_is_held(work, "b"));
    expect_task(work, VGPU_HOST_TASK_LOST);

    g_autofree char *loss = vgpu_host_work_loss(work);
    assert_string_equal(loss, "first");

    /* The new connection begins with a scan; a hold of its time stays. */
    vgpu_host_work_hold(work, "c");
    vgpu_host_work_renew(work);
    assert_false(vgpu_host_work_is_over(work));
    assert_true(vgpu_host_work_is_held(work, "c"));
    expect_task(work, VGPU_HOST_TASK_NONE);
}

static void quit_goes_first(void **state)
{
    VgpuHostWork *work = *state;

    vgpu_host_work_add(work, "a");
    vgpu_host_work_lose(work, "lost");
    vgpu_host_work_quit(work);
    expect_task(work, VGPU_HOST_TASK_QUIT);
    assert_false(vgpu_host_work_sleep(work, G_MAXINT));
    assert_true(vgpu_host_work_is_over(work));
}

static gpointer take_until_quit(gpointer data)
{
    VgpuHostWork *work = data;
    guint looks = 0;
    VgpuHostTask task;

    do {
        g_autofree char *uuid = NULL;

        task = vgpu_host_work_take(work, TRUE, &uuid);
        looks += task == VGPU_HOST_TASK_LOOK;
        if (looks == 1 && task == VGPU_HOST_TASK_LOOK)
            vgpu_host_work_lose(work, "tell the test");
    } while (task != VGPU_HOST_TASK_QUIT);
    vgpu_host_work_finish(work);
    return GUINT_TO_POINTER(looks);
}

static void a_waiting_thread_wakes(void **state)
{
    VgpuHostWork *work = *state;
    GThread *thread;

    assert_false(vgpu_host_work_join(work, 1));
    thread = g_thread_new("worker", take_until_quit, work);
    vgpu_host_work_add(work, "a");
    while (!vgpu_host_work_is_over(work))
        g_thread_yield();
    vgpu_host_work_quit(work);
    assert_true(vgpu_host_work_join(work, G_MAXINT));
    assert_int_equal(GPOINTER_TO_UINT(g_thread_join(thread)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_coalesce, setup, teardown),
        cmocka_unit_test_setup_teardown(begin_settles_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(held_is_kept_for_later, setup, teardown),
        cmocka_unit_test_setup_teardown(hold_without_change_brings_no_look, setup, teardown),
        cmocka_unit_test_setup_teardown(hold_takes_over_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(scan_passes_held_ones_by, setup, teardown),
        cmocka_unit_test_setup_teardown(loss_ends_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(quit_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_waiting_thread_wakes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
