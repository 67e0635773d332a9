/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots of gigabytes: no offset is cut to 32 bits, and no memory is touched that nobody uses. */
#include "queue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PART (1u << 20) /* what a program uses of its slot */

/* As queue_open(), but maps the slot's beginning only. */
static void open_part(Queue *queue)
{
    *queue = (Queue){.fd = open(device_path, O_RDWR | O_CLOEXEC), .info.size = sizeof(queue->info)};
    if (queue->fd < 0 || ioctl(queue->fd, VGPU_IOC_INFO, &queue->info) < 0)
        tap_bail_out("open or VGPU_IOC_INFO");
    queue->slot = mmap(NULL, PART, PROT_READ | PROT_WRITE, MAP_SHARED, queue->fd, 0);
    queue->doorbell = mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, queue->fd, VGPU_MMAP_DOORBELL);
    if (queue->slot == MAP_FAILED || queue->doorbell == MAP_FAILED)
        tap_bail_out("mmap");
    queue->commands = vgpu_ring_produce_commands(queue->slot);
    queue->completions = vgpu_ring_consume_completions(queue->slot);
}

static void close_part(Queue *queue)
{
    queue->info.slot_size = PART;
    queue_close(queue);
}

static bool part_is_empty(const Queue *queue)
{
    for (uint32_t i = VGPU_QUEUE_ARENA; i < PART; i++) {
        if (queue->slot[i] != 0)
            return false;
    }
    return true;
}

/* The last page of a slot, with @value in it. */
static volatile uint64_t *write_end(const Queue *queue, uint64_t value)
{
    volatile uint64_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, queue->fd,
                                   (off_t)(queue->info.slot_size - 4096));

    if (page == MAP_FAILED)
        tap_bail_out("mmap of the end");
    *page = value;
    return page;
}

void test_large(void)
{
    Queue queues[VGPU_QUEUE_MAX];
    volatile uint64_t *ends[VGPU_QUEUE_MAX];

    for (unsigned round = 0; round < 3; round++) {
        bool empty = true, work = true;

        for (unsigned i = 0; i < queue_count; i++) {
            open_part(&queues[i]);
            empty = part_is_empty(&queues[i]) && empty;
            memset(queues[i].slot + VGPU_QUEUE_ARENA, 0xa5, PART - VGPU_QUEUE_ARENA);
            work = queue_works(&queues[i]) && work;
        }
        for (unsigned i = 0; i < queue_count; i++)
            close_part(&queues[i]);
        tap_ok(empty && work, "round %u: empty parts of all slots, and queues that work", round);
    }

    for (unsigned i = 0; i < queue_count; i++) {
        open_part(&queues[i]);
        tap_ok(queues[i].info.slot_size > UINT32_MAX, "queue %u: more than 32 bits", i);
        ends[i] = write_end(&queues[i], i + 1);
    }
    bool apart = true, work = true;
    for (unsigned i = 0; i < queue_count; i++) {
        apart = apart && *ends[i] == i + 1;
        work = queue_works(&queues[i]) && part_is_empty(&queues[i]) && work;
    }
    tap_ok(apart, "each slot has an end of its own");
    tap_ok(work, "and all work");
}
