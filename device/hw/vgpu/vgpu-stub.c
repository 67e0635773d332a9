/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: a paravirtual GPU. The guest puts a request into a buffer and rings a doorbell; the
 * device carries it to a worker process on the host, and its response back. The device itself
 * computes nothing. docs/specs/vgpu-stub.rst is its specification.
 */
#include "qemu/osdep.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/units.h"

#include "trace.h"
#include "vgpu-hash.h"
#include "vgpu-stub.h"

const char *vgpu_stub_name(VgpuStub *s)
{
    const char *id = DEVICE(s)->id;

    return id != NULL ? id : TYPE_VGPU_STUB;
}

uint32_t vgpu_stub_capabilities(const VgpuStub *s)
{
    return VGPU_CAP_BASIC | VGPU_CAP_INTERRUPT | (s->queues.count > 0 ? VGPU_CAP_QUEUES : 0);
}

void vgpu_interrupt_update(VgpuStub *s)
{
    PCIDevice *pci = PCI_DEVICE(s);
    bool messages = msi_enabled(pci) || msix_enabled(pci);

    pci_set_irq(pci, !messages && (s->interrupt_status & s->interrupt_ctrl) != 0);
}

void vgpu_interrupt_raise(VgpuStub *s)
{
    PCIDevice *pci = PCI_DEVICE(s);

    if (s->interrupt_ctrl & VGPU_INTERRUPT_COMPLETION) {
        if (msix_enabled(pci)) {
            msix_notify(pci, VGPU_VECTOR_DEVICE);
        } else if (msi_enabled(pci)) {
            msi_notify(pci, 0);
        }
    }
    vgpu_interrupt_update(s);
}

/* The guest may turn MSI or MSI-X on or off while a completion is pending: INTx follows. */
static void vgpu_stub_write_config(PCIDevice *pci, uint32_t address, uint32_t value, int length)
{
    pci_default_write_config(pci, address, value, length);
    vgpu_vectors_update(VGPU_STUB(pci));
    vgpu_interrupt_update(VGPU_STUB(pci));
}

static bool vgpu_parse_pool(const char *text, uint32_t *pool, Error **errp)
{
    if (strlen(text) != 1 || text[0] < 'A' || text[0] > 'Z') {
        error_setg(errp, "Property '" TYPE_VGPU_STUB ".pool' is one letter from A to Z, not '%s'",
                   text);
        return false;
    }
    *pool = text[0];
    return true;
}

static bool vgpu_parse_priority(const char *text, uint32_t *priority, Error **errp)
{
    for (uint32_t i = VGPU_PRIORITY_LOW; i <= VGPU_PRIORITY_HIGH; i++) {
        if (strcmp(text, vgpu_priority_name(i)) == 0) {
            *priority = i;
            return true;
        }
    }
    error_setg(errp, "Property '" TYPE_VGPU_STUB ".priority' is low, medium or high, not '%s'",
               text);
    return false;
}

static bool vgpu_init_msi(PCIDevice *pci, Error **errp)
{
    Error *error = NULL;
    int ret = msi_init(pci, 0, 1, true, false, &error);

    if (ret == -ENOTSUP) {
        /* The machine has no MSI: INTx serves. */
        error_free(error);
        return true;
    }
    error_propagate(errp, error);
    return ret == 0;
}

static struct vgpu_link_hello vgpu_stub_hello(const VgpuStub *s)
{
    return (struct vgpu_link_hello){
        .link_version = VGPU_LINK_VERSION,
        .protocol_version = VGPU_PROTOCOL_VERSION,
        .capabilities = vgpu_stub_capabilities(s),
        .pool = s->pool,
        .priority = s->priority,
        .vm_id = s->vm_id,
        .queues = s->queues.count,
        .shm_size = s->queues.count > 0 ? s->queues.shm_size : 0,
        .protocol_hash = VGPU_PROTOCOL_HASH,
    };
}

