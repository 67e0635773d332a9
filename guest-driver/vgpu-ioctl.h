/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /dev/vgpuN: what the driver offers to programs. The LGPL, as libvgpu is built on it.
 *
 * open() for reading and writing takes one queue of the device, with a new session, and gives it
 * back at the last close, however that comes about: a file that was inherited or passed on counts.
 *     EBUSY   every queue has an owner
 *     ENODEV  the device is gone, or has no worker at the moment
 *     EIO     the worker has not answered in time
 *     EINTR   a signal
 * open() for reading only takes no queue: just both ioctls work then. INFO gives VGPU_NO_QUEUE.
 *
 * mmap() with MAP_SHARED, not inherited by fork():
 *     offset 0: the slot, vgpu_ioc_info.slot_size bytes or fewer, see vgpu-queue.h. It is empty,
 *         but for both `session`s and the host's `parked`. It is emptied for the next owner as far
 *         as it was mapped, so no command should name what is behind that. `session`, `lost` and the guest's
 *         `parked` are the driver's; only what is written by the guest is worth writing.
 *     VGPU_MMAP_DOORBELL: the doorbell's page. A 32-bit write at its start rings. Not for reading.
 * When the device goes, touching either is a SIGBUS.
 *
 * read() of 4 bytes or more sleeps until there are completions, as told by the `completion_tail`
 * of the host and the `completion_head` that the program has published, then gives that
 * completion_tail (a __u32).
 *     EAGAIN  O_NONBLOCK, and there is none; `parked` is set, so poll() will tell of the next one
 *     EIO     the session is lost: its worker is gone, or the machine has been suspended; or it is
 *             broken, as the host's `broken` says. Close.
 *     ENODEV  the device is gone
 *
 * poll(), also edge-triggered: EPOLLIN with completions; EPOLLERR | EPOLLHUP when the session is
 * lost or broken or the device is gone.
 */
#ifndef VGPU_IOCTL_H
#define VGPU_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VGPU_NO_QUEUE      0xffffffffu
#define VGPU_MMAP_DOORBELL (1ull << 40) /* far behind every slot */

struct vgpu_ioc_info {
    __u32 size;          /* in: of the struct as the program knows it; out: as the driver does.
                            What both know is filled; a later version appends */
    __u32 queue_version; /* VGPU_REG_QUEUE_VERSION */
    __u32 queue;         /* this file's, from 0; VGPU_NO_QUEUE */
    __u32 generation;    /* VGPU_REG_QUEUE_GENERATION when the session began; without queue: now */
    __u32 pool;          /* VGPU_REG_POOL_ID */
    __u32 priority;      /* VGPU_REG_PRIORITY */
    __u32 vm_id;         /* VGPU_REG_VM_ID */
    __u32 reserved;      /* 0 */
    __u64 slot_size;     /* bytes; a multiple of the page size that the driver has */
};

/* Reads one register of BAR0: one before VGPU_REQUEST_BUFFER, or one of protocol 2. The buffers of
 * protocol 1.0 are nobody else's business. EINVAL: no such register. */
struct vgpu_ioc_register {
    __u32 offset; /* in: VGPU_REG_*, a multiple of 4 */
    __u32 value;  /* out */
};

/* ENODEV from either: the device is gone. */
#define VGPU_IOC_INFO     _IOWR(0xde, 0, struct vgpu_ioc_info)
#define VGPU_IOC_REGISTER _IOWR(0xde, 1, struct vgpu_ioc_register)

#endif
