/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: protocol 2's queues. The device provides what the guest and its worker share and then
 * stands aside: BAR2 is memory that both map, a write to a doorbell in BAR4 signals an eventfd that
 * the worker waits for, and the worker's eventfds raise interrupts (vgpu-vectors.c).
 *
 * The other ends of memory and eventfds are in the hands of the worker, which runs the guest's work
 * and is trusted no more than the guest: what it does to them reaches no further than this VM.
 */
#include "qemu/osdep.h"
#include "hw/pci/msi.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/memfd.h"
#include "qemu/units.h"

#include "trace.h"
#include "vgpu-stub.h"

#define VGPU_BAR_MEMORY    2
#define VGPU_BAR_DOORBELLS 4

QEMU_BUILD_BUG_ON(VGPU_LINK_SEALS != (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW));

static bool vgpu_queues_check(VgpuStub *s, Error **errp)
{
    const uint64_t size = s->queues.shm_size;
    const uint32_t count = s->queues.count;
    const uint64_t slot = VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN;

    if (count > VGPU_QUEUE_MAX) {
        error_setg(errp,
                   "Property '" TYPE_VGPU_STUB ".queues' is a number from 0 to %u, not %" PRIu32,
                   VGPU_QUEUE_MAX, count);
        return false;
    }
    if (!is_power_of_2(size) || size > VGPU_SHM_SIZE_MAX) {
        error_setg(errp,
                   "Property '" TYPE_VGPU_STUB ".shm-size' is a power of two, at most %llu GiB, "
                   "not %" PRIu64 " bytes",
                   VGPU_SHM_SIZE_MAX / GiB, size);
        return false;
    }
    if (count > 0 && !vgpu_queue_shm_fits(size, count)) {
        error_setg(errp,
                   "Property '" TYPE_VGPU_STUB ".shm-size' of %" PRIu64 " bytes is too small: each "
                   "of %" PRIu32 " queues needs %" PRIu64,
                   size, count, slot);
        return false;
    }
    return true;
}

static void vgpu_doorbell_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    VgpuStub *s = opaque;
    uint64_t index = offset / VGPU_DOORBELL_STRIDE;

    /* Writes that ring do not come here as a rule: they end in the eventfd. */
    if (offset % VGPU_DOORBELL_STRIDE == 0 && index < s->queues.count) {
        trace_vgpu_stub_doorbell(vgpu_stub_name(s), index);
        event_notifier_set(&s->queues.queue[index].doorbell);
        return;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "%s: write to 0x%" HWADDR_PRIx ", which is no doorbell\n",
                  vgpu_stub_name(s), offset);
}

static uint64_t vgpu_doorbell_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0;
}

static const MemoryRegionOps vgpu_doorbell_ops = {
    .read = vgpu_doorbell_read,
    .write = vgpu_doorbell_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid =
        {
            .min_access_size = 4,
            .max_access_size = 4,
        },
};

static bool vgpu_queues_make_memory(VgpuStub *s, Error **errp)
{
    ERRP_GUARD();
    int fd = qemu_memfd_create(TYPE_VGPU_STUB, s->queues.shm_size, false, 0, VGPU_LINK_SEALS, errp);

    if (fd < 0) {
        error_prepend(errp, "Property '" TYPE_VGPU_STUB ".shm-size': ");
        return false;
    }
    if (!vgpu_init_ram_from_fd(&s->queues.memory, OBJECT(s), TYPE_VGPU_STUB "-bar2",
                               s->queues.shm_size, fd, errp)) {
        error_prepend(errp, "Property '" TYPE_VGPU_STUB ".shm-size': ");
        close(fd);
        return false;
    }
    return true;
}

static bool vgpu_queues_make_notifiers(VgpuStub *s, Error **errp)
{
    s->queues.queue = g_new0(VgpuQueue, s->queues.count);
    for (uint32_t i = 0; i < s->queues.count; i++) {
        VgpuQueue *q = &s->queues.queue[i];
        int ret;

        q->stub = s;
        q->virq = -1;
        ret = event_notifier_init(&q->doorbell, 0);
        if (ret == 0) {
            ret = event_notifier_init(&q->completion, 0);
        }
        if (ret < 0) {
            error_setg_errno(errp, -ret, "cannot make the eventfds of queue %" PRIu32, i);
            return false;
        }
    }
    return true;
}

