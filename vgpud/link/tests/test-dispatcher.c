/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Workers' leases through the main loop: memory, eventfds and pipes are real, and the worker's side
 * is that of lease.h, by the descriptors that a worker gets. Nothing waits for a time to pass but
 * for the timer's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dispatcher.h"
#include "lease.h"

#define KEY      "null:"
#define GUARD_MS 60000 /* a test that waits this long has failed */
#define SHORT_NS (G_GUINT64_CONSTANT(5) * 1000000)
#define NEVER_NS (G_GUINT64_CONSTANT(3600) * 1000000000)

/* A worker without a process. */
typedef struct {
    VgpuTenant *tenant;
    VgpuLease *lease; /* mapped by its own descriptor */
    const int *fds;
    guint fences;
} Worker;

static VgpuSchedulerSettings settings(void)
{
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;

    settings.slice_ns = NEVER_NS / 1000;
    settings.recall_ns = NEVER_NS;
    return settings;
}

static int set_up(void **state)
{
    *state = vgpu_dispatcher_new(NULL);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    vgpu_dispatcher_free(*state);
    return 0;
}

static void on_fence(gpointer data)
{
    ((Worker *)data)->fences++;
}

static void join_with(Worker *worker, VgpuDispatcher *dispatcher, const char *key,
                      enum vgpu_priority priority, const VgpuSchedulerSettings *how)
{
    g_autoptr(GError) error = NULL;

    *worker = (Worker){0};
    worker->tenant = vgpu_tenant_new(dispatcher, key, how, priority, VGPU_SCHEDULER_WEIGHT,
                                     on_fence, worker, &error);
    assert_non_null(worker->tenant);
    worker->fds = vgpu_tenant_descriptors(worker->tenant);
    worker->lease =
        mmap(NULL, sizeof(VgpuLease), PROT_READ | PROT_WRITE, MAP_SHARED, worker->fds[0], 0);
    assert_true(worker->lease != MAP_FAILED);
}

static void join(Worker *worker, VgpuDispatcher *dispatcher, enum vgpu_priority priority)
{
    const VgpuSchedulerSettings how = settings();

    join_with(worker, dispatcher, KEY, priority, &how);
}

static void leave(Worker *worker)
{
    munmap(worker->lease, sizeof(VgpuLease));
    vgpu_tenant_free(worker->tenant);
}

static void want(const Worker *worker)
{
    vgpu_lease_want(worker->lease, worker->fds[1]);
}

static void give_back(const Worker *worker, bool wants)
{
    vgpu_lease_give_back(worker->lease, worker->fds[1], true, wants);
}

/* All that there is to do now. */
static void settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static gboolean on_guard(gpointer data)
{
    (void)data;
    g_error("nothing happened for %d ms", GUARD_MS);
    return G_SOURCE_REMOVE;
}

