// SPDX-License-Identifier: GPL-2.0-or-later
/* /dev/vgpuN: open, read, poll, ioctl and the last close; vgpu-ioctl.h tells what they do. */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vgpu.h"

static int vgpu_file_open(struct inode *inode, struct file *filp)
{
    struct vgpu *vgpu = container_of(inode->i_cdev, struct vgpu, cdev);
    struct vgpu_file *file;

    file = kzalloc(sizeof(*file), GFP_KERNEL);
    if (!file)
        return -ENOMEM;
    file->vgpu = vgpu;
    file->mapping = filp->f_mapping;
    if (filp->f_mode & FMODE_WRITE) {
        struct vgpu_queue *queue = vgpu_session_take(vgpu);

        if (IS_ERR(queue)) {
            kfree(file);
            return PTR_ERR(queue);
        }
        file->queue = queue;
    }
    mutex_lock(&vgpu->lock);
    list_add(&file->link, &vgpu->files);
    mutex_unlock(&vgpu->lock);

    filp->private_data = file;
    return stream_open(inode, filp);
}

/* At the last close: every descriptor that fork() or dup() has made, and every mapping, is gone. */
static int vgpu_file_release(struct inode *inode, struct file *filp)
{
    struct vgpu_file *file = filp->private_data;
    struct vgpu *vgpu = file->vgpu;

    mutex_lock(&vgpu->lock);
    list_del(&file->link);
    mutex_unlock(&vgpu->lock);
    if (file->queue)
        vgpu_session_give_back(file->queue);
    kfree(file);
    return 0;
}

/* vgpu_session_poll() where the device may be gone. */
static __poll_t vgpu_file_look(struct vgpu_file *file, u32 *tail)
{
    __poll_t mask = EPOLLERR | EPOLLHUP;
    int token;

    if (vgpu_enter(file->vgpu, &token)) {
        mask = vgpu_session_poll(file->queue, tail);
        vgpu_exit(token);
    }
    return mask;
}

static ssize_t vgpu_file_read(struct file *filp, char __user *buffer, size_t size, loff_t *position)
{
    struct vgpu_file *file = filp->private_data;
    __poll_t mask;
    u32 tail = 0;
    int error;

    if (!file->queue || size < sizeof(tail))
        return -EINVAL;
    mask = vgpu_file_look(file, &tail);
    if (!mask && (filp->f_flags & O_NONBLOCK))
        return -EAGAIN;
    if (!mask) {
        error =
            wait_event_interruptible(file->queue->wait, (mask = vgpu_file_look(file, &tail)) != 0);
        if (error)
            return error;
    }
    if (mask & EPOLLERR)
        return READ_ONCE(file->vgpu->gone) ? -ENODEV : -EIO;
    return put_user(tail, (u32 __user *)buffer) ? -EFAULT : sizeof(tail);
}

static __poll_t vgpu_file_poll(struct file *filp, poll_table *table)
{
    struct vgpu_file *file = filp->private_data;

    if (!file->queue)
        return READ_ONCE(file->vgpu->gone) ? EPOLLERR | EPOLLHUP : 0;
    poll_wait(filp, &file->queue->wait, table);
    return vgpu_file_look(file, NULL);
}

static long vgpu_file_info(struct vgpu_file *file, struct vgpu_ioc_info __user *user)
{
    struct vgpu *vgpu = file->vgpu;
    struct vgpu_ioc_info info = {
        .size = sizeof(info),
        .queue = file->queue ? file->queue->index : VGPU_NO_QUEUE,
        .slot_size = vgpu->slot_size,
    };
    u32 size;
    int token;

    if (get_user(size, &user->size))
        return -EFAULT;
    if (size < sizeof(info.size))
        return -EINVAL;
    if (!vgpu_enter(vgpu, &token))
        return -ENODEV;
    info.queue_version = vgpu_read(vgpu, VGPU_REG_QUEUE_VERSION);
    info.generation = file->queue ? READ_ONCE(file->queue->generation)
                                  : vgpu_read(vgpu, VGPU_REG_QUEUE_GENERATION);
    info.pool = vgpu_read(vgpu, VGPU_REG_POOL_ID);
    info.priority = vgpu_read(vgpu, VGPU_REG_PRIORITY);
    info.vm_id = vgpu_read(vgpu, VGPU_REG_VM_ID);
    vgpu_exit(token);
    return copy_to_user(user, &info, min_t(size_t, size, sizeof(info))) ? -EFAULT : 0;
}

static long vgpu_file_register(struct vgpu_file *file, struct vgpu_ioc_register __user *user)
{
    struct vgpu_ioc_register copy;
    int token;

    if (copy_from_user(&copy, user, sizeof(copy)))
        return -EFAULT;
    if (copy.offset % 4 != 0 ||
        (copy.offset >= VGPU_REQUEST_BUFFER &&
         (copy.offset < VGPU_REG_QUEUE_VERSION || copy.offset > VGPU_REG_QUEUE_GENERATION)))
        return -EINVAL;
    if (!vgpu_enter(file->vgpu, &token))
        return -ENODEV;
    copy.value = vgpu_read(file->vgpu, copy.offset);
    vgpu_exit(token);
    return copy_to_user(user, &copy, sizeof(copy)) ? -EFAULT : 0;
}

static long vgpu_file_ioctl(struct file *filp, unsigned int command, unsigned long argument)
{
    switch (command) {
    case VGPU_IOC_INFO:
        return vgpu_file_info(filp->private_data, (void __user *)argument);
    case VGPU_IOC_REGISTER:
        return vgpu_file_register(filp->private_data, (void __user *)argument);
    default:
        return -ENOTTY;
    }
}

const struct file_operations vgpu_file_operations = {
    .owner = THIS_MODULE,
    .open = vgpu_file_open,
    .release = vgpu_file_release,
    .read = vgpu_file_read,
    .poll = vgpu_file_poll,
    .mmap = vgpu_memory_mmap,
    .unlocked_ioctl = vgpu_file_ioctl,
    .compat_ioctl = compat_ptr_ioctl,
};
