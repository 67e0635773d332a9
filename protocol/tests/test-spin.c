/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vgpu-spin.h"

#define MAX_NS 50000u

/* A machine on which each relax takes 10 ns and reading the clock nothing. What is waited for comes
 * at @comes_ns; where @stolen, it never comes while somebody spins. */
typedef struct {
    uint64_t now_ns;
    uint64_t comes_ns;
    bool stolen;
    unsigned looks;
    unsigned relaxes;
    unsigned clocks;
} Machine;

static uint64_t now(void *data)
{
    Machine *m = data;

    m->clocks++;
    return m->now_ns;
}

static void relax(void *data)
{
    Machine *m = data;

    m->relaxes++;
    m->now_ns += 10;
}

static bool ready(void *data)
{
    Machine *m = data;

    m->looks++;
    return !m->stolen && m->now_ns >= m->comes_ns;
}

static VgpuSpin spin_on(Machine *m, uint32_t max_ns)
{
    return vgpu_spin_new((VgpuSpinMachine){.now = now, .relax = relax, .data = m}, max_ns);
}

/* Waits for what comes after @ns. Returns whether the spin found it. */
static bool wait(VgpuSpin *spin, Machine *m, uint64_t ns)
{
    m->comes_ns = m->now_ns + ns;
    return vgpu_spin_until(spin, ready, m);
}

static void test_there_already(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, MAX_NS);
    const uint32_t before = spin.budget_ns;

    assert_true(wait(&spin, &m, 0));
    assert_int_equal(m.looks, 1);
    assert_int_equal(m.relaxes, 0);
    assert_int_equal(m.clocks, 0);
    assert_int_equal(spin.budget_ns, before);
}

static void test_grows(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, MAX_NS);

    for (int i = 0; i < 10; i++)
        assert_true(wait(&spin, &m, 1000));
    assert_int_equal(spin.budget_ns, MAX_NS);
    assert_true(wait(&spin, &m, MAX_NS - 1000));
    assert_int_equal(spin.budget_ns, MAX_NS);
}

static void test_bounded(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, MAX_NS);

    while (spin.budget_ns < MAX_NS)
        assert_true(wait(&spin, &m, 1000));
    const uint64_t begin = m.now_ns;
    assert_false(wait(&spin, &m, 1000000000));
    assert_in_range(m.now_ns - begin, MAX_NS, MAX_NS + 10 * VGPU_SPIN_LOOKS);
    assert_int_equal(spin.budget_ns, MAX_NS / 2);
}

static void test_shrinks_to_nothing(void **state)
{
    (void)state;
    Machine m = {.stolen = true};
    VgpuSpin spin = spin_on(&m, MAX_NS);
    unsigned spins = 0;

    for (int i = 0; i < 100 * (int)VGPU_SPIN_PAUSE_MAX; i++) {
        const unsigned before = m.relaxes;
        assert_false(wait(&spin, &m, 0));
        spins += m.relaxes != before;
    }
    /* 1 + 2 + 4 ... waits between them at first, then VGPU_SPIN_PAUSE_MAX. */
    assert_in_range(spins, 2, 112);
    assert_true(m.now_ns <= (uint64_t)spins * (VGPU_SPIN_MIN_NS + 10 * VGPU_SPIN_LOOKS));
    assert_int_equal(spin.pauses, VGPU_SPIN_PAUSE_MAX);
}

/* Where it did not pay for long, it is found out when it does, and the pauses are short again. */
static void test_recovers(void **state)
{
    (void)state;
    Machine m = {.stolen = true};
    VgpuSpin spin = spin_on(&m, MAX_NS);
    unsigned waits = 0;

    for (int i = 0; i < 10000; i++)
        wait(&spin, &m, 0);
    m.stolen = false;
    while (!wait(&spin, &m, 500))
        assert_true(waits++ <= VGPU_SPIN_PAUSE_MAX);
    assert_int_equal(spin.pauses, 1);
    for (int i = 0; i < 10; i++)
        assert_true(wait(&spin, &m, 500));
    assert_int_equal(spin.budget_ns, MAX_NS);
}