static void vgpu_queues_register_bars(VgpuStub *s)
{
    PCIDevice *pci = PCI_DEVICE(s);
    uint64_t size = pow2ceil((uint64_t)s->queues.count * VGPU_DOORBELL_STRIDE);

    pci_register_bar(pci, VGPU_BAR_MEMORY,
                     PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64 |
                         PCI_BASE_ADDRESS_MEM_PREFETCH,
                     &s->queues.memory);

    memory_region_init_io(&s->queues.doorbells, OBJECT(s), &vgpu_doorbell_ops, s,
                          TYPE_VGPU_STUB "-bar4", size);
    memory_region_transaction_begin();
    for (uint32_t i = 0; i < s->queues.count; i++) {
        memory_region_add_eventfd(&s->queues.doorbells, (hwaddr)i * VGPU_DOORBELL_STRIDE, 4, false,
                                  0, &s->queues.queue[i].doorbell);
    }
    memory_region_transaction_commit();
    s->queues.rings = true;
    pci_register_bar(pci, VGPU_BAR_DOORBELLS, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->queues.doorbells);
}

bool vgpu_queues_init(VgpuStub *s, Error **errp)
{
    if (!vgpu_queues_check(s, errp)) {
        return false;
    }
    if (!msi_nonbroken) {
        /* The machine has no MSI, and so no interrupt for a queue: protocol 1.0 is what works. */
        s->queues.count = 0;
    }
    if (s->queues.count == 0) {
        return true;
    }
    if (!vgpu_queues_make_notifiers(s, errp) || !vgpu_queues_make_memory(s, errp) ||
        !vgpu_vectors_init(s, errp)) {
        vgpu_queues_exit(s);
        return false;
    }
    vgpu_queues_register_bars(s);
    trace_vgpu_stub_queues(vgpu_stub_name(s), s->queues.count, s->queues.shm_size);
    return true;
}

void vgpu_queues_exit(VgpuStub *s)
{
    if (s->queues.queue == NULL) {
        return;
    }
    vgpu_vectors_exit(s);
    if (s->queues.rings) {
        memory_region_transaction_begin();
        for (uint32_t i = 0; i < s->queues.count; i++) {
            memory_region_del_eventfd(&s->queues.doorbells, (hwaddr)i * VGPU_DOORBELL_STRIDE, 4,
                                      false, 0, &s->queues.queue[i].doorbell);
        }
        memory_region_transaction_commit();
        s->queues.rings = false;
    }
    for (uint32_t i = 0; i < s->queues.count; i++) {
        event_notifier_cleanup(&s->queues.queue[i].doorbell);
        event_notifier_cleanup(&s->queues.queue[i].completion);
    }
    /* BAR2's memory and its descriptor go with the device. */
    g_clear_pointer(&s->queues.queue, g_free);
    s->queues.count = 0;
}

void vgpu_queues_reset(VgpuStub *s)
{
    const uint64_t slot = vgpu_queue_slot_size(s->queues.shm_size, s->queues.count);
    const size_t session = VGPU_QUEUE_GUEST + offsetof(struct vgpu_queue_guest, session);

    for (uint32_t i = 0; i < s->queues.count; i++) {
        uint8_t *base = memory_region_get_ram_ptr(&s->queues.memory);

        qatomic_set((uint32_t *)(base + i * slot + session), 0);
        event_notifier_set(&s->queues.queue[i].doorbell);
    }
}

uint32_t vgpu_queues_read(VgpuStub *s, hwaddr offset)
{
    if (s->queues.count == 0) {
        return 0;
    }
    switch (offset) {
    case VGPU_REG_QUEUE_VERSION:
        return VGPU_QUEUE_VERSION;
    case VGPU_REG_QUEUE_COUNT:
        return s->queues.count;
    case VGPU_REG_SHM_SIZE_LO:
        return (uint32_t)s->queues.shm_size;
    case VGPU_REG_SHM_SIZE_HI:
        return (uint32_t)(s->queues.shm_size >> 32);
    case VGPU_REG_QUEUE_GENERATION:
        return s->queues.generation;
    default:
        return 0;
    }
}

static void vgpu_queues_set_generation(VgpuStub *s, uint32_t generation)
{
    trace_vgpu_stub_generation(vgpu_stub_name(s), generation);
    s->queues.generation = generation;
    vgpu_vectors_raise(s, VGPU_VECTOR_DEVICE);
}

bool vgpu_queues_open(VgpuStub *s)
{
    if (s->queues.count == 0 || s->queues.generation != 0) {
        return false;
    }
    if (++s->queues.last_generation == 0) {
        s->queues.last_generation = 1;
    }
    vgpu_queues_set_generation(s, s->queues.last_generation);
    return true;
}

void vgpu_queues_close(VgpuStub *s)
{
    if (s->queues.generation != 0) {
        vgpu_queues_set_generation(s, 0);
    }
}
