/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "breaker.h"

#define S G_GINT64_CONSTANT(1000000)

#define BAD  "fault:crash"
#define GOOD "null:"

#define VMS 12u

static const VgpuBreakerRule rule = {.vms = 3, .window_us = 60 * S};

typedef struct {
    VgpuPools *pools;
    VgpuSessions *sessions;
    VgpuSession *vm[VMS]; /* on the bad device, in pool A */
    VgpuBreaker *breaker;
} Fixture;

static const char pool[] = "[pool]\nname=A\n[member bad]\nbackend=fault\ndevice=crash\n"
                           "[member good]\nbackend=null\n";

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->pools = vgpu_pools_new();
    assert_true(vgpu_pools_add(fixture->pools, pool, strlen(pool), "test", NULL));
    fixture->sessions = vgpu_sessions_new();
    fixture->breaker = vgpu_breaker_new();
    for (guint i = 0; i < VMS; i++) {
        g_autofree char *uuid = g_strdup_printf("00000000-0000-4000-8000-0000000000%02u", i);
        g_autofree char *name = g_strdup_printf("vm%u", i);
        VgpuMember *member = vgpu_pools_place_on(fixture->pools, 'A', "bad", NULL);

        fixture->vm[i] =
            vgpu_session_new(uuid, name, i + 1, 'A', VGPU_PRIORITY_MEDIUM, member, NULL);
        vgpu_sessions_add(fixture->sessions, fixture->vm[i]);
        fixture->vm[i]->worker_pid = 100 + (pid_t)i;
        atomic_store(&fixture->vm[i]->page->state, VGPU_PAGE_READY);
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    for (guint i = 0; i < VMS; i++)
        vgpu_session_unref(fixture->vm[i]);
    vgpu_sessions_free(fixture->sessions);
    vgpu_breaker_free(fixture->breaker);
    vgpu_pools_free(fixture->pools);
    g_free(fixture);
    return 0;
}

/* Its worker dies at @now_s; the wall clock is 1000 s ahead. Returns why the device is given up. */
static char *blame(Fixture *fixture, guint vm, const char *key, gint64 now_s)
{
    return vgpu_breaker_blame(fixture->breaker, fixture->sessions, fixture->vm[vm], key, &rule,
                              now_s * S, (now_s + 1000) * S);
}

static void expect_quiet(Fixture *fixture, guint vm, const char *key, gint64 now_s)
{
    g_autofree char *why = blame(fixture, vm, key, now_s);

    assert_null(why);
}

static void answered(Fixture *fixture, guint vm, gint64 now_s)
{
    atomic_store(&fixture->vm[vm]->page->last_us, (now_s + 1000) * S);
}

static void test_several_vms(void **state)
{
    Fixture *fixture = *state;

    expect_quiet(fixture, 0, BAD, 100);
    expect_quiet(fixture, 1, BAD, 110);
    g_autofree char *why = blame(fixture, 2, BAD, 160);
    assert_string_equal(why, "it failed for 3 VMs within 60 s and served 0: vm0, vm1, vm2");
    /* And it begins anew. */
    expect_quiet(fixture, 3, BAD, 161);
}

static void test_one_vm_alone(void **state)
{
    Fixture *fixture = *state;

    for (gint64 now = 0; now < 1000; now++)
        expect_quiet(fixture, now % 2 == 0 ? 0 : 1, BAD, now);
}

static void test_window(void **state)
{
    Fixture *fixture = *state;

    expect_quiet(fixture, 0, BAD, 100);
    expect_quiet(fixture, 1, BAD, 130);
    expect_quiet(fixture, 2, BAD, 161); /* the first has left it */
    expect_quiet(fixture, 1, BAD, 191);
    g_autofree char *why = blame(fixture, 0, BAD, 221);
    assert_non_null(why); /* the second counts by its last time */
}

static void test_each_device(void **state)
{
    Fixture *fixture = *state;

    expect_quiet(fixture, 0, BAD, 100);
    expect_quiet(fixture, 1, GOOD, 100);
    expect_quiet(fixture, 2, "fault:fail", 100);
    expect_quiet(fixture, 1, BAD, 100);
}

/* A tenant with three VMs, and others for whom the device works. */
static void test_those_that_are_well(void **state)
{
    Fixture *fixture = *state;

    for (guint i = 3; i < 6; i++)
        answered(fixture, i, 100);
    /* These do not count: on another device, without a worker, without a device, long ago. */
    vgpu_session_set_member(fixture->vm[6], vgpu_pools_place_on(fixture->pools, 'A', "good", NULL));
    answered(fixture, 6, 100);
    fixture->vm[7]->worker_pid = 0;
    answered(fixture, 7, 100);
    atomic_store(&fixture->vm[8]->page->state, VGPU_PAGE_FAILED);
    answered(fixture, 8, 100);
    answered(fixture, 9, 30);

    expect_quiet(fixture, 0, BAD, 100);
    expect_quiet(fixture, 1, BAD, 100);
    expect_quiet(fixture, 2, BAD, 100);
    for (guint i = 0; i < 100; i++)
        expect_quiet(fixture, i % 3, BAD, 100);
    /* It fails for one of these, too: four to two. */
    g_autofree char *why = blame(fixture, 3, BAD, 101);
    assert_non_null(strstr(why, "for 4 VMs within 60 s and served 2: "));
}

static void test_off(void **state)
{
    Fixture *fixture = *state;
    const VgpuBreakerRule off = {.vms = 0, .window_us = 60 * S};

    for (guint i = 0; i < VMS; i++)
        assert_null(vgpu_breaker_blame(fixture->breaker, fixture->sessions, fixture->vm[i], BAD,
                                       &off, 100 * S, 100 * S));
}

static void test_names_are_few(void **state)
{
    Fixture *fixture = *state;
    const VgpuBreakerRule many = {.vms = 7, .window_us = 60 * S};
    char *why = NULL;

    for (guint i = 0; i < 7; i++) {
        assert_null(why);
        why = vgpu_breaker_blame(fixture->breaker, fixture->sessions, fixture->vm[i], BAD, &many,
                                 100 * S, 100 * S);
    }
    assert_non_null(g_strrstr(why, ": vm0, vm1, vm2, vm3, vm4 and 2 more"));
    g_free(why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_several_vms),   TEST(test_one_vm_alone), TEST(test_window),
        TEST(test_each_device),   TEST(test_off),          TEST(test_those_that_are_well),
        TEST(test_names_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
