/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each in a child, since an expired deadline ends the process. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "deadline.h"

#define NS_PER_S G_GUINT64_CONSTANT(1000000000)
#define EXPIRED  3

static void expired(gpointer data)
{
    _exit(*(int *)data);
}

static int exit_status_of(int (*child)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int let_it_expire(void)
{
    int status = EXPIRED;
    VgpuDeadline *deadline = vgpu_deadline_new(NULL);

    vgpu_deadline_arm(deadline, vgpu_deadline_now() + NS_PER_S / 100, expired, &status);
    pause();
    return 0;
}

static void test_expires(void **state)
{
    (void)state;
    guint64 before = vgpu_deadline_now();

    assert_int_equal(exit_status_of(let_it_expire), EXPIRED);
    assert_true(vgpu_deadline_now() - before >= NS_PER_S / 100);
}

/* The timer of a deadline that was disarmed is left running; it is too early for the next one. */
static int expire_behind_another(void)
{
    int early = 1, late = EXPIRED;
    VgpuDeadline *deadline = vgpu_deadline_new(NULL);

    vgpu_deadline_arm(deadline, vgpu_deadline_now() + NS_PER_S / 50, expired, &early);
    vgpu_deadline_disarm(deadline);
    vgpu_deadline_arm(deadline, vgpu_deadline_now() + NS_PER_S / 10, expired, &late);
    pause();
    return 0;
}

/* An earlier deadline is not late because of one that was later. */
static int expire_before_another(void)
{
    int early = EXPIRED, late = 1;
    VgpuDeadline *deadline = vgpu_deadline_new(NULL);

    vgpu_deadline_arm(deadline, vgpu_deadline_now() + 3600 * NS_PER_S, expired, &late);
    vgpu_deadline_disarm(deadline);
    vgpu_deadline_arm(deadline, vgpu_deadline_now() + NS_PER_S / 100, expired, &early);
    pause();
    return 0;
}

static int expire_after_rest(void)
{
    int status = EXPIRED;
    VgpuDeadline *deadline = vgpu_deadline_new(NULL);

    for (int i = 0; i < 1000; i++) {
        vgpu_deadline_arm(deadline, vgpu_deadline_now() + 3600 * NS_PER_S, expired, &status);
        vgpu_deadline_disarm(deadline);
        vgpu_deadline_rest(deadline);
    }
    vgpu_deadline_arm(deadline, vgpu_deadline_now() + NS_PER_S / 100, expired, &status);
    pause();
    return 0;
}

static void test_one_behind_another(void **state)
{
    (void)state;
    guint64 before = vgpu_deadline_now();

    assert_int_equal(exit_status_of(expire_behind_another), EXPIRED);
    assert_true(vgpu_deadline_now() - before >= NS_PER_S / 10);
    assert_int_equal(exit_status_of(expire_before_another), EXPIRED);
    assert_int_equal(exit_status_of(expire_after_rest), EXPIRED);
}

static _Atomic int wake_ups;

static void count_wake_up(int number)
{
    (void)number;
    atomic_fetch_add(&wake_ups, 1);
}

/* A wake-up before the time, here by a signal, is not the deadline; nor is one when none is set. */
static int wake_it_early(void)
{
    const struct sigaction action = {.sa_handler = count_wake_up};
    VgpuDeadline *deadline = vgpu_deadline_new(NULL);
    int status = EXPIRED;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* only the other thread gets it */
    for (int i = 0; i < 200; i++) {
        if (i % 2 == 0)
            vgpu_deadline_arm(deadline, vgpu_deadline_now() + 3600 * NS_PER_S, expired, &status);
        kill(getpid(), SIGUSR1);
        while (atomic_load(&wake_ups) <= i)
            g_thread_yield();
        if (i % 2 == 0)
            vgpu_deadline_disarm(deadline);
    }
    return 0;
}

static void test_early_wake_up(void **state)
{
    (void)state;
    assert_int_equal(exit_status_of(wake_it_early), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_one_behind_another),
        cmocka_unit_test(test_early_wake_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