static void test_never(void **state)
{
    (void)state;
    static const uint32_t few[] = {0, 1, VGPU_SPIN_MIN_NS - 1};

    for (unsigned i = 0; i < 3; i++) {
        Machine m = {0};
        VgpuSpin spin = spin_on(&m, few[i]);
        for (int j = 0; j < 3000; j++)
            assert_false(wait(&spin, &m, 10));
        assert_int_equal(m.relaxes, 0);
        assert_int_equal(m.clocks, 0);
    }
}

static void test_largest(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, UINT32_MAX);

    for (int i = 0; i < 40; i++)
        assert_true(wait(&spin, &m, 100));
    assert_int_equal(spin.budget_ns, UINT32_MAX);
}

/* The same, and sleeps if it was not found, until it is there and @wake_ns later. */
static bool wait_or_sleep(VgpuSpin *spin, Machine *m, uint64_t ns, uint64_t wake_ns)
{
    if (wait(spin, m, ns))
        return true;
    /* What was stolen begins only now. */
    const uint64_t until_ns = (m->stolen ? m->now_ns + ns : m->comes_ns) + wake_ns;
    vgpu_spin_slept(spin, until_ns - m->now_ns);
    m->now_ns = until_ns;
    return false;
}

/* Longer than any spin so far, but not than the longest: the sleeps tell. */
static void test_learns_from_sleep(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, MAX_NS);
    unsigned waits = 0;

    while (!wait_or_sleep(&spin, &m, MAX_NS - 5000, 30000))
        assert_true(waits++ < 10);
    for (int i = 0; i < 100; i++)
        assert_true(wait_or_sleep(&spin, &m, MAX_NS - 5000, 30000));
}

/* Of so many waits, the share of time that was spent in spins. */
static double share_of_spins(VgpuSpin *spin, Machine *m, uint64_t ns, uint64_t wake_ns)
{
    const uint64_t begin_ns = m->now_ns;
    const unsigned begin = m->relaxes;

    for (int i = 0; i < 5000; i++)
        assert_false(wait_or_sleep(spin, m, ns, wake_ns));
    return 10.0 * (m->relaxes - begin) / (double)(m->now_ns - begin_ns);
}

/* Where there is one CPU for both, it comes when this end sleeps, and soon. */
static void test_sleep_tells_of_stolen_time(void **state)
{
    (void)state;
    Machine m = {.stolen = true};
    VgpuSpin spin = spin_on(&m, MAX_NS);

    assert_true(share_of_spins(&spin, &m, 1000, 2000) < 0.05);
    assert_int_equal(spin.pauses, VGPU_SPIN_PAUSE_MAX);
}

/* A little longer than the longest spin: that is given up, too. */
static void test_too_long_for_any_spin(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, MAX_NS);

    assert_true(share_of_spins(&spin, &m, MAX_NS + 10000, 20000) < 0.01);
    assert_int_equal(spin.pauses, VGPU_SPIN_PAUSE_MAX);
}

/* After long sleeps it is ready to learn at once. */
static void test_long_sleeps_are_no_reason(void **state)
{
    (void)state;
    Machine m = {0};
    VgpuSpin spin = spin_on(&m, MAX_NS);
    unsigned waits = 0;

    assert_true(share_of_spins(&spin, &m, 100 * MAX_NS, 20000) < 0.01);
    while (!wait_or_sleep(&spin, &m, MAX_NS / 2, 20000))
        assert_true(waits++ < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_already),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_shrinks_to_nothing),
        cmocka_unit_test(test_recovers),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_learns_from_sleep),
        cmocka_unit_test(test_sleep_tells_of_stolen_time),
        cmocka_unit_test(test_too_long_for_any_spin),
        cmocka_unit_test(test_long_sleeps_are_no_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
