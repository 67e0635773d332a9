/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes of a user that nobody else has, ended all together. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-sweep.h"

#define UID      (1800000000u + 2 * (uid_t)getpid()) /* and the next one: nobody else's */
#define GUARD_MS 30000
#define LIFE_S   60 /* so that a test that fails leaves nothing */
#define MOST     24 /* processes */

/* Forks on and on, as fast as it can and as often as it may; so do all of its children. */
static void breed(void)
{
    setrlimit(RLIMIT_NPROC, &(struct rlimit){MOST, MOST});
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        if (fork() == 0) {
            setsid();
            alarm(LIFE_S);
        }
    }
}

/* A process of @uid that holds the writing end of a pipe, as do all that it forks; returns the
 * reading end, which has one byte when it has begun. */
static int start(uid_t uid, int breeds, pid_t *pid)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    *pid = fork();
    if (*pid == 0) {
        close(ends[0]);
        if (syscall(SYS_setresuid, uid, uid, uid) != 0 || fork() != 0)
            _exit(0);
        setsid(); /* an orphan, in a session of its own */
        alarm(LIFE_S);
        if (write(ends[1], "", 1) == 1 && breeds)
            breed();
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(waitpid(*pid, NULL, 0), *pid);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    return ends[0];
}

static int is_over(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) == 1 && (poll_fd.revents & POLLHUP) != 0;
}

static void test_all_of_one_user(void **state)
{
    pid_t pid;

    (void)state;
    if (geteuid() != 0)
        skip();
    const int still = start(UID, 0, &pid), forks = start(UID, 1, &pid);
    const int other = start(UID + 1, 0, &pid);

    vgpu_worker_sweep(UID);
    assert_true(is_over(still, GUARD_MS));
    assert_true(is_over(forks, GUARD_MS));
    assert_false(is_over(other, 0));
    vgpu_worker_sweep(UID); /* nobody is there */
    vgpu_worker_sweep(UID + 1);
    assert_true(is_over(other, GUARD_MS));
    close(still);
    close(forks);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_one_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
