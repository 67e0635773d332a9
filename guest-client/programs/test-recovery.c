/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps both protocols busy while things break on the host, and says what became of each request:
 *
 *     1.0 ID CODE             CODE in hexadecimal, 0: the sum was right
 *     queue TAG STATUS        likewise
 *     queue TAG lost          the session was over before it was answered
 *
 * Numbers are never used twice, so that the workers' traces show how often each was begun. It ends
 * when there is /stop, and both protocols work. Anything else that it prints is a failure.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <vgpu.h>

#include "options.h"
#include "raw-queue.h"
#include "tap.h"
#include "vgpu-pci.h"

#define DEPTH    4u /* commands in flight */
#define BUFFER   VGPU_HANDLE(1, 1)
#define PATIENT  600 /* tries of 50 ms */
#define TEMPTING 100

static uint32_t first = 1;

static bool stopped(void)
{
    return access("/stop", F_OK) == 0;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static void *registers_load(void *data)
{
    VgpuPci pci;
    int result = -1;

    (void)data;
    if (vgpu_pci_open(&pci, NULL, VGPU_PCI_USE) != 0) {
        printf("1.0: %s\n", pci.error);
        return NULL;
    }
    pci.next_id = first;
    while (!stopped() || result != 0) {
        const uint32_t id = pci.next_id;
        uint32_t sum = 0;

        result = vgpu_pci_vector_add(&pci, id, 1, &sum);
        if (result < 0 || (result == 0 && sum != id + 1)) {
            printf("1.0 %u: %s\n", id, result < 0 ? pci.error : "a wrong sum");
            break;
        }
        printf("1.0 %u %x\n", id, (unsigned int)result);
        if (result != 0)
            nap();
    }
    vgpu_pci_close(&pci);
    return NULL;
}

static bool is_over(const RawQueue *queue)
{
    return atomic_load(VGPU_RING_GUEST_WORD(queue->slot, lost)) != 0 ||
           atomic_load(VGPU_RING_HOST_WORD(queue->slot, broken)) != 0;
}

/* The next worker finds the commands of a session that is over, still open: they are not its. */
static void tempt_next_worker(const RawQueue *queue)
{
    for (int i = 0; i < TEMPTING; i++) {
        const uint32_t generation = raw_queue_generation(queue);

        nap();
        if (generation != 0 && generation != queue->info.generation)
            break;
    }
    raw_queue_ring(queue);
    nap();
}

/* One session, to its end or until it is to stop. Returns whether its last command was done. */
static bool serve_session(RawQueue *queue)
{
    const struct vgpu_command create = {
        .opcode = VGPU_CMD_BUFFER_CREATE, .handle = BUFFER, .arg = {64}};
    const struct vgpu_command fill = {.opcode = VGPU_CMD_BUFFER_FILL,
                                      .flags = VGPU_COMMAND_ANSWER,
                                      .handle = BUFFER,
                                      .arg = {0, 64, 0, 4}};
    struct vgpu_completion completion;
    bool good = false;

    raw_queue_put(queue, create);
    uint32_t answered = queue->tag;
    while (!stopped() || !good || answered != queue->tag) {
        while (queue->tag - answered < DEPTH && (!stopped() || !good) && raw_queue_put(queue, fill))
            continue;
        if (!raw_queue_take(queue, &completion))
            break;
        if (completion.tag != ++answered)
            printf("queue %u: answered as %u\n", answered, completion.tag);
        printf("queue %u %x\n", answered, completion.status);
        good = completion.status == VGPU_RESULT_OK;
        if (!good)
            nap();
    }
    if (answered != queue->tag && !is_over(queue))
        printf("queue %u: no answer, no end\n", answered + 1);
    while (answered != queue->tag) {
        printf("queue %u lost\n", ++answered);
        good = false;
    }
    if (is_over(queue))
        tempt_next_worker(queue);
    return good;
}

static void *queue_load(void *data)
{
    uint32_t tag = first;
    bool good = false;

    (void)data;
    while (!stopped() || !good) {
        RawQueue queue;

        if (!raw_queue_open(&queue)) {
            printf("queue: cannot be opened\n");
            return NULL;
        }
        queue.tag = tag;
        good = serve_session(&queue);
        tag = queue.tag;
        raw_queue_close(&queue);
    }
    return NULL;
}

static int load(void)
{
    void *(*const loads[])(void *) = {registers_load, queue_load};
    pthread_t threads[2];

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, loads[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int start_endless(VgpuContext *gpu)
{
    static const char source[] =
        "kernel void endless(global volatile int *p) { while (p[0] == 0) ; }";
    const size_t one = 1;
    const int zero = 0;
    VgpuProgram program;
    VgpuKernel kernel;
    VgpuBuffer buffer;

    int code = vgpu_program_from_source(gpu, source, &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(gpu, program, NULL);
    if (code == VGPU_OK)
        code = vgpu_kernel_create(gpu, program, "endless", &kernel);
    if (code == VGPU_OK)
        code = vgpu_buffer_create(gpu, sizeof(zero), &buffer);
    if (code == VGPU_OK)
        code = vgpu_buffer_write(gpu, buffer, 0, &zero, sizeof(zero), NULL);
    if (code == VGPU_OK)
        code = vgpu_kernel_arg_buffer(gpu, kernel, 0, buffer);
    if (code == VGPU_OK)
        code = vgpu_finish(gpu);
    if (code == VGPU_OK)
        code = vgpu_launch(gpu, kernel, 1, NULL, &one, NULL, NULL);
    return code;
}

/* The program's view, with libvgpu: a kernel of its own that never ends. */
static int endless(void)
{
    VgpuContext *gpu;
    uint32_t sum = 0;
    int code = VGPU_OK;

    tap_begin(stdout);
    for (int i = 0; i < PATIENT && (code = vgpu_open(&gpu, NULL)) == VGPU_E_UNAVAILABLE; i++)
        nap();
    if (code != VGPU_OK)
        tap_bail_out("%s", vgpu_last_error());
    if (!tap_ok(start_endless(gpu) == VGPU_OK, "a kernel that never ends"))
        tap_note("%s", vgpu_last_error());
    tap_equal((uint32_t)vgpu_finish(gpu), VGPU_E_LOST, "the session ends");
    tap_note("%s", vgpu_last_error());
    for (int i = 0; i < PATIENT; i++) {
        code = vgpu_reopen(gpu);
        if (code == VGPU_OK)
            break;
        nap();
    }
    tap_equal((uint32_t)code, VGPU_OK, "opened anew");
    tap_equal((uint32_t)vgpu_vector_add(gpu, 40, 2, &sum), VGPU_OK, "computes");
    tap_equal(sum, 42, "and right");
    vgpu_close(gpu);
    return tap_end();
}

int main(int argc, char **argv)
{
    bool is_endless = false;
    const struct option_entry options[] = {
        {.name = "first", .argument = "N", .help = "the first number", .number = &first},
        {.name = "endless", .help = "a kernel that never ends, instead", .flag = &is_endless},
        {NULL},
    };

    if (options_parse(argc, argv, "[OPTION...]", "Works while the host fails.", options) < argc)
        options_mistake("takes no operands");
    return is_endless ? endless() : load();
}
