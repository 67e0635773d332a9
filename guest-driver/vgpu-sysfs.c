// SPDX-License-Identifier: GPL-2.0-or-later
/* /sys/class/vgpu/vgpuN/: what is known of the device without a queue. One value a file. */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "vgpu.h"

static u32 vgpu_sysfs_read(struct device *dev, u32 offset)
{
    /* The attributes go before the device does. */
    return vgpu_read(container_of(dev, struct vgpu, dev), offset);
}

static ssize_t pool_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    u32 pool = vgpu_sysfs_read(dev, VGPU_REG_POOL_ID);

    if (pool >= 'A' && pool <= 'Z')
        return sysfs_emit(text, "%c\n", (char)pool);
    return sysfs_emit(text, "%u\n", pool);
}
static DEVICE_ATTR_RO(pool);

static ssize_t priority_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    static const char *const names[] = {
        [VGPU_PRIORITY_LOW] = "low",
        [VGPU_PRIORITY_MEDIUM] = "medium",
        [VGPU_PRIORITY_HIGH] = "high",
    };
    u32 priority = vgpu_sysfs_read(dev, VGPU_REG_PRIORITY);

    if (priority < ARRAY_SIZE(names))
        return sysfs_emit(text, "%s\n", names[priority]);
    return sysfs_emit(text, "%u\n", priority);
}
static DEVICE_ATTR_RO(priority);

static ssize_t vm_id_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    return sysfs_emit(text, "%u\n", vgpu_sysfs_read(dev, VGPU_REG_VM_ID));
}
static DEVICE_ATTR_RO(vm_id);

static ssize_t generation_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    return sysfs_emit(text, "%u\n", vgpu_sysfs_read(dev, VGPU_REG_QUEUE_GENERATION));
}
static DEVICE_ATTR_RO(generation);

static ssize_t queues_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    return sysfs_emit(text, "%u\n", container_of(dev, struct vgpu, dev)->count);
}
static DEVICE_ATTR_RO(queues);

static ssize_t slot_size_show(struct device *dev, struct device_attribute *attribute, char *text)
{
    return sysfs_emit(text, "%llu\n", container_of(dev, struct vgpu, dev)->slot_size);
}
static DEVICE_ATTR_RO(slot_size);

static struct attribute *vgpu_attributes[] = {
    &dev_attr_pool.attr,
    &dev_attr_priority.attr,
    &dev_attr_vm_id.attr,
    &dev_attr_generation.attr,
    &dev_attr_queues.attr,
    &dev_attr_slot_size.attr,
    NULL,
};

static const struct attribute_group vgpu_attribute_group = {
    .attrs = vgpu_attributes,
};

const struct attribute_group *vgpu_attribute_groups[] = {
    &vgpu_attribute_group,
    NULL,
};
