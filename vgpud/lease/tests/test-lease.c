/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/eventfd.h>

#include "lease.h"

static int fd;

static int set_up(void **state)
{
    (void)state;
    fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return close(fd);
}

static uint64_t signals(void)
{
    uint64_t count = 0;

    return read(fd, &count, sizeof count) == sizeof count ? count : 0;
}

static void test_wanting_and_returning(void **state)
{
    (void)state;
    VgpuLease lease = {0};

    assert_false(vgpu_lease_has(&lease));
    vgpu_lease_want(&lease, fd);
    assert_int_equal(signals(), 1);
    assert_int_equal(vgpu_lease_hear(&lease), VGPU_LEASE_SAID_WANT);
    assert_int_equal(vgpu_lease_hear(&lease), 0);

    vgpu_lease_grant(&lease, true, 8);
    vgpu_lease_wait(&lease);
    assert_true(vgpu_lease_has(&lease));
    assert_int_equal(vgpu_lease_jobs(&lease), 8);
    assert_int_equal(signals(), 0);

    vgpu_lease_give_back(&lease, fd, true, false);
    assert_false(vgpu_lease_has(&lease));
    assert_int_equal(signals(), 1);
    assert_int_equal(vgpu_lease_hear(&lease), VGPU_LEASE_SAID_RETURNED);

    vgpu_lease_grant(&lease, false, 0);
    assert_int_equal(vgpu_lease_jobs(&lease), 0);
    vgpu_lease_give_back(&lease, fd, false, true);
    assert_int_equal(vgpu_lease_hear(&lease),
                     VGPU_LEASE_SAID_RETURNED | VGPU_LEASE_SAID_UNUSED | VGPU_LEASE_SAID_WANT);
}

static void test_asked_back_between_two_jobs(void **state)
{
    (void)state;
    VgpuLease lease = {0};

    vgpu_lease_grant(&lease, false, 0);
    assert_false(vgpu_lease_share(&lease));
    assert_true(vgpu_lease_has(&lease)); /* as long as it has work */
    assert_false(vgpu_lease_park(&lease));
    assert_false(vgpu_lease_ask_back(&lease));
    assert_false(vgpu_lease_has(&lease));
    assert_int_equal(vgpu_lease_hear(&lease), 0);
    vgpu_lease_give_back(&lease, fd, true, true);
    /* What it was told is no part of the next turn. */
    vgpu_lease_grant(&lease, false, 0);
    assert_true(vgpu_lease_has(&lease));
    assert_true(vgpu_lease_park(&lease));
}

static void test_parked_is_kept_or_taken(void **state)
{
    (void)state;
    VgpuLease lease = {0};

    vgpu_lease_grant(&lease, false, 3);
    assert_true(vgpu_lease_park(&lease));
    assert_true(vgpu_lease_unpark(&lease));
    assert_true(vgpu_lease_has(&lease));
    assert_int_equal(vgpu_lease_jobs(&lease), 3);

    assert_true(vgpu_lease_park(&lease));
    assert_true(vgpu_lease_share(&lease));
    assert_false(vgpu_lease_unpark(&lease));
    assert_false(vgpu_lease_has(&lease));

    vgpu_lease_grant(&lease, false, 0);
    assert_true(vgpu_lease_park(&lease));
    assert_true(vgpu_lease_ask_back(&lease));
    assert_false(vgpu_lease_unpark(&lease));
    assert_int_equal(signals(), 0);
}

static void test_asked_back_when_it_is_on_its_way(void **state)
{
    (void)state;
    VgpuLease lease = {0};

    vgpu_lease_grant(&lease, false, 0);
    vgpu_lease_give_back(&lease, fd, true, false);
    assert_false(vgpu_lease_ask_back(&lease)); /* vgpud has not heard yet */
    assert_false(vgpu_lease_has(&lease));
    assert_int_equal(vgpu_lease_hear(&lease), VGPU_LEASE_SAID_RETURNED);
    vgpu_lease_grant(&lease, false, 0);
    assert_true(vgpu_lease_has(&lease));
}

static void test_foreign_bits(void **state)
{
    (void)state;
    VgpuLease lease = {.word = UINT32_MAX, .said = UINT32_MAX};

    assert_int_equal(vgpu_lease_hear(&lease),
                     VGPU_LEASE_SAID_WANT | VGPU_LEASE_SAID_RETURNED | VGPU_LEASE_SAID_UNUSED);
    assert_true(vgpu_lease_ask_back(&lease));
    assert_false(vgpu_lease_has(&lease));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wanting_and_returning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_asked_back_between_two_jobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parked_is_kept_or_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_asked_back_when_it_is_on_its_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_bits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
