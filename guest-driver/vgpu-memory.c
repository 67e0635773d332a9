// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mappings of a slot and of its doorbell.
 *
 * BAR2 is the host's memory behind a prefetchable BAR, which the worker maps like any memory; so do
 * we, cached. The type is decided where vgpu-main.c maps the whole of it for the kernel: on x86 all
 * mappings of a range must agree, and the memory type of that one is looked up for each page that
 * is put in here. It is write-back unless firmware has marked the range as uncached by an MTRR, as
 * it does with the hole below 4 GiB; a BAR above it is cached. Where the CPU insists (AMD; Intel's
 * processors under KVM ignore what a guest says), such a slot is slow, and right nevertheless.
 *
 * Pages come in by faults, not at mmap(): a mapping is found by vgpu_memory_zap() only once mmap()
 * has returned, so pages that were put in before could survive the device.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "vgpu-compat.h"
#include "vgpu.h"

#define VGPU_DOORBELL_PAGE (VGPU_MMAP_DOORBELL >> PAGE_SHIFT)

/* Puts the page at @address in, and those of the slot around it: each fault costs as much as
 * hundreds of further pages. */
static vm_fault_t vgpu_memory_insert(struct vm_area_struct *vma, struct vgpu_queue *queue,
                                     unsigned long address)
{
    phys_addr_t slot = queue->vgpu->shared_at + queue->index * queue->vgpu->slot_size;
    unsigned long begin = max(vma->vm_start, ALIGN_DOWN(address, SZ_2M));
    unsigned long end = min(vma->vm_end, ALIGN_DOWN(address, SZ_2M) + SZ_2M);
    unsigned long first = PHYS_PFN(slot) + vma->vm_pgoff;
    vm_fault_t result;

    result = vmf_insert_pfn(vma, address, first + ((address - vma->vm_start) >> PAGE_SHIFT));
    for (; begin < end && result == VM_FAULT_NOPAGE; begin += PAGE_SIZE)
        result = vmf_insert_pfn(vma, begin, first + ((begin - vma->vm_start) >> PAGE_SHIFT));
    return result;
}

static vm_fault_t vgpu_memory_fault(struct vm_fault *vmf)
{
    struct vgpu_file *file = vmf->vma->vm_file->private_data;
    struct vgpu *vgpu = file->vgpu;
    vm_fault_t result;
    int token;

    if (!vgpu_enter(vgpu, &token))
        return VM_FAULT_SIGBUS;
    if (vmf->pgoff >= VGPU_DOORBELL_PAGE)
        result = vmf_insert_pfn(
            vmf->vma, vmf->address,
            PHYS_PFN(vgpu->doorbells_at + file->queue->index * VGPU_DOORBELL_STRIDE));
    else
        result = vgpu_memory_insert(vmf->vma, file->queue, vmf->address & PAGE_MASK);
    vgpu_exit(token);
    return result;
}

static const struct vm_operations_struct vgpu_memory_operations = {
    .fault = vgpu_memory_fault,
};

/* The owner may have used this much of the slot. */
static void vgpu_memory_note(struct vgpu_queue *queue, u64 end)
{
    spin_lock_irq(&queue->vgpu->state_lock);
    queue->mapped = max(queue->mapped, end);
    spin_unlock_irq(&queue->vgpu->state_lock);
}

int vgpu_memory_mmap(struct file *filp, struct vm_area_struct *vma)
{
    struct vgpu_file *file = filp->private_data;
    u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
    u64 size = vma->vm_end - vma->vm_start;

    if (!file->queue)
        return -EACCES;
    if (!(vma->vm_flags & VM_SHARED))
        return -EINVAL;
    if (READ_ONCE(file->vgpu->gone))
        return -ENODEV;
    if (offset == VGPU_MMAP_DOORBELL && size == PAGE_SIZE)
        vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
    else if (offset > file->vgpu->slot_size || size > file->vgpu->slot_size - offset)
        return -EINVAL;
    else
        vgpu_memory_note(file->queue, offset + size);

    /* Not for a child: the queue has one owner, and its memory is not to be had by accident. */
    vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
    vma->vm_ops = &vgpu_memory_operations;
    return 0;
}

void vgpu_memory_zap(struct vgpu *vgpu)
{
    struct vgpu_file *file;

    mutex_lock(&vgpu->lock);
    list_for_each_entry(file, &vgpu->files, link)
        unmap_mapping_range(file->mapping, 0, 0, 1);
    mutex_unlock(&vgpu->lock);
}