static gboolean is_woken(const Worker *worker)
{
    struct pollfd poll_fd = {.fd = worker->fds[2], .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static void test_alone(void **state)
{
    Worker worker;

    join(&worker, *state, VGPU_PRIORITY_LOW);
    assert_false(vgpu_lease_has(worker.lease));
    want(&worker);
    settle();
    assert_true(vgpu_lease_has(worker.lease));
    assert_int_equal(vgpu_lease_jobs(worker.lease), 0);
    assert_true(is_woken(&worker));
    assert_int_equal(vgpu_tenant_window(worker.tenant), 8);
    /* It lasts: nothing is to be done at any time. */
    assert_true(vgpu_scheduler_deadline(vgpu_dispatcher_scheduler(*state, KEY)) == G_MAXUINT64);
    leave(&worker);
}

static void test_handed_on(void **state)
{
    Worker a, b;

    join(&a, *state, VGPU_PRIORITY_MEDIUM);
    join(&b, *state, VGPU_PRIORITY_MEDIUM);
    want(&a);
    settle();
    want(&b);
    settle();
    /* Its turn had no bound yet, so it has had enough. */
    assert_false(vgpu_lease_has(a.lease));
    assert_false(vgpu_lease_is_granted(b.lease));
    give_back(&a, true);
    settle();
    assert_true(vgpu_lease_has(b.lease));
    assert_int_equal(vgpu_lease_jobs(b.lease), 8); /* since a waits */
    assert_false(vgpu_lease_is_granted(a.lease));
    give_back(&b, false);
    settle();
    assert_true(vgpu_lease_has(a.lease));
    leave(&a);
    leave(&b);
}

/* High comes first, and low is asked back at once. */
static void test_priority(void **state)
{
    Worker low, medium, high;

    join(&low, *state, VGPU_PRIORITY_LOW);
    join(&medium, *state, VGPU_PRIORITY_MEDIUM);
    join(&high, *state, VGPU_PRIORITY_HIGH);
    want(&low);
    settle();
    want(&medium);
    settle();
    assert_false(vgpu_lease_has(low.lease));
    want(&high);
    settle();
    give_back(&low, true);
    settle();
    assert_true(vgpu_lease_has(high.lease));
    give_back(&high, false);
    settle();
    assert_true(vgpu_lease_has(medium.lease));
    /* Low is told to wait, and it waits. */
    want(&low);
    settle();
    assert_true(vgpu_lease_has(medium.lease));
    assert_true(vgpu_lease_is_shared(medium.lease));
    /* Low becomes higher than who has it. */
    vgpu_tenant_set_priority(low.tenant, VGPU_PRIORITY_HIGH);
    assert_false(vgpu_lease_has(medium.lease));
    give_back(&medium, false);
    settle();
    assert_true(vgpu_lease_has(low.lease));
    leave(&low);
    leave(&medium);
    leave(&high);
}

/* A worker with a share is asked back though nobody else is there, and has the device again later.
 */
static void test_share(void **state)
{
    Worker worker;
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);

    join(&worker, *state, VGPU_PRIORITY_LOW);
    vgpu_tenant_set_share(worker.tenant, 50);
    want(&worker);
    settle();
    assert_true(vgpu_lease_has(worker.lease));
    assert_true(vgpu_lease_is_shared(worker.lease));
    while (vgpu_lease_has(worker.lease))
        g_main_context_iteration(NULL, TRUE);
    give_back(&worker, true);
    settle();
    assert_false(vgpu_lease_has(worker.lease));
    /* The timer lets it in again; a change does at once. */
    while (!vgpu_lease_has(worker.lease))
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(vgpu_tenant_client(worker.tenant)->turns, 2);
    vgpu_tenant_set_share(worker.tenant, 0);
    assert_int_equal(vgpu_scheduler_deadline(vgpu_dispatcher_scheduler(*state, KEY)), G_MAXUINT64);
    assert_true(vgpu_lease_has(worker.lease));
    g_source_remove(guard);
    leave(&worker);
}

/* Who sleeps is not woken. */
static void test_parked(void **state)
{
    Worker a, b;
    char byte;

    join(&a, *state, VGPU_PRIORITY_HIGH);
    join(&b, *state, VGPU_PRIORITY_LOW);
    want(&a);
    settle();
    assert_int_equal(read(a.fds[2], &byte, 1), 1);
    assert_true(vgpu_lease_park(a.lease));
    want(&b);
    settle();
    assert_true(vgpu_lease_has(b.lease));
    assert_false(is_woken(&a));
    assert_false(vgpu_lease_unpark(a.lease));
    leave(&a);
    leave(&b);
}

static void test_devices_are_apart(void **state)
{
    const VgpuSchedulerSettings how = settings();
    Worker a, b;

    join_with(&a, *state, "opencl:0", VGPU_PRIORITY_LOW, &how);
    join_with(&b, *state, "opencl:1", VGPU_PRIORITY_HIGH, &how);
    want(&a);
    want(&b);
    settle();
    assert_true(vgpu_lease_has(a.lease));
    assert_true(vgpu_lease_has(b.lease));
    assert_null(vgpu_dispatcher_scheduler(*state, "opencl:2"));
    leave(&a);
    leave(&b);
}

/* What a worker that has been taken over may try. */
static void test_liar(void **state)
{
    Worker liar, honest;

    join(&liar, *state, VGPU_PRIORITY_HIGH);
    join(&honest, *state, VGPU_PRIORITY_LOW);
    want(&honest);
    settle();
    /* Helps itself, and returns what it does not have. */
    atomic_store(&liar.lease->word, VGPU_LEASE_HELD);
    atomic_store(&liar.lease->said, ~0u & ~VGPU_LEASE_SAID_WANT);
    vgpu_lease_signal_(liar.fds[1]);
    settle();
    assert_true(vgpu_lease_has(honest.lease));
    assert_ptr_equal(vgpu_scheduler_holder(vgpu_dispatcher_scheduler(*state, KEY)),
                     vgpu_tenant_client(honest.tenant));
    /* Fills and blocks its eventfd, and lets nobody into its pipe: vgpud goes on. */
    const guint64 most = G_MAXUINT64 - 1;
    assert_int_equal(write(liar.fds[1], &most, sizeof(most)), -1); /* it is not empty */
    guint64 count;
    assert_int_equal(read(liar.fds[1], &count, sizeof(count)), sizeof(count));
    assert_int_equal(write(liar.fds[1], &most, sizeof(most)), sizeof(most));
    assert_int_equal(fcntl(liar.fds[1], F_SETFL, 0), 0);
    assert_int_equal(fcntl(liar.fds[2], F_SETFL, 0), 0);
    settle();
    /* The memory cannot be taken away from under vgpud. */
    assert_int_equal(ftruncate(liar.fds[0], 0), -1);
    assert_int_equal(errno, EPERM);
    leave(&liar);
    assert_true(vgpu_lease_has(honest.lease));
    leave(&honest);
}

/* Far more grants than its pipe has room for, none of which it reads. */
static void test_deaf(void **state)
{
    Worker worker;

    join(&worker, *state, VGPU_PRIORITY_HIGH);
    assert_int_equal(fcntl(worker.fds[2], F_SETFL, 0), 0);
    want(&worker);
    for (guint i = 0; i < 70000; i++) {
        while (!vgpu_lease_is_granted(worker.lease))
            g_main_context_iteration(NULL, FALSE);
        give_back(&worker, true);
    }
    leave(&worker);
}

/* Nobody gets the device before the fenced one is gone, and then at once. */
static void test_fence(void **state)
{
    VgpuSchedulerSettings how = settings();
    Worker stuck, other;

    how.recall_ns = SHORT_NS;
    join_with(&stuck, *state, KEY, VGPU_PRIORITY_LOW, &how);
    join(&other, *state, VGPU_PRIORITY_HIGH);
    want(&stuck);
    settle();
    want(&other);
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);
    while (stuck.fences == 0)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
    settle();
    assert_int_equal(stuck.fences, 1);
    assert_int_equal(other.fences, 0);
    assert_false(vgpu_lease_is_granted(other.lease));
    leave(&stuck);
    assert_true(vgpu_lease_has(other.lease));
    leave(&other);
}

