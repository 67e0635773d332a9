/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu.ko: what its files share.
 *
 * Life. struct vgpu is a struct device: the driver holds one reference while it is bound, each open
 * file one through the cdev, and the last one frees it. So a file may outlive the device. Whatever
 * touches the device's memory does so between vgpu_enter() and vgpu_exit(), which fails once the
 * device is gone.
 *
 * Locks. `lock` (may sleep) guards who owns which queue and the list of files; `state_lock` (taken
 * in interrupts, too) guards what is known of the sessions. The latter nests in the former. Neither
 * is held while user memory is touched.
 */
#ifndef VGPU_H
#define VGPU_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "vgpu-ioctl.h"
#include "vgpu-queue.h"
#include "vgpu-registers.h"

#ifndef CONFIG_64BIT
#error "vgpu.ko is for 64-bit kernels: the shared memory may be larger than what others can map"
#endif

struct vgpu;

struct vgpu_queue {
    struct vgpu *vgpu;
    unsigned int index;
    wait_queue_head_t wait; /* woken by the queue's interrupt and by whatever ends its session */

    bool taken; /* under vgpu->lock: a file has it */
    bool dirty; /* the owner's own: the slot may hold what a former owner left, */
    u64 mapped; /* in its first so many bytes; under state_lock while there is an owner */

    /* Under state_lock. */
    u32 session;    /* the last number that was used */
    u32 generation; /* of the worker that `session` was meant for */
    bool active;    /* `session` is under way */
    bool lost;      /* the session of the present owner is over, whatever comes */
    u32 dismissal;  /* the number by whose answer the worker lets go of the slot; 0: it has */
};

struct vgpu {
    struct device dev; /* vgpuN, of class vgpu */
    struct cdev cdev;
    struct pci_dev *pdev;
    bool gone;

    /* Only between vgpu_enter() and vgpu_exit(). */
    void __iomem *registers; /* BAR0 */
    void __iomem *doorbells; /* BAR4 */
    void *shared;            /* BAR2: memory of the host, so that plain stores will do */

    phys_addr_t doorbells_at;
    phys_addr_t shared_at;
    u64 slot_size;
    unsigned int count; /* queues in use */

    struct mutex lock;
    struct list_head files;

    spinlock_t state_lock;
    u32 generation;

    struct vgpu_queue queues[VGPU_QUEUE_MAX];
};

/* An open file. */
struct vgpu_file {
    struct vgpu *vgpu;
    struct vgpu_queue *queue;      /* NULL: opened for reading only */
    struct address_space *mapping; /* where its mappings are found; lives as long as the file */
    struct list_head link;
};

/* vgpu-main.c */

/* Begins a time in which the device's memory stays where it is; may sleep in it. Returns false, and
 * nothing is to be ended, once the device is gone. */
bool vgpu_enter(struct vgpu *vgpu, int *token);
void vgpu_exit(int token);

static inline u32 vgpu_read(struct vgpu *vgpu, u32 offset)
{
    return readl(vgpu->registers + offset);
}

/* vgpu-session.c. All but vgpu_session_take() are to be called with the device entered, or by the
 * PCI driver's functions. */

/* At probe: what a former driver or kernel has left is ended. */
void vgpu_sessions_init(struct vgpu *vgpu);
/* Looks at QUEUE_GENERATION; when it has changed, all sessions are lost. In any context. */
void vgpu_sessions_refresh(struct vgpu *vgpu);
/* Ends all sessions; their owners are told that they are lost. */
void vgpu_sessions_end_all(struct vgpu *vgpu);

/* Finds a queue for a new owner and begins its session. Returns it or an ERR_PTR: -EBUSY, -ENODEV,
 * -EIO, -ERESTARTSYS. Sleeps, for some seconds at most. */
struct vgpu_queue *vgpu_session_take(struct vgpu *vgpu);
/* The owner goes: ends the session if it is still under way, the queue is free. */
void vgpu_session_give_back(struct vgpu_queue *queue);

/* Sees whether the worker has let go of a slot that nobody owns. In any context. */
void vgpu_session_look(struct vgpu_queue *queue);

/* Asks to be woken by the next completion, then looks. Returns a mask of EPOLLIN (there are
 * completions; @tail, if not NULL, gets the host's completion_tail) and EPOLLERR | EPOLLHUP. */
__poll_t vgpu_session_poll(struct vgpu_queue *queue, u32 *tail);

static inline struct vgpu_queue_guest *vgpu_guest_page(struct vgpu_queue *queue)
{
    return queue->vgpu->shared + queue->index * queue->vgpu->slot_size + VGPU_QUEUE_GUEST;
}

static inline const struct vgpu_queue_host *vgpu_host_page(struct vgpu_queue *queue)
{
    return queue->vgpu->shared + queue->index * queue->vgpu->slot_size + VGPU_QUEUE_HOST;
}

/* vgpu-file.c */
extern const struct file_operations vgpu_file_operations;

/* vgpu-memory.c */
int vgpu_memory_mmap(struct file *filp, struct vm_area_struct *vma);
/* The device has gone: every mapping loses its pages and is a SIGBUS from now on. */
void vgpu_memory_zap(struct vgpu *vgpu);

/* vgpu-sysfs.c */
extern const struct attribute_group *vgpu_attribute_groups[];

#endif
