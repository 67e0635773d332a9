/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: MSI-X, one vector for the device and one for each queue. A queue's interrupt is raised
 * by its completion eventfd. While the vector is enabled and KVM can, KVM does that by itself
 * (irqfd). Else QEMU's main loop watches the eventfd: with TCG, and while the vector is masked, so
 * that it becomes pending.
 */
#include "qemu/osdep.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "qemu/main-loop.h"

#include "trace.h"
#include "vgpu-stub.h"

#define VGPU_BAR_MSIX 1

static void vgpu_vector_completed(void *opaque)
{
    VgpuQueue *q = opaque;
    uint32_t index = q - q->stub->queues.queue;

    if (event_notifier_test_and_clear(&q->completion)) {
        trace_vgpu_stub_completion(vgpu_stub_name(q->stub), index);
        vgpu_vectors_raise(q->stub, VGPU_VECTOR_QUEUE(index));
    }
}

static void vgpu_vector_watch(VgpuQueue *q, bool on)
{
    qemu_set_fd_handler(event_notifier_get_fd(&q->completion), on ? vgpu_vector_completed : NULL,
                        NULL, q);
}

static VgpuQueue *vgpu_vector_queue(PCIDevice *pci, unsigned vector)
{
    VgpuStub *s = VGPU_STUB(pci);

    return vector == VGPU_VECTOR_DEVICE ? NULL : &s->queues.queue[vector - VGPU_VECTOR_QUEUE(0)];
}

/* The vector was enabled, with @message. What cannot be given to KVM stays with the main loop. */
static int vgpu_vector_use(PCIDevice *pci, unsigned vector, MSIMessage message)
{
    VgpuQueue *q = vgpu_vector_queue(pci, vector);
    KVMRouteChange change;
    int virq;

    if (q == NULL || q->virq >= 0) {
        return 0;
    }
    change = kvm_irqchip_begin_route_changes(kvm_state);
    virq = kvm_irqchip_add_msi_route(&change, vector, pci);
    if (virq < 0) {
        return 0;
    }
    kvm_irqchip_commit_route_changes(&change);

    /* A signal that the main loop has not seen yet stays in the eventfd: KVM finds it there. */
    vgpu_vector_watch(q, false);
    if (kvm_irqchip_add_irqfd_notifier_gsi(kvm_state, &q->completion, NULL, virq) < 0) {
        kvm_irqchip_release_virq(kvm_state, virq);
        vgpu_vector_watch(q, true);
        return 0;
    }
    q->virq = virq;
    trace_vgpu_stub_vector_use(vgpu_stub_name(q->stub), vector, virq);
    return 0;
}

/* The vector was masked, or MSI-X was disabled, which may be told twice. */
static void vgpu_vector_release(PCIDevice *pci, unsigned vector)
{
    VgpuQueue *q = vgpu_vector_queue(pci, vector);

    if (q == NULL || q->virq < 0) {
        return;
    }
    trace_vgpu_stub_vector_release(vgpu_stub_name(q->stub), vector, q->virq);
    kvm_irqchip_remove_irqfd_notifier_gsi(kvm_state, &q->completion, q->virq);
    kvm_irqchip_release_virq(kvm_state, q->virq);
    q->virq = -1;
    vgpu_vector_watch(q, true);
}

static void vgpu_vectors_release(VgpuStub *s)
{
    for (uint32_t i = 0; i < s->queues.count; i++) {
        vgpu_vector_release(PCI_DEVICE(s), VGPU_VECTOR_QUEUE(i));
    }
}

bool vgpu_vectors_init(VgpuStub *s, Error **errp)
{
    PCIDevice *pci = PCI_DEVICE(s);
    unsigned count = VGPU_VECTOR_QUEUE(s->queues.count);

    if (msix_init_exclusive_bar(pci, count, VGPU_BAR_MSIX, errp) < 0) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        msix_vector_use(pci, i);
    }
    for (uint32_t i = 0; i < s->queues.count; i++) {
        vgpu_vector_watch(&s->queues.queue[i], true);
    }
    if (kvm_msi_via_irqfd_enabled()) {
        msix_set_vector_notifiers(pci, vgpu_vector_use, vgpu_vector_release, NULL);
    }
    return true;
}

void vgpu_vectors_exit(VgpuStub *s)
{
    PCIDevice *pci = PCI_DEVICE(s);

    if (!msix_present(pci)) {
        return; /* vgpu_vectors_init() has failed, or was not reached */
    }
    if (kvm_msi_via_irqfd_enabled()) {
        msix_unset_vector_notifiers(pci);
    }
    vgpu_vectors_release(s);
    for (uint32_t i = 0; i < s->queues.count; i++) {
        vgpu_vector_watch(&s->queues.queue[i], false);
    }
    msix_uninit_exclusive_bar(pci);
}

void vgpu_vectors_update(VgpuStub *s)
{
    /* QEMU tells of each vector that is masked, but not of MSI-X being disabled as a whole. */
    if (!msix_enabled(PCI_DEVICE(s))) {
        vgpu_vectors_release(s);
    }
}

void vgpu_vectors_raise(VgpuStub *s, unsigned vector)
{
    if (msix_enabled(PCI_DEVICE(s))) {
        msix_notify(PCI_DEVICE(s), vector);
    }
}
