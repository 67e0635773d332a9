// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vgpu.ko: the driver of vgpu-stub's protocol 2. The PCI device, its interrupts, its coming and its
 * going.
 *
 * BAR0 is mapped but not requested: where the kernel has CONFIG_IO_STRICT_DEVMEM, as distributions
 * do, a requested region is closed to sysfs, and with it to the programs of protocol 1.0. They go
 * on as before, beside this driver. BAR2 and BAR4 are requested: they have owners.
 */
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "vgpu-compat.h"
#include "vgpu.h"

#define VGPU_MINORS   256
#define VGPU_OWN_BARS (1 << 2 | 1 << 4)

static dev_t vgpu_first;
static struct class *vgpu_class;
static DEFINE_IDA(vgpu_numbers);
DEFINE_STATIC_SRCU(vgpu_srcu);

bool vgpu_enter(struct vgpu *vgpu, int *token)
{
    *token = srcu_read_lock(&vgpu_srcu);
    if (!READ_ONCE(vgpu->gone)) {
        __release(&vgpu_srcu); /* sparse cannot follow a lock that a function may return with */
        return true;
    }
    srcu_read_unlock(&vgpu_srcu, *token);
    return false;
}

void vgpu_exit(int token)
{
    __acquire(&vgpu_srcu);
    srcu_read_unlock(&vgpu_srcu, token);
}

/* Interrupts */

static irqreturn_t vgpu_device_interrupt(int irq, void *opaque)
{
    /* Protocol 1.0's completions come here, too: those who use it look at STATUS. */
    vgpu_sessions_refresh(opaque);
    return IRQ_HANDLED;
}

static irqreturn_t vgpu_queue_interrupt(int irq, void *opaque)
{
    struct vgpu_queue *queue = opaque;

    vgpu_session_look(queue);
    wake_up_all(&queue->wait);
    return IRQ_HANDLED;
}

static void vgpu_free_vectors(void *opaque)
{
    pci_free_irq_vectors(opaque);
}

/* A queue needs a vector of its own: with fewer vectors there are fewer queues. */
static void vgpu_limit_queues(struct vgpu *vgpu, unsigned int count)
{
    if (count >= vgpu->count)
        return;
    dev_warn(&vgpu->pdev->dev, "%u of %u queues: the machine has no more interrupts\n", count,
             vgpu->count);
    vgpu->count = count;
}

static int vgpu_allocate_vectors(struct vgpu *vgpu)
{
    struct pci_dev *pdev = vgpu->pdev;
    int vectors, error;

    vectors = pci_alloc_irq_vectors(pdev, 2, 1 + vgpu->count, PCI_IRQ_MSIX);
    if (vectors < 0)
        return dev_err_probe(&pdev->dev, vectors, "no two MSI-X vectors to be had\n");
    error = devm_add_action_or_reset(&pdev->dev, vgpu_free_vectors, pdev);
    if (error)
        return error;
    vgpu_limit_queues(vgpu, vectors - 1);
    return 0;
}

static int vgpu_request_interrupts(struct vgpu *vgpu)
{
    struct device *dev = &vgpu->pdev->dev;
    unsigned int i;
    int error;

    error = devm_request_irq(dev, pci_irq_vector(vgpu->pdev, VGPU_VECTOR_DEVICE),
                             vgpu_device_interrupt, 0, dev_name(&vgpu->dev), vgpu);
    for (i = 0; i < vgpu->count && !error; i++) {
        const char *name = devm_kasprintf(dev, GFP_KERNEL, "%s-%u", dev_name(&vgpu->dev), i);

        if (!name)
            return -ENOMEM;
        error = devm_request_irq(dev, pci_irq_vector(vgpu->pdev, VGPU_VECTOR_QUEUE(i)),
                                 vgpu_queue_interrupt, 0, name, &vgpu->queues[i]);
        if (error == -ENOSPC && i > 0) {
            /* x86 finds out only now that a CPU's vectors are used up. */
            vgpu_limit_queues(vgpu, i);
            return 0;
        }
    }
    return error;
}

/* Memory */

static int vgpu_map_registers(struct vgpu *vgpu)
{
    struct pci_dev *pdev = vgpu->pdev;
    u32 version;

    if (!(pci_resource_flags(pdev, 0) & IORESOURCE_MEM) ||
        pci_resource_len(pdev, 0) < VGPU_BAR0_SIZE)
        return dev_err_probe(&pdev->dev, -ENODEV, "no BAR0\n");
    vgpu->registers = devm_ioremap(&pdev->dev, pci_resource_start(pdev, 0), VGPU_BAR0_SIZE);
    if (!vgpu->registers)
        return -ENOMEM;
    if (!(vgpu_read(vgpu, VGPU_REG_CAPABILITIES) & VGPU_CAP_QUEUES)) {
        dev_info(&pdev->dev, "the host offers protocol 1.0 only: use it through sysfs\n");
        return -ENODEV;
    }
    version = vgpu_read(vgpu, VGPU_REG_QUEUE_VERSION);
    if (version >> 16 != VGPU_QUEUE_VERSION >> 16)
        return dev_err_probe(&pdev->dev, -ENODEV, "protocol %u.%u is not known, only 2\n",
                             version >> 16, version & 0xffff);
    return 0;
}

