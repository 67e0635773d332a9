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

/* What @program's kernel makes of the number 5. */
static uint32_t run_once(VgpuProgram program, VgpuEvent *event)
{
    const size_t one = 1;
    uint32_t number = 5;
    VgpuKernel kernel;
    VgpuBuffer buffer;

    vgpu_kernel_create(gpu, program, "change", &kernel);
    vgpu_buffer_create(gpu, sizeof(number), &buffer);
    vgpu_buffer_write(gpu, buffer, 0, &number, sizeof(number), NULL);
    vgpu_kernel_arg_buffer(gpu, kernel, 0, buffer);
    vgpu_kernel_arg_local(gpu, kernel, 1, 64);
    vgpu_launch(gpu, kernel, 1, NULL, &one, &one, event);
    if (vgpu_buffer_read(gpu, buffer, 0, &number, sizeof(number), NULL) != VGPU_OK)
        tap_note("%s", vgpu_last_error());
    vgpu_release(gpu, buffer);
    vgpu_release(gpu, kernel);
    return number;
}

static void test_programs(void)
{
    static const char source[] = "kernel void change(global uint *x, local uint *y)\n"
                                 "{\n"
                                 "    y[0] = *x * FACTOR;\n"
                                 "    *x = y[0] + 1;\n"
                                 "}\n";
    static uint8_t code[1 << 18];
    VgpuProgram bad, good, again;
    VgpuEventTimes times = {0};
    VgpuEvent event;
    char log[2000] = "";
    size_t length = 0, whole = 0;

    vgpu_program_from_source(gpu, source, &bad); /* FACTOR is missing */
    tap_equal((uint32_t)vgpu_program_build(gpu, bad, NULL), VGPU_E_BUILD, "does not build");
    ok(vgpu_program_log(gpu, bad, log, sizeof(log), &length), "its log");
    tap_ok(strstr(log, "FACTOR") != NULL, "names the reason");
    tap_ok(length >= strlen(log), "in full length");

    vgpu_program_from_source(gpu, source, &good);
    ok(vgpu_program_build(gpu, good, "-DFACTOR=8"), "builds with options");
    tap_equal(run_once(good, &event), 41, "runs");
    ok(vgpu_event_times(gpu, event, &times), "its times");
    tap_ok(times.started <= times.ended && times.ended != 0, "are in order");
    ok(vgpu_release(gpu, event), "its event is released");

    ok(vgpu_program_binary(gpu, good, NULL, 0, &whole), "the binary's length");
    ok(vgpu_program_binary(gpu, good, code, sizeof(code), &length), "the binary");
    tap_ok(length == whole && length > 0 && length <= sizeof(code), "has this length");
    vgpu_program_from_binary(gpu, code, length, &again);
    ok(vgpu_program_build(gpu, again, NULL), "builds from its binary");
    tap_equal(run_once(again, NULL), 41, "which does the same");
    vgpu_release(gpu, bad);
    vgpu_release(gpu, good);
    vgpu_release(gpu, again);
    ok(vgpu_finish(gpu), "and all is released");
}

/* What this backend or this queue does not take is told so. */
static void test_refused(void)
{
    static const uint32_t nothing[] = {0x07230203, 0x00010000, 0, 1, 0}; /* SPIR-V's header alone */
    const VgpuDeviceInfo *info;
    const size_t length = vgpu_context_info(gpu)->slot_size;
    VgpuProgram program = 0;

    ok(vgpu_device_info(gpu, &info), "vgpu_device_info");
    int code = vgpu_program_from_spirv(gpu, nothing, sizeof(nothing), &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(gpu, program, NULL);
    tap_note("%s", vgpu_last_error());
    tap_ok(code == (info->programs & 2 ? VGPU_E_BUILD : VGPU_E_UNSUPPORTED),
           "SPIR-V is refused for the right reason: %d", code);
    vgpu_release(gpu, program);

    char *source = calloc(1, length + 1);
    if (source == NULL)
        tap_bail_out("no memory");
    memset(source, ' ', length);
    code = vgpu_program_from_source(gpu, source, &program);
    tap_note("%s", vgpu_last_error());
    tap_equal((uint32_t)code, VGPU_E_TOO_LARGE, "a program larger than the queue's memory");
    free(source);
    ok(vgpu_finish(gpu), "and all goes on");
}

static void test_buffers(void)
{
    const uint64_t pattern = 0x0102030405060708;
    static uint64_t words[100000], back[100000];
    VgpuBuffer one, two;
    VgpuTicket tickets[4];
    bool good = true;

    for (size_t i = 0; i < 100000; i++)
        words[i] = i * pattern;
    ok(vgpu_buffer_create(gpu, sizeof(words), &one), "a buffer");
    ok(vgpu_buffer_create(gpu, sizeof(words) + 8, &two), "a second one");
    vgpu_buffer_write(gpu, one, 0, words, sizeof(words), NULL);
    vgpu_buffer_copy(gpu, two, 8, one, 0, sizeof(words), NULL);
    vgpu_buffer_fill(gpu, two, 0, 8, &pattern, 8, NULL);
    vgpu_barrier(gpu);
    for (size_t i = 0; i < 4; i++) /* a quarter each, all under way */
        vgpu_buffer_read_async(gpu, two, 8 + i * 200000, (char *)back + i * 200000, 200000, NULL,
                               &tickets[i]);
    for (size_t i = 0; i < 4; i++)
        good &= vgpu_wait(gpu, tickets[i], -1) == VGPU_OK;
    tap_ok(good && memcmp(back, words, sizeof(words)) == 0, "written, copied, read in parts");
    ok(vgpu_buffer_read(gpu, two, 0, back, 8, NULL), "read");
    tap_ok(back[0] == pattern, "what was filled");

    vgpu_buffer_write(gpu, one, sizeof(words) - 1, words, 2, NULL);
    tap_equal((uint32_t)vgpu_finish(gpu), VGPU_E_RANGE, "beyond the end");
    ok(vgpu_finish(gpu), "told once");
    tap_equal((uint32_t)vgpu_buffer_read(gpu, one, UINT64_MAX - 1, back, 8, NULL), VGPU_E_RANGE,
              "around the end");
    vgpu_release(gpu, one);
    tap_equal((uint32_t)vgpu_buffer_fill(gpu, one, 0, 8, &pattern, 8, NULL), VGPU_E_HANDLE,
              "a released buffer");
    vgpu_release(gpu, two);
    ok(vgpu_finish(gpu), "all released");
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
        test_buffers();
        test_programs();
        test_refused();
        tap_ok(run_threads(gpu, THREADS), "threads share a context");
        tap_ok(run_threads(NULL, 4), "threads with a context each");
        test_forks();
        test_killed();
    }
    vgpu_close(gpu);
    return tap_end();
}