static void vgpu_stub_realize(PCIDevice *pci, Error **errp)
{
    VgpuStub *s = VGPU_STUB(pci);

    if (!vgpu_parse_pool(s->pool_property ?: "A", &s->pool, errp) ||
        !vgpu_parse_priority(s->priority_property ?: "medium", &s->priority, errp)) {
        return;
    }
    s->vm_id = s->vm_id_property;

    error_setg(&s->migration_blocker,
               "device '%s' (" TYPE_VGPU_STUB ") uses a GPU of this host, whose state can be "
               "neither saved nor migrated: shut the guest down instead",
               vgpu_stub_name(s));
    if (!vgpu_block_migration(&s->migration_blocker, errp)) {
        return;
    }
    if (!vgpu_queues_init(s, errp)) {
        vgpu_allow_migration(&s->migration_blocker);
        return;
    }
    if (!vgpu_init_msi(pci, errp)) {
        vgpu_queues_exit(s);
        vgpu_allow_migration(&s->migration_blocker);
        return;
    }

    pci_config_set_interrupt_pin(pci->config, 1);
    memory_region_init_io(&s->bar0, OBJECT(s), &vgpu_mmio_ops, s, TYPE_VGPU_STUB "-bar0",
                          VGPU_BAR0_SIZE);
    pci_register_bar(pci, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->bar0);

    /*
     * Real time: the deadline bounds the host's work, which goes on while the VM is stopped or its
     * own clock is slowed or warped (icount), and which a change of the host's date does not touch.
     */
    timer_init_ms(&s->deadline, QEMU_CLOCK_REALTIME, vgpu_request_timeout, s);
    s->link.hello = vgpu_stub_hello(s);
    vgpu_link_start(s);
}

static void vgpu_stub_exit(PCIDevice *pci)
{
    VgpuStub *s = VGPU_STUB(pci);

    vgpu_request_reset(s);
    vgpu_link_stop(s);
    vgpu_queues_exit(s);
    msi_uninit(pci);
    vgpu_allow_migration(&s->migration_blocker);
}

static void vgpu_stub_reset(DeviceState *dev)
{
    VgpuStub *s = VGPU_STUB(dev);

    trace_vgpu_stub_reset(vgpu_stub_name(s));
    vgpu_request_reset(s);
    vgpu_queues_reset(s);
    vgpu_vectors_update(s);
}

static void vgpu_stub_instance_init(Object *object)
{
    VgpuStub *s = VGPU_STUB(object);

    s->channel = -1;
    s->link.descriptor = -1;
}

static VgpuProperty vgpu_stub_properties[] = {
    DEFINE_PROP_CHR("chardev", VgpuStub, link.chr),
    DEFINE_PROP_STRING("pool", VgpuStub, pool_property),
    DEFINE_PROP_STRING("priority", VgpuStub, priority_property),
    DEFINE_PROP_UINT32("vm-id", VgpuStub, vm_id_property, 0),
    DEFINE_PROP_UINT32("queues", VgpuStub, queues.count, 8),
    DEFINE_PROP_SIZE("shm-size", VgpuStub, queues.shm_size, 64 * MiB),
    VGPU_PROPERTIES_END};

static void vgpu_stub_class_init(ObjectClass *class, VgpuClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(class);

    k->realize = vgpu_stub_realize;
    k->exit = vgpu_stub_exit;
    k->config_write = vgpu_stub_write_config;
    k->vendor_id = VGPU_PCI_VENDOR_ID;
    k->device_id = VGPU_PCI_DEVICE_ID;
    k->class_id = VGPU_PCI_CLASS;
    k->revision = VGPU_PCI_REVISION;

    dc->desc = "Paravirtual GPU, served by a mediator on the host";
    vgpu_set_reset(dc, vgpu_stub_reset);
    device_class_set_props(dc, vgpu_stub_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    object_class_property_set_description(
        class, "chardev",
        "ID of the chardev that is connected to the mediator; "
        "without one each request fails as 'mediator unavailable'");
    object_class_property_set_description(
        class, "pool", "GPU pool that serves the VM: a letter, A (default) to Z");
    object_class_property_set_description(class, "priority",
                                          "Priority in the pool: low, medium (default) or high");
    object_class_property_set_description(class, "vm-id", "Number of the VM that the guest reads");
    object_class_property_set_description(
        class, "queues", "Queues in shared memory, at most 64, 8 by default; 0: protocol 1.0 only");
    object_class_property_set_description(
        class, "shm-size", "Memory that all queues share: a power of two, 64 MiB by default");
}

static void vgpu_stub_register_types(void)
{
    static VgpuInterfaceInfo interfaces[] = {
        {INTERFACE_CONVENTIONAL_PCI_DEVICE},
        {},
    };
    static const TypeInfo info = {
        .name = TYPE_VGPU_STUB,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(VgpuStub),
        .instance_init = vgpu_stub_instance_init,
        .class_init = vgpu_stub_class_init,
        .interfaces = interfaces,
    };

    type_register_static(&info);
}

type_init(vgpu_stub_register_types)