/* Everything of the device's is checked here, once: what is used later lies inside the BARs. */
static int vgpu_map_memory(struct vgpu *vgpu)
{
    struct pci_dev *pdev = vgpu->pdev;
    u32 count = vgpu_read(vgpu, VGPU_REG_QUEUE_COUNT);
    u64 size = vgpu_read(vgpu, VGPU_REG_SHM_SIZE_LO) | (u64)vgpu_read(vgpu, VGPU_REG_SHM_SIZE_HI)
                                                           << 32;

    vgpu->slot_size = vgpu_queue_slot_size(size, count);
    if (count > VGPU_QUEUE_MAX || vgpu->slot_size < VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN ||
        size > pci_resource_len(pdev, 2) ||
        count * VGPU_DOORBELL_STRIDE > pci_resource_len(pdev, 4))
        return dev_err_probe(
            &pdev->dev, -ENODEV, "%u queues in %llu bytes, with BARs of %llu and %llu: cannot be\n",
            count, size, (u64)pci_resource_len(pdev, 2), (u64)pci_resource_len(pdev, 4));
    /* A page is what an owner can be given for itself. */
    if (vgpu->slot_size % PAGE_SIZE != 0 || VGPU_DOORBELL_STRIDE % PAGE_SIZE != 0)
        return dev_err_probe(&pdev->dev, -ENODEV, "the kernel's pages are too large\n");

    vgpu->count = count;
    vgpu->shared_at = pci_resource_start(pdev, 2);
    vgpu->doorbells_at = pci_resource_start(pdev, 4);
    vgpu->doorbells = devm_ioremap(&pdev->dev, vgpu->doorbells_at, count * VGPU_DOORBELL_STRIDE);
    vgpu->shared = devm_memremap(&pdev->dev, vgpu->shared_at, size, MEMREMAP_WB);
    if (IS_ERR(vgpu->shared) || !vgpu->doorbells)
        return dev_err_probe(&pdev->dev, -ENOMEM, "the BARs cannot be mapped\n");
    return 0;
}

/* The device's life */

static void vgpu_release(struct device *dev)
{
    struct vgpu *vgpu = container_of(dev, struct vgpu, dev);

    ida_free(&vgpu_numbers, MINOR(dev->devt));
    kfree(vgpu);
}

static void vgpu_put(void *opaque)
{
    struct vgpu *vgpu = opaque;

    put_device(&vgpu->dev);
}

/* The memory of all else; goes when the driver is unbound and the last file is closed. */
static struct vgpu *vgpu_create(struct pci_dev *pdev)
{
    struct vgpu *vgpu;
    unsigned int i;
    int number, error;

    vgpu = kzalloc(sizeof(*vgpu), GFP_KERNEL);
    if (!vgpu)
        return ERR_PTR(-ENOMEM);
    number = ida_alloc_max(&vgpu_numbers, VGPU_MINORS - 1, GFP_KERNEL);
    if (number < 0) {
        kfree(vgpu);
        return ERR_PTR(number);
    }
    vgpu->pdev = pdev;
    mutex_init(&vgpu->lock);
    spin_lock_init(&vgpu->state_lock);
    INIT_LIST_HEAD(&vgpu->files);
    for (i = 0; i < VGPU_QUEUE_MAX; i++) {
        vgpu->queues[i].vgpu = vgpu;
        vgpu->queues[i].index = i;
        init_waitqueue_head(&vgpu->queues[i].wait);
    }
    device_initialize(&vgpu->dev);
    vgpu->dev.class = vgpu_class;
    vgpu->dev.parent = &pdev->dev;
    vgpu->dev.devt = MKDEV(MAJOR(vgpu_first), number);
    vgpu->dev.groups = vgpu_attribute_groups;
    vgpu->dev.release = vgpu_release;
    cdev_init(&vgpu->cdev, &vgpu_file_operations);
    vgpu->cdev.owner = THIS_MODULE;

    error = devm_add_action_or_reset(&pdev->dev, vgpu_put, vgpu);
    if (!error)
        error = dev_set_name(&vgpu->dev, "vgpu%d", number);
    return error ? ERR_PTR(error) : vgpu;
}

/* From now on nobody touches the device but who calls this: its sessions are ended, its mappings
 * gone, its sleepers woken. */
static void vgpu_stop(struct vgpu *vgpu)
{
    WRITE_ONCE(vgpu->gone, true);
    synchronize_srcu(&vgpu_srcu);
    vgpu_memory_zap(vgpu);
    vgpu_sessions_end_all(vgpu);
}

static void vgpu_disable(void *opaque)
{
    pci_disable_device(opaque);
}

static void vgpu_release_regions(void *opaque)
{
    pci_release_selected_regions(opaque, VGPU_OWN_BARS);
}