/* One that does not end: others, also new ones, need not wait, but still nobody gets the device. */
static void test_stuck(void **state)
{
    Worker stuck, waits, comes;

    join(&stuck, *state, VGPU_PRIORITY_LOW);
    join(&waits, *state, VGPU_PRIORITY_HIGH);
    want(&stuck);
    settle();
    want(&waits);
    settle();
    assert_false(vgpu_lease_is_stuck(waits.lease));
    vgpu_tenant_give_up(stuck.tenant);
    join(&comes, *state, VGPU_PRIORITY_LOW);
    want(&comes);
    settle();
    assert_true(vgpu_lease_is_stuck(waits.lease) && vgpu_lease_is_stuck(comes.lease));
    assert_false(vgpu_lease_is_granted(waits.lease) || vgpu_lease_is_granted(comes.lease));
    char byte;
    assert_int_equal(read(waits.fds[2], &byte, 1), 1); /* it has been woken */
    leave(&stuck);
    assert_true(vgpu_lease_has(waits.lease));
    assert_false(vgpu_lease_is_stuck(waits.lease) || vgpu_lease_is_stuck(comes.lease));
    leave(&waits);
    leave(&comes);
}

/* A slice ends by the timer. */
static void test_slice(void **state)
{
    VgpuSchedulerSettings how = settings();
    Worker a, b;

    how.slice_ns = SHORT_NS;
    join_with(&a, *state, KEY, VGPU_PRIORITY_LOW, &how);
    join(&b, *state, VGPU_PRIORITY_LOW);
    want(&a);
    settle();
    want(&b);
    settle();
    give_back(&a, true);
    settle();
    assert_true(vgpu_lease_is_granted(b.lease));
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);
    while (vgpu_lease_has(b.lease))
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
    give_back(&b, true);
    settle();
    assert_true(vgpu_lease_is_granted(a.lease));
    leave(&a);
    leave(&b);
}

static void test_configure(void **state)
{
    VgpuSchedulerSettings how = settings();
    Worker a, b;

    join(&a, *state, VGPU_PRIORITY_LOW);
    join(&b, *state, VGPU_PRIORITY_LOW);
    how.window = 3;
    vgpu_dispatcher_configure(*state, KEY, &how);
    vgpu_dispatcher_configure(*state, "nobody's", &how);
    assert_int_equal(vgpu_tenant_window(a.tenant), 3);
    want(&a);
    want(&b);
    settle();
    give_back(&a, true);
    settle();
    assert_int_equal(vgpu_lease_jobs(b.lease), 3);
    leave(&a);
    leave(&b);
}

/* The dispatcher goes first, as when vgpud ends. */
static void test_outlives(void **state)
{
    VgpuDispatcher *dispatcher = vgpu_dispatcher_new(NULL);
    Worker a, b;

    (void)state;
    join(&a, dispatcher, VGPU_PRIORITY_LOW);
    join(&b, dispatcher, VGPU_PRIORITY_HIGH);
    want(&a);
    want(&b);
    settle();
    vgpu_dispatcher_free(dispatcher);
    assert_null(vgpu_tenant_client(a.tenant));
    vgpu_tenant_set_priority(a.tenant, VGPU_PRIORITY_HIGH);
    want(&a);
    settle();
    leave(&a);
    leave(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_alone),    TEST(test_handed_on), TEST(test_priority),
        TEST(test_share),    TEST(test_parked),    TEST(test_devices_are_apart),
        TEST(test_liar),     TEST(test_deaf),      TEST(test_fence),
        TEST(test_stuck),    TEST(test_slice),     TEST(test_configure),
        TEST(test_outlives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
