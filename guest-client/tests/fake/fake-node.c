/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stand-in's driver: memory, doorbell, sleep; and the worker's loop. */
#include "fake-node.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "fake-operations.h"
#include "node.h"
#include "vgpu-ring.h"

struct fake_node_setup fake_node_setup = {.slot_size = 1u << 20};

static struct {
    pthread_t thread;
    int doorbell, interrupt; /* eventfds */
    void *slot;
    VgpuRingConsumer commands;
    VgpuRingProducer completions;
    struct fake_operations *operations;
    uint32_t first, first_tag;
    uint32_t unanswered;
    _Atomic int stop; /* 1: end, 2: die, 3: break the session, then die */
    pthread_mutex_t gate;
} fake = {.gate = PTHREAD_MUTEX_INITIALIZER};

static void ring(int fd)
{
    const uint64_t one = 1;

    ssize_t written = write(fd, &one, sizeof(one));
    assert(written == sizeof(one));
    (void)written;
}

static void await(int fd, int timeout_ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    uint64_t count;

    if (poll(&poller, 1, timeout_ms) == 1) {
        ssize_t got = read(fd, &count, sizeof(count));
        (void)got;
    }
}

static void carry_out(const struct vgpu_command *command)
{
    struct vgpu_completion completion = {.tag = command->tag};

    completion.status = fake_operations_do(fake.operations, command, &completion.result);
    /* A ring full of commands without an answer is one that the library could not sleep on. */
    fake.unanswered = command->flags & VGPU_COMMAND_ANSWER ? 0 : fake.unanswered + 1;
    assert(fake.unanswered < VGPU_QUEUE_ENTRIES / 2);
    if (!(command->flags & VGPU_COMMAND_ANSWER)) {
        if (completion.status != 0 && fake.first == 0) {
            fake.first = completion.status;
            fake.first_tag = command->tag;
        }
        return;
    }
    completion.first = fake.first;
    completion.first_tag = fake.first_tag;
    fake.first = fake.first_tag = 0;
    int room = vgpu_ring_room(&fake.completions, 1);
    assert(room > 0); /* the library never has more commands open than the ring holds */
    (void)room;
    vgpu_ring_put(&fake.completions, &completion);
}

/* Carries out what there is. Returns whether there was something. */
static bool serve(void)
{
    int available = vgpu_ring_available(&fake.commands);

    assert(available != VGPU_RING_BROKEN);
    for (int i = 0; i < available; i++) {
        struct vgpu_command command;

        pthread_mutex_lock(&fake.gate);
        pthread_mutex_unlock(&fake.gate);
        if (fake.stop >= 2)
            return false;
        vgpu_ring_take(&fake.commands, &command);
        carry_out(&command);
        vgpu_ring_return(&fake.commands, fake.commands.next);
        if (vgpu_ring_publish(&fake.completions))
            ring(fake.interrupt);
    }
    return available > 0;
}

static void *work(void *data)
{
    (void)data;
    while (fake.stop == 0) {
        if (serve())
            continue;
        vgpu_ring_park(&fake.commands);
        if (fake.stop == 0 && vgpu_ring_available(&fake.commands) == 0)
            await(fake.doorbell, -1);
        vgpu_ring_unpark(&fake.commands);
    }
    if (fake.stop == 3)
        atomic_store(VGPU_RING_HOST_WORD(fake.slot, broken), VGPU_RESULT_BAD_QUEUE);
    if (fake.stop == 2)
        atomic_store(VGPU_RING_GUEST_WORD(fake.slot, lost), 1);
    ring(fake.interrupt);
    return NULL;
}

int vgpu_node_open(VgpuNode *node, const char *path)
{
    memset(node, 0, sizeof(*node));
    node->fd = -1;
    if (fake_node_setup.open_fails != 0) {
        int code = fake_node_setup.open_fails;
        fake_node_setup.open_fails = 0;
        return vgpu_fail(code, "%s: told to fail", path != NULL ? path : "/dev/vgpu0");
    }
    int fd = memfd_create("slot", MFD_CLOEXEC);
    assert(fd >= 0);
    int result = ftruncate(fd, (off_t)fake_node_setup.slot_size);
    assert(result == 0);
    (void)result;
    node->info.slot_size = fake_node_setup.slot_size;
    node->slot = mmap(NULL, fake_node_setup.slot_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(node->slot != MAP_FAILED);
    close(fd);
    node->info.queue_version = VGPU_QUEUE_VERSION;
    node->info.pool = 'A';
    strcpy(node->path, "/dev/vgpu0");
    fake.interrupt = eventfd(0, EFD_CLOEXEC);
    fake.doorbell = eventfd(0, EFD_CLOEXEC);
    node->fd = fake.interrupt;

    fake.slot = node->slot;
    fake.commands = vgpu_ring_consume_commands(node->slot);
    fake.completions = vgpu_ring_produce_completions(node->slot);
    fake.operations = fake_operations_new((uint8_t *)node->slot + VGPU_QUEUE_ARENA,
                                          node->info.slot_size - VGPU_QUEUE_ARENA);
    fake.first = fake.first_tag = fake.unanswered = 0;
    fake.stop = 0;
    pthread_create(&fake.thread, NULL, work, NULL);
    return VGPU_OK;
}

void vgpu_node_ring(VgpuNode *node)
{
    (void)node;
    ring(fake.doorbell);
}

bool vgpu_node_sleep(VgpuNode *node, int timeout_ms)
{
    _Atomic uint32_t *parked = VGPU_RING_GUEST_WORD(node->slot, parked);
    _Atomic uint32_t *lost = VGPU_RING_GUEST_WORD(node->slot, lost);

    atomic_store(parked, 1);
    if (atomic_load(VGPU_RING_HOST_WORD(node->slot, completion_tail)) ==
            atomic_load(VGPU_RING_GUEST_WORD(node->slot, completion_head)) &&
        atomic_load(lost) == 0)
        await(node->fd, timeout_ms);
    return atomic_load(lost) == 0;
}

/* Ends the thread, which may wait at the gate. */
static void stop(int how)
{
    fake.stop = how;
    if (how > 1)
        pthread_mutex_unlock(&fake.gate);
    ring(fake.doorbell);
    pthread_join(fake.thread, NULL);
    fake.thread = 0;
}

void vgpu_node_close(VgpuNode *node, bool inherited)
{
    if (node->fd < 0)
        return;
    if (!inherited) {
        if (fake.thread != 0)
            stop(1);
        fake_operations_free(fake.operations);
        munmap(node->slot, node->info.slot_size);
    }
    close(fake.interrupt);
    close(fake.doorbell);
    node->slot = NULL;
    node->fd = -1;
}

void fake_node_hold(void)
{
    pthread_mutex_lock(&fake.gate);
}

void fake_node_release(void)
{
    pthread_mutex_unlock(&fake.gate);
}

void fake_node_kill(void)
{
    stop(2);
}

void fake_node_break(void)
{
    stop(3);
}
