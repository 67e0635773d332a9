/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"
#include "vgpu.h"

#define WINDOW     128         /* calls in flight: half of the ring */
#define COPY_SIZE  (1u << 20)  /* bytes of one copy that both sides' caches hold */
#define LARGE_SIZE (16u << 20) /* and of one that they do not */
#define IDLE_NS    3000000     /* after that long without a command a worker sleeps */

enum how { POLLING, DOORBELL, SLEEPING, ADAPTIVE, REGISTERS };

struct bench {
    VgpuContext *context;
    const char *device;
    bool quick;
    struct bench_row *row;
};

static size_t samples(const struct bench *bench, size_t many)
{
    return bench->quick ? many / 10 : many;
}

static double seconds_since(uint64_t begin)
{
    return (double)(latency_now() - begin) / 1e9;
}

/* Empty calls one after the other. */
static int latency(struct bench *bench, enum how how)
{
    const bool pause = how == DOORBELL || how == SLEEPING;
    const size_t count = samples(bench, pause ? 1000 : how == REGISTERS ? 10000 : 100000);
    int code = VGPU_OK;

    if ((vgpu_context_info(bench->context)->transport == VGPU_TRANSPORT_REGISTERS) !=
        (how == REGISTERS))
        return VGPU_E_UNSUPPORTED;
    uint64_t *durations = calloc(count, sizeof(*durations));
    if (durations == NULL)
        return VGPU_E_MEMORY;
    vgpu_set_spin(bench->context, how == SLEEPING   ? 0
                                  : how == ADAPTIVE ? VGPU_SPIN_ADAPTIVE
                                                    : VGPU_SPIN_ALWAYS);
    for (size_t i = 0; i < count + count / 10 && code == VGPU_OK; i++) {
        if (pause) /* both sides have fallen asleep */
            nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
        uint64_t begin = latency_now();
        code = vgpu_nop(bench->context);
        if (i >= count / 10) /* the first ones warm up */
            durations[i - count / 10] = latency_now() - begin;
    }
    struct latency_summary summary = latency_summarize(durations, count);
    free(durations);
    bench->row->median_us = (double)summary.median / 1e3;
    bench->row->p99_us = (double)summary.p99 / 1e3;
    bench->row->calls_per_s = summary.per_second;
    return code;
}

static int polling(struct bench *bench)
{
    return latency(bench, POLLING);
}

static int adaptive(struct bench *bench)
{
    return latency(bench, ADAPTIVE);
}

static int doorbell(struct bench *bench)
{
    return latency(bench, DOORBELL);
}

static int sleeping(struct bench *bench)
{
    return latency(bench, SLEEPING);
}

static int by_registers(struct bench *bench)
{
    return latency(bench, REGISTERS);
}

/* Calls with an answer each, WINDOW of them in flight. */
static int in_flight_of(VgpuContext *context, size_t count, double *calls_per_s)
{
    VgpuTicket tickets[WINDOW];
    int code = VGPU_OK;

    uint64_t begin = latency_now();
    for (size_t i = 0; i < count && code == VGPU_OK; i++) {
        if (i >= WINDOW)
            code = vgpu_wait(context, tickets[i % WINDOW], -1);
        if (code == VGPU_OK)
            code = vgpu_nop_async(context, &tickets[i % WINDOW]);
    }
    for (size_t i = 0; i < WINDOW && i < count && code == VGPU_OK; i++)
        code = vgpu_wait(context, tickets[(count + i) % WINDOW], -1);
    *calls_per_s = (double)count / seconds_since(begin);
    return code;
}

static int in_flight(struct bench *bench)
{
    return in_flight_of(bench->context, samples(bench, 500000), &bench->row->calls_per_s);
}

/* Commands without an answer. */
static int unanswered(struct bench *bench)
{
    const size_t count = samples(bench, 500000);

    uint64_t begin = latency_now();
    int code = VGPU_OK;
    for (size_t i = 0; i < count && code == VGPU_OK; i++)
        code = vgpu_barrier(bench->context);
    if (code == VGPU_OK)
        code = vgpu_finish(bench->context);
    bench->row->calls_per_s = (double)count / seconds_since(begin);
    return code;
}

/* The median over copies of @size bytes. */
static int copies(struct bench *bench, size_t size, bool out)
{
    const size_t count = samples(bench, size == COPY_SIZE ? 1000 : 100);
    uint64_t *durations = calloc(count, sizeof(*durations));
    uint8_t *bytes = malloc(size);
    VgpuBuffer buffer = 0;
    int code = durations != NULL && bytes != NULL ? VGPU_OK : VGPU_E_MEMORY;

    if (code == VGPU_OK) {
        memset(bytes, 1, size);
        code = vgpu_buffer_create(bench->context, size, &buffer);
    }
    if (code == VGPU_OK) /* the buffer's memory is there, too */
        code = vgpu_buffer_write(bench->context, buffer, 0, bytes, size, NULL);
    if (code == VGPU_OK)
        code = vgpu_finish(bench->context);
    for (size_t i = 0; i < count && code == VGPU_OK; i++) {
        uint64_t begin = latency_now();

        if (out) {
            code = vgpu_buffer_read(bench->context, buffer, 0, bytes, size, NULL);
        } else {
            code = vgpu_buffer_write(bench->context, buffer, 0, bytes, size, NULL);
            if (code == VGPU_OK)
                code = vgpu_finish(bench->context);
        }
        durations[i] = latency_now() - begin;
    }
    if (code == VGPU_OK) {
        struct latency_summary summary = latency_summarize(durations, count);
        bench->row->median_us = (double)summary.median / 1e3;
        bench->row->p99_us = (double)summary.p99 / 1e3;
        bench->row->gib_per_s = (double)size / (1u << 30) * 1e9 / (double)summary.median;
    }
    free(bytes);
    free(durations);
    return code;
}

