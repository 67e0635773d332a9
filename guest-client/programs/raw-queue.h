/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One queue of /dev/vgpu0 without libvgpu's care: for tests that misuse it. */
#ifndef RAW_QUEUE_H
#define RAW_QUEUE_H

#include "vgpu-ioctl.h"
#include "vgpu-ring.h"

#define RAW_QUEUE_DEVICE "/dev/vgpu0"

typedef struct {
    int fd;
    struct vgpu_ioc_info info;
    uint8_t *slot;
    uint64_t arena_size; /* bytes */
    volatile uint32_t *doorbell;
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
    uint32_t tag; /* of the last command */
} RawQueue;

/*
 * Takes a queue. While there is no worker or it does not answer it is tried again, for 20 s or so.
 * False, with a note, when that does not help.
 */
bool raw_queue_open(RawQueue *queue);

void raw_queue_close(RawQueue *queue);

static inline void raw_queue_ring(const RawQueue *queue)
{
    *queue->doorbell = 1;
}

/* Puts a command in, with the next tag, and rings if the worker wants that. False: no room. */
bool raw_queue_put(RawQueue *queue, struct vgpu_command command);

/* Sleeps until there is a completion, and takes it. False: there will be none, as the session is
 * broken or lost, or it takes longer than 30 s. */
bool raw_queue_take(RawQueue *queue, struct vgpu_completion *completion);

/* A command and its answer: enum vgpu_result; -1: there was none. */
int raw_queue_call(RawQueue *queue, struct vgpu_command command);

/* Waits until the session is broken, 30 s at most. Returns why: enum vgpu_result; 0: it is not. */
uint32_t raw_queue_await_broken(RawQueue *queue);

/* Waits until the worker has taken @count commands, or the session is broken or lost; 30 s at most.
 * False: none of these. */
bool raw_queue_await_taken(RawQueue *queue, uint32_t count);

/* The device's QUEUE_GENERATION now. */
uint32_t raw_queue_generation(const RawQueue *queue);

#endif
