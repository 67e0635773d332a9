/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostile-root.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "raw-queue.h"
#include "tap.h"

#define WAIT_MS 30000

typedef struct {
    char folder[PATH_MAX]; /* the device's, in sysfs */
    uint8_t *memory;       /* BAR2 */
    size_t size;
    volatile uint32_t *doorbells; /* BAR4 */
    size_t doorbells_size;
    uint32_t count; /* queues */
} Device;

/* Maps resource @number; NULL where the kernel does not let it. */
static void *map(const Device *device, int number, size_t *size)
{
    char path[PATH_MAX + 16];
    struct stat status;

    snprintf(path, sizeof(path), "%s/resource%d", device->folder, number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return NULL;
    *size = (size_t)status.st_size;
    void *memory = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool map_all(Device *device)
{
    size_t size;
    volatile uint32_t *registers = map(device, 0, &size);

    if (registers == NULL)
        return false;
    device->count = registers[VGPU_REG_QUEUE_COUNT / 4];
    munmap((void *)registers, size);
    device->memory = map(device, 2, &device->size);
    device->doorbells = map(device, 4, &device->doorbells_size);
    return device->memory != NULL && device->doorbells != NULL;
}

static void unmap_all(Device *device)
{
    munmap(device->memory, device->size);
    munmap((void *)device->doorbells, device->doorbells_size);
}

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    const ssize_t length = (ssize_t)strlen(text);
    const bool well = fd >= 0 && write(fd, text, (size_t)length) == length;

    if (fd >= 0)
        close(fd);
    return well;
}

static bool write_attribute(const Device *device, const char *name, const char *text)
{
    char path[PATH_MAX + 64];

    snprintf(path, sizeof(path), "%s/%s", device->folder, name);
    return write_text(path, text);
}

static uint8_t *slot_of(const Device *device, uint32_t queue)
{
    return device->memory + queue * vgpu_queue_slot_size(device->size, device->count);
}

static void ring(const Device *device, uint32_t queue)
{
    device->doorbells[queue * VGPU_DOORBELL_STRIDE / 4] = 1;
}

/* Indices, session words and entries of any queue, of either side. */
static void scribble(const Device *device, struct random *random, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        const uint32_t queue = random_below(random, device->count);
        const size_t page = random_below(random, 2) * VGPU_QUEUE_HOST;
        const size_t word = page + random_below(random, 4) * 64 + random_below(random, 2) * 4;
        const size_t entry = VGPU_QUEUE_COMMANDS +
                             random_below(random, VGPU_QUEUE_ARENA - VGPU_QUEUE_COMMANDS) / 4 * 4;
        const uint32_t value = random_below(random, random_below(random, 2) ? 0 : 600);

        atomic_store(vgpu_ring_word(slot_of(device, queue), word), value);
        atomic_store(vgpu_ring_word(slot_of(device, queue), entry), value);
        ring(device, queue);
    }
}

static bool await_word(_Atomic uint32_t *word, uint32_t value)
{
    for (int i = 0; i < WAIT_MS; i++) {
        if (atomic_load(word) == value)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return false;
}

/* A session as the driver would begin it, and one command in it. */
static bool compute_by_hand(const Device *device, uint32_t queue, uint32_t session)
{
    uint8_t *slot = slot_of(device, queue);
    const struct vgpu_command nop = {
        .opcode = VGPU_CMD_NOP, .flags = VGPU_COMMAND_ANSWER, .tag = 7};
    struct vgpu_completion completion = {0};

    /* A number of its own first: the worker answers changes, and may have seen a 0 before. */
    const uint32_t steps[] = {session + VGPU_QUEUE_MAX, 0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        atomic_store(VGPU_RING_GUEST_WORD(slot, session), steps[i]);
        ring(device, queue);
        if (!await_word(VGPU_RING_HOST_WORD(slot, session), steps[i]))
            return false;
    }
    memset(slot, 0, VGPU_QUEUE_PAGE);
    atomic_store(VGPU_RING_GUEST_WORD(slot, session), session);
    ring(device, queue);
    if (!await_word(VGPU_RING_HOST_WORD(slot, session), session))
        return false;

    VgpuRingProducer commands = vgpu_ring_produce_commands(slot);
    VgpuRingConsumer completions = vgpu_ring_consume_completions(slot);
    vgpu_ring_put(&commands, &nop);
    vgpu_ring_publish(&commands);
    ring(device, queue);
    if (!await_word(VGPU_RING_HOST_WORD(slot, completion_tail), 1) ||
        vgpu_ring_available(&completions) != 1)
        return false;
    vgpu_ring_take(&completions, &completion);
    return completion.tag == 7 && completion.status == VGPU_RESULT_OK;
}

static void beside_driver(Device *device, struct random *random, uint32_t rounds)
{
    if (!map_all(device)) {
        tap_skip("beside the driver", "this kernel keeps the driver's memory from root");
        return;
    }
    scribble(device, random, rounds);
    unmap_all(device);
    tap_ok(true, "beside the driver");
}

void hostile_root(struct random *random, uint32_t rounds)
{
    Device device = {0};

    if (realpath("/sys/class/vgpu/vgpu0/device", device.folder) == NULL)
        tap_bail_out("no /sys/class/vgpu/vgpu0");
    const char *name = strrchr(device.folder, '/') + 1;

    beside_driver(&device, random, rounds);
    tap_ok(write_attribute(&device, "driver/unbind", name), "the driver is taken away");
    if (!write_attribute(&device, "enable", "1") || !map_all(&device))
        tap_bail_out("cannot map %s", device.folder);
    scribble(&device, random, rounds);
    uint32_t good = 0;
    for (uint32_t i = 0; i < device.count; i++)
        good += compute_by_hand(&device, i, 1000 + i);
    tap_equal(good, device.count, "each queue answers to a session that was begun by hand");
    scribble(&device, random, rounds);
    unmap_all(&device);
    write_attribute(&device, "enable", "0");
    tap_ok(write_text("/sys/bus/pci/drivers/vgpu/bind", name), "the driver is back");
}
