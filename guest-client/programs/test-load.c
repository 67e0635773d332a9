/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-load registers FIRST COUNT
 * test-load queue FIRST COUNT IN-FLIGHT LAUNCHES
 *
 * COUNT requests that make the device work, with numbers from FIRST on: by protocol 1.0 one after
 * the other, each with its number as REQUEST_ID; or through a queue, IN-FLIGHT at the same time,
 * each LAUNCHES launches of a kernel and a read whose answer is the request's. Errors do not end
 * it, and a lost queue is opened anew. SIGTERM does, once what is in flight has been answered.
 *
 * What came of them goes to stdout, for tests/system: "answers FIRST COUNT CODE" for each run of
 * the same code, VGPU_E_* or a negative errno, WRONG when the result is not right; then "sent
 * COUNT".
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vgpu.h>

#include "vgpu-pci.h"

#define WRONG         9999
#define TIMEOUT_MS    300000u /* a request may wait for many others, on a machine that is busy */
#define MAX_IN_FLIGHT 256u
#define PATIENCE      600 /* naps until a lost queue counts as lost for good */

static const char source[] = "__kernel void one(__global int *x) { *x = 1; }";

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* Runs of the same code. */
static struct {
    uint32_t first, count;
    int code;
} run;

static void flush_run(void)
{
    if (run.count > 0)
        printf("answers %u %u %d\n", run.first, run.count, run.code);
    run.count = 0;
}

static void book(uint32_t number, int code)
{
    if (run.count == 0 || run.code != code || run.first + run.count != number) {
        flush_run();
        run.first = number;
        run.code = code;
    }
    run.count++;
}

static void nap(void)
{
    const struct timespec pause = {.tv_nsec = 100000000};

    nanosleep(&pause, NULL);
}

/* Errors that come at once, and again at the next try: nobody is there, or nobody may come in. */
static int is_shut(int code)
{
    return code == VGPU_E_UNAVAILABLE || code == VGPU_E_POOL || code == VGPU_E_FULL ||
           code == VGPU_E_QUARANTINED || code == VGPU_E_BUSY;
}

static uint32_t by_registers(uint32_t first, uint32_t count)
{
    uint32_t sum, i;
    VgpuPci pci;

    if (vgpu_pci_open(&pci, NULL, VGPU_PCI_USE) != 0) {
        fprintf(stderr, "test-load: %s\n", pci.error);
        exit(1);
    }
    pci.timeout_ms = TIMEOUT_MS;
    pci.next_id = first; /* no other program has a use for choosing it */
    for (i = 0; i < count && !stopped; i++) {
        int code = vgpu_pci_vector_add(&pci, first, i, &sum);

        book(first + i, code == 0 && sum != first + i ? WRONG : code);
        if (is_shut(code))
            nap();
    }
    vgpu_pci_close(&pci);
    return i;
}

/* A queue with what the requests need. */
struct queue {
    VgpuContext *gpu;
    VgpuBuffer buffer;
    VgpuKernel kernel;
    int ready;
};

static int prepare(struct queue *queue)
{
    const int one = 1;
    VgpuProgram program;

    int code = queue->gpu == NULL ? vgpu_open(&queue->gpu, NULL) : vgpu_reopen(queue->gpu);
    if (code == VGPU_OK)
        code = vgpu_buffer_create(queue->gpu, sizeof(one), &queue->buffer);
    if (code == VGPU_OK)
        code = vgpu_buffer_write(queue->gpu, queue->buffer, 0, &one, sizeof(one), NULL);
    if (code == VGPU_OK)
        code = vgpu_program_from_source(queue->gpu, source, &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(queue->gpu, program, NULL);
    if (code == VGPU_OK)
        code = vgpu_kernel_create(queue->gpu, program, "one", &queue->kernel);
    if (code == VGPU_OK)
        code = vgpu_kernel_arg_buffer(queue->gpu, queue->kernel, 0, queue->buffer);
    if (code == VGPU_OK)
        code = vgpu_finish(queue->gpu);
    queue->ready = code == VGPU_OK;
    return code;
}

/* Until there is a queue; the last code when there is none for too long. */
static int need_queue(struct queue *queue)
{
    int code = VGPU_OK;

    for (int i = 0; i < PATIENCE && !queue->ready && !stopped; i++) {
        code = prepare(queue);
        if (code != VGPU_OK)
            nap();
    }
    return queue->ready ? VGPU_OK : code;
}

static int submit(struct queue *queue, uint32_t launches, int *word, VgpuTicket *ticket)
{
    const size_t one = 1;
    int code = VGPU_OK;

    *ticket = 0;
    *word = 0;
    for (uint32_t i = 0; i < launches && code == VGPU_OK; i++)
        code = vgpu_launch(queue->gpu, queue->kernel, 1, NULL, &one, NULL, NULL);
    if (code == VGPU_OK)
        code =
            vgpu_buffer_read_async(queue->gpu, queue->buffer, 0, word, sizeof(*word), NULL, ticket);
    return code;
}

static uint32_t by_queue(uint32_t first, uint32_t count, uint32_t in_flight, uint32_t launches)
{
    static VgpuTicket tickets[MAX_IN_FLIGHT];
    static int words[MAX_IN_FLIGHT], codes[MAX_IN_FLIGHT];
    struct queue queue = {0};
    uint32_t sent = 0, answered = 0;

    while (answered < sent || (sent < count && !stopped)) {
        /* What is in flight is waited for before a lost queue is opened anew. */
        if (sent < count && sent - answered < in_flight && !stopped &&
            (queue.ready || sent == answered)) {
            const uint32_t at = sent % in_flight;

            codes[at] = need_queue(&queue);
            if (!queue.ready && stopped)
                break;
            if (codes[at] == VGPU_OK)
                codes[at] = submit(&queue, launches, &words[at], &tickets[at]);
            sent++;
            queue.ready = queue.ready && codes[at] != VGPU_E_LOST;
            continue;
        }
        const uint32_t at = answered % in_flight;
        int code = codes[at];

        if (code == VGPU_OK)
            code = vgpu_wait(queue.gpu, tickets[at], -1);
        book(first + answered++, code == VGPU_OK && words[at] != 1 ? WRONG : code);
        if (code == VGPU_E_LOST)
            queue.ready = 0;
    }
    vgpu_close(queue.gpu);
    return sent;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = stop};
    uint32_t sent;

    sigaction(SIGTERM, &action, NULL);
    if (argc == 4 && strcmp(argv[1], "registers") == 0) {
        sent = by_registers(number(argv[2]), number(argv[3]));
    } else if (argc == 6 && strcmp(argv[1], "queue") == 0 && number(argv[4]) >= 1 &&
               number(argv[4]) <= MAX_IN_FLIGHT) {
        sent = by_queue(number(argv[2]), number(argv[3]), number(argv[4]), number(argv[5]));
    } else {
        fprintf(stderr, "usage: test-load registers FIRST COUNT\n"
                        "       test-load queue FIRST COUNT IN-FLIGHT LAUNCHES\n");
        return 2;
    }
    flush_run();
    printf("sent %u\n", sent);
    return 0;
}
