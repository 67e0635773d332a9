/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

#define DEVICES "/sys/bus/pci/devices"

/* QEMU's docs/specs/ivshmem-spec: the identity, and the register in BAR0 */
#define IVSHMEM_VENDOR   "0x1af4"
#define IVSHMEM_DEVICE   "0x1110"
#define IVSHMEM_DOORBELL 12

struct address {
    char text[32]; /* 0000:00:03.0 */
};

/* Opens an attribute of the device, or of the bus when @address is NULL. */
static int open_attribute(const struct address *address, const char *name, int flags)
{
    char path[128];

    if (address == NULL)
        snprintf(path, sizeof(path), "/sys/bus/pci/%s", name);
    else
        snprintf(path, sizeof(path), DEVICES "/%s/%s", address->text, name);
    int fd = open(path, flags);
    if (fd < 0)
        measure_die("%s", path);
    return fd;
}

static void write_attribute(const struct address *address, const char *name, const char *text)
{
    int fd = open_attribute(address, name, O_WRONLY);

    if (write(fd, text, strlen(text)) < 0)
        measure_die("writing %s to %s", text, name);
    close(fd);
}

static bool attribute_is(const struct address *address, const char *name, const char *value)
{
    char text[32] = "";
    int fd = open_attribute(address, name, O_RDONLY);

    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    return length > 0 && strncmp(text, value, strlen(value)) == 0;
}

static struct address find(void)
{
    struct address found = {""};
    DIR *folder = opendir(DEVICES);

    if (folder == NULL)
        measure_die(DEVICES);
    for (struct dirent *entry; found.text[0] == '\0' && (entry = readdir(folder)) != NULL;) {
        struct address address = {""};

        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(address.text))
            continue;
        strcpy(address.text, entry->d_name);
        if (attribute_is(&address, "vendor", IVSHMEM_VENDOR) &&
            attribute_is(&address, "device", IVSHMEM_DEVICE))
            found = address;
    }
    closedir(folder);
    errno = 0;
    if (found.text[0] == '\0')
        measure_die("no ivshmem device");
    return found;
}

/* Where BAR0 begins in its page: it is smaller than one. The first line of `resource` has it. */
static size_t registers_offset(const struct address *address)
{
    char text[32] = "";
    int fd = open_attribute(address, "resource", O_RDONLY);

    if (read(fd, text, sizeof(text) - 1) <= 0)
        measure_die("resource");
    close(fd);
    return strtoull(text, NULL, 16) % (size_t)sysconf(_SC_PAGESIZE);
}

/* Maps both BARs of the files or regions given. */
static void map(struct ivshmem *device, const struct address *address, int registers,
                off_t registers_at, int memory, off_t memory_at)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *bar0 = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, registers, registers_at);
    void *bar2 =
        mmap(NULL, BENCH_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, memory_at);

    if (bar0 == MAP_FAILED || bar2 == MAP_FAILED)
        measure_die("mapping ivshmem's BARs");
    device->doorbell =
        (volatile uint32_t *)(void *)(bar0 + registers_offset(address) + IVSHMEM_DOORBELL);
    device->shared = bar2;
}

struct ivshmem ivshmem_open_sysfs(void)
{
    struct address address = find();
    struct ivshmem device = {.interrupt = -1};

    write_attribute(&address, "enable", "1");
    map(&device, &address, open_attribute(&address, "resource0", O_RDWR | O_SYNC), 0,
        open_attribute(&address, "resource2", O_RDWR | O_SYNC), 0);
    return device;
}

/* Gives the device to vfio-pci; returns vfio's file of the IOMMU group that it is alone in. */
static int take(const struct address *address)
{
    char path[128], target[128] = "", group[64];

    write_attribute(address, "driver_override", "vfio-pci");
    write_attribute(NULL, "drivers_probe", address->text);
    snprintf(path, sizeof(path), DEVICES "/%s/iommu_group", address->text);
    if (readlink(path, target, sizeof(target) - 1) < 0)
        measure_die("%s", path);
    snprintf(group, sizeof(group), "/dev/vfio/%.32s", strrchr(target, '/') + 1);
    int fd = open(group, O_RDWR);
    if (fd < 0)
        measure_die("%s", group);
    return fd;
}

static off_t region(int device, uint32_t index)
{
    struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) != 0)
        measure_die("vfio: region %u", index);
    return (off_t)info.offset;
}

/* vfio gives a device out that may not write to memory; an MSI-X interrupt is such a write. */
static void enable_bus_master(int device)
{
    off_t command = region(device, VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND;
    uint16_t value;

    if (pread(device, &value, sizeof(value), command) != sizeof(value))
        measure_die("vfio: configuration space");
    value |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    if (pwrite(device, &value, sizeof(value), command) != sizeof(value))
        measure_die("vfio: configuration space");
}

/* An eventfd that the device's MSI-X vector 0 signals. */
static int connect_interrupt(int device)
{
    int event = eventfd(0, EFD_CLOEXEC);
    uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
    struct vfio_irq_set set = {
        .argsz = sizeof(bytes),
        .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
        .count = 1,
    };

    memcpy(bytes, &set, sizeof(set));
    memcpy(bytes + sizeof(set), &event, sizeof(int32_t));
    if (event < 0 || ioctl(device, VFIO_DEVICE_SET_IRQS, bytes) != 0)
        measure_die("vfio: MSI-X");
    return event;
}

struct ivshmem ivshmem_open_vfio(void)
{
    struct address address = find();
    int container = open("/dev/vfio/vfio", O_RDWR), group = take(&address);

    if (container < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) != 0 ||
        ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU) != 0)
        measure_die("vfio: no IOMMU for %s", address.text);
    int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address.text);
    if (fd < 0)
        measure_die("vfio: %s", address.text);
    enable_bus_master(fd);
    struct ivshmem device = {.interrupt = connect_interrupt(fd)};
    map(&device, &address, fd, region(fd, VFIO_PCI_BAR0_REGION_INDEX), fd,
        region(fd, VFIO_PCI_BAR2_REGION_INDEX));
    return device;
}
