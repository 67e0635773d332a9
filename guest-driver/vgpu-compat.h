/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the kernels that the driver is built for, 5.10 and later. The driver is
 * written for the newest; here is what the older ones lack. */
#ifndef VGPU_COMPAT_H
#define VGPU_COMPAT_H

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "kernels before 5.10 are not supported"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
    vma->vm_flags |= flags;
}
#endif

/* Since 6.4 the class knows its module by itself. */
static inline struct class *vgpu_class_create(const char *name)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
    return class_create(THIS_MODULE, name);
#else
    return class_create(name);
#endif
}

/* pm_sleep_ptr() is younger than 5.10, __maybe_unused with SIMPLE_DEV_PM_OPS works in all. */

#endif
