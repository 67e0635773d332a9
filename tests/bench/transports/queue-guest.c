/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenCL from a guest, through libvgpu's queue: the same work as bench-opencl's on the host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "channel.h"
#include "measure.h"
#include "vgpu.h"

struct guest_queue {
    VgpuContext *context;
    VgpuBuffer buffer;
    VgpuKernel kernel;
    uint8_t *bytes; /* BENCH_CHUNK */
};

static bool good(int code)
{
    if (code != VGPU_OK)
        fprintf(stderr, "bench: libvgpu: %s\n", vgpu_last_error());
    return code == VGPU_OK;
}

static bool write_word(void *context)
{
    struct guest_queue *queue = context;

    return good(vgpu_buffer_write(queue->context, queue->buffer, 0, queue->bytes, 4, NULL)) &&
           good(vgpu_finish(queue->context));
}

static bool write_and_read(void *context)
{
    struct guest_queue *queue = context;

    return good(vgpu_buffer_write(queue->context, queue->buffer, 0, queue->bytes, BENCH_CHUNK,
                                  NULL)) &&
           good(
               vgpu_buffer_read(queue->context, queue->buffer, 0, queue->bytes, BENCH_CHUNK, NULL));
}

static bool run_kernel(void *context)
{
    struct guest_queue *queue = context;
    const size_t one = 1;

    return good(vgpu_launch(queue->context, queue->kernel, 1, NULL, &one, NULL, NULL)) &&
           good(vgpu_finish(queue->context));
}

static bool open_queue(struct guest_queue *queue)
{
    VgpuProgram program;

    return good(vgpu_open(&queue->context, NULL)) &&
           good(vgpu_buffer_create(queue->context, BENCH_CHUNK, &queue->buffer)) &&
           good(
               vgpu_program_from_source(queue->context, "kernel void empty(void) { }", &program)) &&
           good(vgpu_program_build(queue->context, program, NULL)) &&
           good(vgpu_kernel_create(queue->context, program, "empty", &queue->kernel)) &&
           good(vgpu_finish(queue->context));
}

void queue_measure(double seconds)
{
    const struct measure_plan plan = {.seconds = seconds, .least = 20};
    struct guest_queue queue = {.bytes = calloc(1, BENCH_CHUNK)};

    errno = 0;
    if (queue.bytes == NULL || !open_queue(&queue))
        measure_die("no queue");
    struct measure_row row = measure_latency("opencl-guest-write", write_word, &queue, &plan);
    row.gib_per_s = measure_rate(write_and_read, &queue, 2 * (size_t)BENCH_CHUNK, seconds / 2);
    measure_print(&row);
    row = measure_latency("opencl-guest-kernel", run_kernel, &queue, &plan);
    measure_print(&row);
    vgpu_close(queue.context);
    free(queue.bytes);
}