static int copy_in(struct bench *bench)
{
    return copies(bench, COPY_SIZE, false);
}

static int copy_out(struct bench *bench)
{
    return copies(bench, COPY_SIZE, true);
}

static int copy_in_large(struct bench *bench)
{
    return copies(bench, LARGE_SIZE, false);
}

static int copy_out_large(struct bench *bench)
{
    return copies(bench, LARGE_SIZE, true);
}

/* Kernels that do nothing. @wait: for each of them. */
static int kernels(struct bench *bench, bool wait)
{
    const size_t one = 1, count = samples(bench, wait ? 20000 : 200000);
    VgpuProgram program;
    VgpuKernel kernel = 0;

    int code =
        vgpu_program_from_source(bench->context, "kernel void empty(void)\n{\n}\n", &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(bench->context, program, NULL);
    if (code == VGPU_OK)
        code = vgpu_kernel_create(bench->context, program, "empty", &kernel);
    if (code == VGPU_OK)
        code = vgpu_finish(bench->context);
    uint64_t begin = latency_now();
    for (size_t i = 0; i < count && code == VGPU_OK; i++) {
        code = vgpu_launch(bench->context, kernel, 1, NULL, &one, NULL, NULL);
        if (code == VGPU_OK && wait)
            code = vgpu_finish(bench->context);
    }
    if (code == VGPU_OK)
        code = vgpu_finish(bench->context);
    bench->row->calls_per_s = (double)count / seconds_since(begin);
    return code;
}

static int kernels_in_flight(struct bench *bench)
{
    return kernels(bench, false);
}

static int kernels_waited_for(struct bench *bench)
{
    return kernels(bench, true);
}

/* One of several processes: a queue of its own; its rate goes into the pipe. */
static void child(const struct bench *bench, size_t count, int pipe)
{
    VgpuContext *context;
    double rate = -1;

    if (vgpu_open(&context, bench->device) != VGPU_OK ||
        in_flight_of(context, count, &rate) != VGPU_OK)
        rate = -1;
    ssize_t written = write(pipe, &rate, sizeof(rate));
    _exit(written == sizeof(rate) && rate >= 0 ? 0 : 1);
}

static int processes(struct bench *bench, unsigned int number)
{
    const size_t count = samples(bench, 200000);
    int ends[2], code = VGPU_OK;
    double rate;

    if (vgpu_context_info(bench->context)->transport != VGPU_TRANSPORT_QUEUE)
        return VGPU_E_UNSUPPORTED;
    if (pipe(ends) < 0)
        return VGPU_E_SYSTEM;
    for (unsigned int i = 0; i < number; i++) {
        if (fork() == 0)
            child(bench, count, ends[1]);
    }
    close(ends[1]);
    bench->row->calls_per_s = 0;
    for (unsigned int i = 0; i < number; i++) {
        if (read(ends[0], &rate, sizeof(rate)) != sizeof(rate) || rate < 0)
            code = VGPU_E_EXECUTION;
        else
            bench->row->calls_per_s += rate;
    }
    close(ends[0]);
    while (wait(NULL) > 0) {
    }
    return code;
}

static int processes_1(struct bench *bench)
{
    return processes(bench, 1);
}

static int processes_2(struct bench *bench)
{
    return processes(bench, 2);
}

static int processes_4(struct bench *bench)
{
    return processes(bench, 4);
}

const char *const bench_names[] = {
    "call, protocol 1.0",  "call, polling",   "call, adaptive",       "call, doorbell",
    "call, sleeping",      "calls in flight", "commands, unanswered", "copy in, 1 MiB",
    "copy out, 1 MiB",     "copy in, 16 MiB", "copy out, 16 MiB",     "kernels in flight",
    "kernels, waited for", "1 process",       "2 processes",          "4 processes",
};
static int (*const measures[])(struct bench *) = {
    by_registers,       polling,     adaptive,    doorbell,      sleeping,       in_flight,
    unanswered,         copy_in,     copy_out,    copy_in_large, copy_out_large, kernels_in_flight,
    kernels_waited_for, processes_1, processes_2, processes_4,
};
const unsigned int bench_count = sizeof(measures) / sizeof(measures[0]);
_Static_assert(sizeof(measures) / sizeof(measures[0]) ==
                   sizeof(bench_names) / sizeof(bench_names[0]),
               "a name for each");

int bench_measure(unsigned int index, const char *device, bool quick, struct bench_row *row)
{
    struct bench bench = {.device = device, .quick = quick, .row = row};

    int code = vgpu_open(&bench.context, device);
    if (code == VGPU_OK)
        code = measures[index](&bench);
    vgpu_close(bench.context);
    return code;
}
