/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ./run simulate --bench: what the gate costs that a worker passes before each job, and a hand-over
 * of the lease from one worker by vgpud to another one, beside what the machine takes to wake two
 * processes by eventfds.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "broker.h"

#define GATES   50000000u
#define ROUNDS  20000u
#define TRIES   5u
#define GATE_NS 10.0
#define RATIO   2.0

typedef struct {
    BrokerShared broker;
    guint64 returned_ns; /* when the lease was given back last */
    guint64 took_ns[ROUNDS];
    guint64 rounds;
} Shared;

static int compare(const void *a, const void *b)
{
    const guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

    return (x > y) - (x < y);
}

static double median_us(guint64 *values, gsize count)
{
    qsort(values, count, sizeof *values, compare);
    return (double)values[count / 2] / 1e3;
}

static double gate_ns(void)
{
    VgpuLease lease = {.word = VGPU_LEASE_HELD};
    double best = G_MAXDOUBLE;

    for (guint try = 0; try < TRIES; try++) {
        guint64 passed = 0;
        const guint64 begin = broker_now();

        for (guint i = 0; i < GATES; i++)
            passed += vgpu_lease_has(&lease);
        best = MIN(best, (double)(broker_now() - begin) / GATES);
        g_assert_cmpuint(passed, ==, GATES);
    }
    return best;
}

static pid_t child(void)
{
    const pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void signal_fd(int fd)
{
    const guint64 one = 1;

    g_assert_cmpint(write(fd, &one, sizeof one), ==, sizeof one);
}

static void await_fd(int fd)
{
    guint64 count;

    g_assert_cmpint(read(fd, &count, sizeof count), ==, sizeof count);
}

/* There and back: two processes are woken. */
static double ping_pong_us(guint64 *took_ns)
{
    const int there = eventfd(0, EFD_CLOEXEC), back = eventfd(0, EFD_CLOEXEC);
    const pid_t other = child();

    if (other == 0) {
        for (guint i = 0; i < ROUNDS; i++) {
            await_fd(there);
            signal_fd(back);
        }
        _exit(0);
    }
    for (guint i = 0; i < ROUNDS; i++) {
        const guint64 begin = broker_now();

        signal_fd(there);
        await_fd(back);
        took_ns[i] = broker_now() - begin;
    }
    waitpid(other, NULL, 0);
    close(there);
    close(back);
    return median_us(took_ns, ROUNDS);
}

/* A worker that always has work, with turns of one job while the other one waits. */
static void work(Shared *shared, guint number, int fd)
{
    VgpuLease *lease = &shared->broker.leases[number];

    vgpu_lease_want(lease, fd);
    for (;;) {
        vgpu_lease_wait(lease);
        if (shared->returned_ns != 0)
            shared->took_ns[shared->rounds++] = broker_now() - shared->returned_ns;
        if (shared->rounds == ROUNDS)
            break;
        shared->returned_ns = broker_now();
        vgpu_lease_give_back(lease, fd, true, true);
    }
    broker_end(&shared->broker, fd);
    _exit(0);
}

/* From one worker to vgpud, and from there to the other one: two processes are woken. */
static double hand_over_us(void)
{
    VgpuSchedulerSettings settings = VGPU_SCHEDULER_DEFAULTS;
    Shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fds[BROKER_WORKERS];
    pid_t pids[2];

    g_assert(shared != MAP_FAILED);
    settings.window = 1;
    broker_open(fds);
    shared->broker.left = 1;
    for (guint i = 0; i < 2; i++) {
        pids[i] = child();
        if (pids[i] == 0)
            work(shared, i, fds[i]);
    }
    broker_serve(&shared->broker, fds, 2, &settings);
    for (guint i = 0; i < 2; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    const double result = median_us(shared->took_ns, ROUNDS);
    munmap(shared, sizeof *shared);
    for (guint i = 0; i < BROKER_WORKERS; i++)
        close(fds[i]);
    return result;
}

static int compare_ratios(const void *a, const void *b)
{
    const double x = ((const double *)a)[0], y = ((const double *)b)[0];

    return (x > y) - (x < y);
}

int main(void)
{
    g_autofree guint64 *scratch = g_new0(guint64, ROUNDS);
    double tries[TRIES][3]; /* the ratio, and of what */
    const double gate = gate_ns();

    setlocale(LC_CTYPE, "");
    /* In turns, so that a change of the machine's mood meets both. */
    for (guint i = 0; i < TRIES; i++) {
        tries[i][1] = ping_pong_us(scratch);
        tries[i][2] = hand_over_us();
        tries[i][0] = tries[i][2] / tries[i][1];
    }
    qsort(tries, TRIES, sizeof tries[0], compare_ratios);
    const double *median = tries[TRIES / 2];
    printf("the lease (medians)\n"
           "  the gate before a job                 %7.2f ns          %s: < %.0f ns\n"
           "  eventfd ping-pong, two processes      %7.2f us\n"
           "  hand-over, worker to vgpud to worker  %7.2f us  %.2f x  %s: < %.0f x\n",
           gate, gate < GATE_NS ? "ok" : "MISSED", GATE_NS, median[1], median[2], median[0],
           median[0] < RATIO ? "ok" : "MISSED", RATIO);
    return gate >= GATE_NS || median[0] >= RATIO;
}