/* What is ours alone, once the device is known to have protocol 2. */
static int vgpu_claim(struct vgpu *vgpu)
{
    struct pci_dev *pdev = vgpu->pdev;
    int error;

    error = pci_request_selected_regions(pdev, VGPU_OWN_BARS, KBUILD_MODNAME);
    if (error)
        return dev_err_probe(&pdev->dev, error, "BAR2 or BAR4 is missing or in use\n");
    error = devm_add_action_or_reset(&pdev->dev, vgpu_release_regions, pdev);
    if (!error)
        error = vgpu_map_memory(vgpu);
    if (error)
        return error;
    pci_set_master(pdev); /* MSI-X */
    error = vgpu_allocate_vectors(vgpu);
    if (error)
        return error;
    error = vgpu_request_interrupts(vgpu);
    if (error)
        return dev_err_probe(&pdev->dev, error, "no interrupts to be had\n");
    vgpu_sessions_init(vgpu);
    /* A worker that came meanwhile. */
    vgpu_sessions_refresh(vgpu);
    return 0;
}

static int vgpu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
    struct vgpu *vgpu;
    int error;

    error = pci_enable_device_mem(pdev);
    if (!error)
        error = devm_add_action_or_reset(&pdev->dev, vgpu_disable, pdev);
    if (error)
        return error;
    vgpu = vgpu_create(pdev);
    error = PTR_ERR_OR_ZERO(vgpu);
    if (!error)
        error = vgpu_map_registers(vgpu);
    if (!error)
        error = vgpu_claim(vgpu);
    if (error)
        return error;

    pci_set_drvdata(pdev, vgpu);
    error = cdev_device_add(&vgpu->cdev, &vgpu->dev);
    if (!error)
        dev_info(&pdev->dev, "%s: %u queues of %llu KiB\n", dev_name(&vgpu->dev), vgpu->count,
                 vgpu->slot_size >> 10);
    return error;
}

static void vgpu_remove(struct pci_dev *pdev)
{
    struct vgpu *vgpu = pci_get_drvdata(pdev);

    vgpu_stop(vgpu);
    cdev_device_del(&vgpu->cdev, &vgpu->dev);
}

/* Power off, reboot, kexec: the next kernel finds no session of ours. */
static void vgpu_shutdown(struct pci_dev *pdev)
{
    vgpu_stop(pci_get_drvdata(pdev));
}

/* The machine may wake up with another worker, or on another host: programs open anew. */
static int __maybe_unused vgpu_suspend(struct device *dev)
{
    vgpu_sessions_end_all(dev_get_drvdata(dev));
    return 0;
}

static int __maybe_unused vgpu_resume(struct device *dev)
{
    vgpu_sessions_refresh(dev_get_drvdata(dev));
    return 0;
}

static SIMPLE_DEV_PM_OPS(vgpu_pm_operations, vgpu_suspend, vgpu_resume);

static void vgpu_reset_prepare(struct pci_dev *pdev)
{
    vgpu_sessions_end_all(pci_get_drvdata(pdev));
}

static void vgpu_reset_done(struct pci_dev *pdev)
{
    vgpu_sessions_refresh(pci_get_drvdata(pdev));
}

static const struct pci_error_handlers vgpu_error_handlers = {
    .reset_prepare = vgpu_reset_prepare,
    .reset_done = vgpu_reset_done,
};

static const struct pci_device_id vgpu_ids[] = {
    {PCI_DEVICE(VGPU_PCI_VENDOR_ID, VGPU_PCI_DEVICE_ID)},
    {},
};
MODULE_DEVICE_TABLE(pci, vgpu_ids);

static struct pci_driver vgpu_driver = {
    .name = KBUILD_MODNAME,
    .id_table = vgpu_ids,
    .probe = vgpu_probe,
    .remove = vgpu_remove,
    .shutdown = vgpu_shutdown,
    .err_handler = &vgpu_error_handlers,
    .driver.pm = &vgpu_pm_operations,
};

static int __init vgpu_init(void)
{
    int error = alloc_chrdev_region(&vgpu_first, 0, VGPU_MINORS, KBUILD_MODNAME);

    if (error)
        return error;
    vgpu_class = vgpu_class_create(KBUILD_MODNAME);
    error = PTR_ERR_OR_ZERO(vgpu_class);
    if (!error) {
        error = pci_register_driver(&vgpu_driver);
        if (error)
            class_destroy(vgpu_class);
    }
    if (error)
        unregister_chrdev_region(vgpu_first, VGPU_MINORS);
    return error;
}
module_init(vgpu_init);

static void __exit vgpu_finish(void)
{
    pci_unregister_driver(&vgpu_driver);
    class_destroy(vgpu_class);
    unregister_chrdev_region(vgpu_first, VGPU_MINORS);
    ida_destroy(&vgpu_numbers);
}
module_exit(vgpu_finish);

MODULE_DESCRIPTION("vgpud's virtual GPU: queues in shared memory for unprivileged programs");
MODULE_AUTHOR("The vgpud project");
MODULE_LICENSE("GPL"); /* the kernel's word for version 2 or later */
MODULE_VERSION(VGPU_VERSION);
