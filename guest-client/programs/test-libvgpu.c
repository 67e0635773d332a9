/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvgpu over the real driver and worker: users, threads, processes and how they end. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "options.h"
#include "tap.h"
#include "vgpu.h"

#define DEVICE     "/dev/vgpu0"
#define THREADS    8
#define ROUNDS     100
#define LENGTH     20000u
#define MAX_QUEUES 64

static VgpuContext *gpu;

static bool ok(int code, const char *name)
{
    if (code != VGPU_OK)
        tap_note("%s", vgpu_last_error());
    return tap_ok(code == VGPU_OK, "%s", name);
}

/* Copies with a content of its own, and sums. @context NULL: one of its own. */
static int compute(VgpuContext *context, unsigned int number)
{
    static __thread uint8_t out[LENGTH], in[LENGTH];
    VgpuContext *own = NULL;
    VgpuBuffer buffer;
    uint32_t sum = 0;
    int code = VGPU_OK;

    if (context == NULL) {
        code = vgpu_open(&own, NULL);
        context = own;
    }
    if (code == VGPU_OK)
        code = vgpu_buffer_create(context, LENGTH, &buffer);
    for (unsigned int i = 0; i < ROUNDS && code == VGPU_OK; i++) {
        memset(out, (int)(number + i), LENGTH);
        code = vgpu_buffer_write(context, buffer, 0, out, LENGTH, NULL);
        if (code == VGPU_OK)
            code = vgpu_buffer_read(context, buffer, 0, in, LENGTH, NULL);
        if (code == VGPU_OK && memcmp(in, out, LENGTH) != 0)
            code = VGPU_E_EXECUTION;
        if (code == VGPU_OK)
            code = vgpu_vector_add(context, number, i, &sum);
        if (code == VGPU_OK && sum != number + i)
            code = VGPU_E_EXECUTION;
    }
    vgpu_close(own);
    return code;
}

struct thread {
    pthread_t thread;
    VgpuContext *context;
    unsigned int number;
    int code;
};

static void *run_thread(void *data)
{
    struct thread *thread = data;

    thread->code = compute(thread->context, thread->number);
    if (thread->code != VGPU_OK)
        tap_note("thread %u: %s", thread->number, vgpu_last_error());
    return NULL;
}

static bool run_threads(VgpuContext *context, unsigned int count)
{
    struct thread threads[THREADS];
    bool good = true;

    for (unsigned int i = 0; i < count; i++) {
        threads[i] = (struct thread){.context = context, .number = i * 1000};
        pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]);
    }
    for (unsigned int i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
        good &= threads[i].code == VGPU_OK;
    }
    return good;
}

/* The exit status of a child that does @run; -1 when it was killed. */
static int in_child(int (*run)(void))
{
    int status;

    pid_t child = fork();
    if (child == 0)
        _exit(run());
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int use_parents(void)
{
    if (vgpu_nop(gpu) != VGPU_E_FORKED)
        return 1;
    vgpu_close(gpu);
    return 0;
}

static int use_own(void)
{
    return compute(NULL, 7) != VGPU_OK;
}

static int use_own_as_nobody(void)
{
    return setgid(65534) != 0 || setuid(65534) != 0 || compute(NULL, 9) != VGPU_OK;
}

static void test_forks(void)
{
    tap_equal((uint32_t)in_child(use_parents), 0, "a child may not use its parent's context");
    ok(vgpu_nop(gpu), "which the parent does not notice");
    tap_equal((uint32_t)in_child(use_own), 0, "a child has its own");
    chmod(DEVICE, 0666); /* there is no udev in the test guest */
    tap_equal((uint32_t)in_child(use_own_as_nobody), 0, "no root is needed");
}

/* Takes a queue, works, says so, and waits for its end. Never returns. */
static void hold_queue(int ready)
{
    VgpuContext *context;
    VgpuBuffer buffer;
    static uint8_t bytes[LENGTH];
    char good = vgpu_open(&context, NULL) == VGPU_OK;

    if (good && vgpu_buffer_create(context, 1 << 20, &buffer) == VGPU_OK)
        good = vgpu_finish(context) == VGPU_OK;
    if (write(ready, &good, 1) != 1)
        _exit(1);
    while (good) /* killed in the middle of it */
        vgpu_buffer_write(context, buffer, 0, bytes, LENGTH, NULL);
    _exit(1);
}

/* Children take queues until there is none, and are killed. Returns how many there were. */
static unsigned int kill_holders(void)
{
    pid_t children[MAX_QUEUES];
    unsigned int count = 0;
    char good = 1;
    int ends[2];

    if (pipe(ends) < 0)
        return 0;
    for (; count < MAX_QUEUES && good; count += good) {
        children[count] = fork();
        if (children[count] == 0)
            hold_queue(ends[1]);
        if (read(ends[0], &good, 1) != 1)
            break;
        if (!good)
            waitpid(children[count], NULL, 0);
    }
    for (unsigned int i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    for (unsigned int i = 0; i < count; i++)
        waitpid(children[i], NULL, 0);
    close(ends[0]);
    close(ends[1]);
    return count;
}

static void test_killed(void)
{
    unsigned int first = kill_holders();

    tap_ok(first > 0, "children take all queues");
    for (int i = 0; i < 3; i++)
        tap_equal(kill_holders(), first, "after kill -9 all are free again");
    ok(vgpu_nop(gpu), "the queue of another process was not touched");
}

static void *nop(void *data)
{
    int *code = data;

    while (*code == VGPU_OK)
        *code = vgpu_nop(gpu);
    return NULL;
}

/* Threads work until the host ends the worker; "ready" tells it. */
static void test_lost(void)
{
    pthread_t threads[THREADS];
    int codes[THREADS], code;
    uint32_t sum = 0;

    memset(codes, 0, sizeof(codes));
    ok(vgpu_vector_add(gpu, 1, 2, &sum), "computes");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, nop, &codes[i]);
    printf("# ready\n");
    fflush(stdout);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        tap_equal((uint32_t)codes[i], VGPU_E_LOST, "thread %d hears that the worker is gone", i);
    }
    tap_equal((uint32_t)vgpu_vector_add(gpu, 1, 2, &sum), VGPU_E_LOST, "so it stays");
    tap_note("%s", vgpu_last_error());
    for (int i = 0; i < 1000; i++) { /* vgpud starts the next one; nobody tells us when */
        code = vgpu_reopen(gpu);
        if (code != VGPU_E_UNAVAILABLE && code != VGPU_E_TIMEOUT)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    ok(code, "reopened");
    ok(vgpu_vector_add(gpu, 40, 2, &sum), "computes again");
    tap_equal(sum, 42, "and right");
}

int main(int argc, char **argv)
{
    bool lost = false;
    const struct option_entry options[] = {
        {.name = "lost", .help = "the host ends the worker after \"ready\"", .flag = &lost},
        {NULL},
    };

    if (options_parse(argc, argv, "[OPTION...]", "Tests libvgpu over /dev/vgpu0.", options) < argc)
        options_mistake("takes no operands");
    tap_begin(stdout);
    if (vgpu_open(&gpu, NULL) != VGPU_OK)
        tap_bail_out("%s", vgpu_last_error());
    if (lost) {
        test_lost();
    } else {
        tap_ok(run_threads(gpu, THREADS), "threads share a context");
        tap_ok(run_threads(NULL, 4), "threads with a context each");
        test_forks();
        test_killed();
    }
    vgpu_close(gpu);
    return tap_end();
}
