/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Workers that compete for one device as fast as they can, fall asleep and wake up, while vgpud's
 * scheduler hands the lease around: never may two have it, and nobody may wait for ever. As
 * processes, as they are; and as threads, so that ThreadSanitizer sees whether what one worker did
 * before it returned the lease comes before what the next one does (meson -Db_sanitize=thread).
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "broker.h"

#define WORKERS 4u
#define JOBS    20000u

typedef struct {
    BrokerShared broker;
    /* The device: plain memory, which only the lease protects. */
    guint64 done;
    guint user; /* 0: nobody */
    guint clashes;
} Shared;

typedef struct {
    Shared *shared;
    VgpuLease *lease;
    int fd;
    guint number; /* from 1 */
    guint64 random;
    gboolean holds, used;
    guint turn_jobs;
} Worker;

static guint any(Worker *worker, guint below)
{
    worker->random = worker->random * G_GUINT64_CONSTANT(6364136223846793005) + 1442695040888963407;
    return (guint)(worker->random >> 33) % below;
}

static void await_lease(Worker *worker)
{
    vgpu_lease_wait(worker->lease);
    worker->holds = TRUE;
    worker->used = FALSE;
    worker->turn_jobs = 0;
}

static void fall_asleep(Worker *worker)
{
    if (!worker->holds)
        return;
    if (!vgpu_lease_park(worker->lease)) {
        vgpu_lease_give_back(worker->lease, worker->fd, worker->used, false);
        worker->holds = FALSE;
        return;
    }
    for (guint i = any(worker, 4); i > 0; i--)
        sched_yield();
    worker->holds = vgpu_lease_unpark(worker->lease);
}

static void gate(Worker *worker)
{
    if (!worker->holds) {
        vgpu_lease_want(worker->lease, worker->fd);
        await_lease(worker);
    }
    for (;;) {
        const guint bound = vgpu_lease_jobs(worker->lease);
        if (vgpu_lease_has(worker->lease) && (bound == 0 || worker->turn_jobs < bound))
            return;
        vgpu_lease_give_back(worker->lease, worker->fd, worker->used, true);
        await_lease(worker);
    }
}

static void job(Worker *worker)
{
    Shared *shared = worker->shared;

    shared->clashes += shared->user != 0;
    shared->user = worker->number;
    if (any(worker, 16) == 0)
        sched_yield();
    shared->clashes += shared->user != worker->number;
    shared->done++;
    shared->user = 0;
    worker->used = TRUE;
    worker->turn_jobs++;
}

static void *run(void *data)
{
    Worker *worker = data;

    for (guint i = 0; i < JOBS; i++) {
        if (any(worker, 8) == 0)
            fall_asleep(worker);
        gate(worker);
        job(worker);
    }
    if (worker->holds)
        vgpu_lease_give_back(worker->lease, worker->fd, worker->used, false);
    broker_end(&worker->shared->broker, worker->fd);
    return NULL;
}

/* The caller is vgpud; the workers are threads or processes. */
static void stress(gboolean processes, VgpuSchedulerPolicy policy)
{
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;
    Shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fds[BROKER_WORKERS];
    Worker workers[WORKERS];
    pthread_t threads[WORKERS];
    pid_t pids[WORKERS];

    assert_ptr_not_equal(shared, MAP_FAILED);
    settings.policy = policy;
    settings.slice_ns = 100 * 1000;
    settings.recall_ns = 60 * G_GUINT64_CONSTANT(1000000000);
    shared->broker.left = WORKERS;
    broker_open(fds);
    for (guint i = 0; i < WORKERS; i++) {
        workers[i] = (Worker){.shared = shared,
                              .lease = &shared->broker.leases[i],
                              .fd = fds[i],
                              .number = i + 1,
                              .random = i};
        if (!processes) {
            assert_int_equal(pthread_create(&threads[i], NULL, run, &workers[i]), 0);
        } else if ((pids[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            run(&workers[i]);
            _exit(0);
        }
    }
    broker_serve(&shared->broker, fds, WORKERS, &settings);
    for (guint i = 0; i < WORKERS; i++) {
        int status = 0;

        if (processes)
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        else
            pthread_join(threads[i], NULL);
        assert_int_equal(status, 0);
    }
    for (guint i = 0; i < BROKER_WORKERS; i++)
        close(fds[i]);
    assert_int_equal(shared->clashes, 0);
    assert_int_equal(shared->done, WORKERS * JOBS);
    munmap(shared, sizeof *shared);
}

static void test_processes(void **state)
{
    (void)state;
    stress(TRUE, VGPU_SCHEDULER_FIFO);
    stress(TRUE, VGPU_SCHEDULER_FAIR);
}

static void test_threads(void **state)
{
    (void)state;
    stress(FALSE, VGPU_SCHEDULER_FIFO);
    stress(FALSE, VGPU_SCHEDULER_FAIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
