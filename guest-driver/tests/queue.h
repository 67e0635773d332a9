/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A queue of /dev/vgpuN as the driver's tests use it: without libvgpu, so that nothing stands
 * between them and the driver. */
#ifndef TEST_QUEUE_H
#define TEST_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "fake-orders.h"
#include "tap.h"
#include "vgpu-ioctl.h"
#include "vgpu-queue.h"
#include "vgpu-ring.h"

/* How long to wait for what must come, milliseconds: for hours no test is slow, only broken. */
#define PATIENCE_MS 60000

typedef struct {
    int fd; /* -1: not open */
    struct vgpu_ioc_info info;
    uint8_t *slot;
    volatile uint32_t *doorbell;
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
} Queue;

/* The device's node; it changes when the driver is bound anew. */
extern char device_path[32];
/* Queues of the device, as sysfs tells. */
extern unsigned queue_count;

/* Opens the device, with all that a program would do. Returns 0 or an errno; then nothing is open.
 */
int queue_open(Queue *queue);
/* The same, as soon as there is a worker. */
void queue_await(Queue *queue);
/* The last use of the file, unless a child has it. */
void queue_close(Queue *queue);

/* Submits and rings when the worker sleeps. */
void queue_submit(Queue *queue, uint16_t opcode, uint64_t handle, uint64_t milliseconds);
/* Waits with read() for one completion; its result, or UINT64_MAX. */
uint64_t queue_take(Queue *queue);
/* One NOP there and back. */
bool queue_works(Queue *queue);

/* A child that calls @body and then exits by itself with its result, or is killed. Its output is
 * lost: it tells by its status. Returns its pid. */
int child_start(int (*body)(void *data), void *data);
/* Waits for its end. Returns its exit status, or 128 and the number of the signal. */
int child_end(int pid);
/* What a child does that is to be killed: says that it got so far by closing its end of a pipe. */
int child_start_and_await(void (*body)(void *data), void *data);

/* All queues can be had at the same time, now. */
bool all_free(void);

/* Whether the slot's arena is all zeros. */
bool is_empty(const Queue *queue);

/* An attribute of the device in sysfs, without the line's end; "" if it is not there. */
const char *attribute(const char *name);

/* Groups of tests. */
void test_use(void);
void test_limits(void);
void test_lives(void);
void test_worker(void);
void test_gone(void);
void test_plugged(void);
void test_suspended(void);
void test_rebooted(void);
void test_large(void);

#endif
