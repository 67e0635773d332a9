/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raw-queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define PATIENCE_MS 30000
#define ATTEMPTS    1000

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static int open_patiently(void)
{
    int fd = -1;

    /* vgpud starts a worker when it likes; nobody tells a program when. */
    for (int i = 0; i < ATTEMPTS; i++) {
        fd = open(RAW_QUEUE_DEVICE, O_RDWR | O_CLOEXEC);
        if (fd >= 0 || (errno != ENODEV && errno != EIO && errno != EBUSY && errno != ENOENT))
            break;
        pause_ms(20);
    }
    return fd;
}

bool raw_queue_open(RawQueue *queue)
{
    void *slot = MAP_FAILED, *doorbell = MAP_FAILED;

    *queue = (RawQueue){.fd = open_patiently(), .info = {.size = sizeof(queue->info)}};
    if (queue->fd >= 0 && ioctl(queue->fd, VGPU_IOC_INFO, &queue->info) == 0) {
        slot = mmap(NULL, queue->info.slot_size, PROT_READ | PROT_WRITE, MAP_SHARED, queue->fd, 0);
        doorbell = mmap(NULL, VGPU_DOORBELL_STRIDE, PROT_WRITE, MAP_SHARED, queue->fd,
                        (off_t)VGPU_MMAP_DOORBELL);
    }
    if (slot == MAP_FAILED || doorbell == MAP_FAILED) {
        tap_note("%s: %s", RAW_QUEUE_DEVICE, strerror(errno));
        return false;
    }
    queue->slot = slot;
    queue->arena_size = queue->info.slot_size - VGPU_QUEUE_ARENA;
    queue->doorbell = doorbell;
    queue->commands = vgpu_ring_produce_commands(slot);
    queue->completions = vgpu_ring_consume_completions(slot);
    return true;
}

void raw_queue_close(RawQueue *queue)
{
    munmap(queue->slot, queue->info.slot_size);
    munmap((void *)queue->doorbell, VGPU_DOORBELL_STRIDE);
    close(queue->fd);
}

bool raw_queue_put(RawQueue *queue, struct vgpu_command command)
{
    if (vgpu_ring_room(&queue->commands, 1) < 1)
        return false;
    command.tag = ++queue->tag;
    vgpu_ring_put(&queue->commands, &command);
    if (vgpu_ring_publish(&queue->commands))
        raw_queue_ring(queue);
    return true;
}

bool raw_queue_take(RawQueue *queue, struct vgpu_completion *completion)
{
    struct pollfd event = {.fd = queue->fd, .events = POLLIN};

    int available = vgpu_ring_available(&queue->completions);
    while (available == 0) {
        if (poll(&event, 1, PATIENCE_MS) <= 0)
            return false;
        available = vgpu_ring_available(&queue->completions);
        if (available == 0 && (event.revents & POLLERR))
            return false;
    }
    if (available < 0)
        return false;
    vgpu_ring_take(&queue->completions, completion);
    vgpu_ring_return(&queue->completions, queue->completions.next);
    return true;
}

int raw_queue_call(RawQueue *queue, struct vgpu_command command)
{
    struct vgpu_completion completion;

    command.flags |= VGPU_COMMAND_ANSWER;
    if (!raw_queue_put(queue, command) || !raw_queue_take(queue, &completion))
        return -1;
    if (completion.tag != queue->tag) {
        tap_note("tag %u instead of %u", completion.tag, queue->tag);
        return -1;
    }
    return (int)completion.status;
}

static uint32_t broken(const RawQueue *queue)
{
    return atomic_load(VGPU_RING_HOST_WORD(queue->slot, broken));
}

uint32_t raw_queue_await_broken(RawQueue *queue)
{
    struct pollfd event = {.fd = queue->fd};

    poll(&event, 1, PATIENCE_MS);
    return broken(queue);
}

bool raw_queue_await_taken(RawQueue *queue, uint32_t count)
{
    struct pollfd event = {.fd = queue->fd};

    for (int i = 0; i < PATIENCE_MS; i++) {
        if (atomic_load(VGPU_RING_HOST_WORD(queue->slot, command_head)) == count)
            return true;
        if (poll(&event, 1, 1) > 0)
            return true;
    }
    return false;
}

uint32_t raw_queue_generation(const RawQueue *queue)
{
    struct vgpu_ioc_register one = {.offset = VGPU_REG_QUEUE_GENERATION};

    return ioctl(queue->fd, VGPU_IOC_REGISTER, &one) == 0 ? one.value : 0;
}
