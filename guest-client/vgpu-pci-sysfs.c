/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the device in sysfs and mapping its BAR0. */
#include "vgpu-pci-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define SYSFS_DEVICES "/sys/bus/pci/devices"

/* Opens @name in the device's folder. Returns a descriptor or -1 with errno. */
static int open_in(const char *folder, const char *name, int flags)
{
    char path[256];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC);
}

/* The number in an attribute such as vendor or enable; -1 where there is none. */
static long read_number(const char *folder, const char *name)
{
    char text[32];

    int fd = open_in(folder, name, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (length <= 0)
        return -1;
    text[length] = '\0';
    return strtol(text, NULL, 0);
}

static bool is_vgpu(const char *folder)
{
    return read_number(folder, "vendor") == VGPU_PCI_VENDOR_ID &&
           read_number(folder, "device") == VGPU_PCI_DEVICE_ID;
}

/* Puts the folder of vgpu-stub number @index into pci->path. */
static int find(VgpuPci *pci, const char *devices, unsigned long index)
{
    struct dirent **entries;
    unsigned long found = 0;
    bool match = false;

    int count = scandir(devices, &entries, NULL, alphasort);
    if (count < 0) {
        int error = errno;
        return vgpu_pci_fail(pci, -error, "%s: %s; is sysfs mounted (mount -t sysfs sysfs /sys)?",
                             devices, strerror(error));
    }
    for (int i = 0; i < count; i++) {
        char folder[sizeof(pci->path)];
        int length = snprintf(folder, sizeof(folder), "%s/%s", devices, entries[i]->d_name);

        if (!match && length < (int)sizeof(folder) && is_vgpu(folder) && found++ == index) {
            memcpy(pci->path, folder, sizeof(folder));
            match = true;
        }
        free(entries[i]);
    }
    free(entries);
    if (match)
        return 0;
    if (found == 0)
        return vgpu_pci_fail(pci, -ENODEV,
                             "no device %04x:%04x on the PCI bus; does this VM's domain XML have a "
                             "<vgpu:vgpu> element?",
                             VGPU_PCI_VENDOR_ID, VGPU_PCI_DEVICE_ID);
    return vgpu_pci_fail(pci, -ENODEV, "no vgpu-stub number %lu: there are %lu, counted from 0",
                         index, found);
}

/* Puts the folder that @device names into pci->path. */
static int resolve(VgpuPci *pci, const char *devices, const char *device)
{
    char *end;

    if (device == NULL)
        return find(pci, devices, 0);
    unsigned long index = strtoul(device, &end, 10);
    if (*device >= '0' && *device <= '9' && *end == '\0')
        return find(pci, devices, index);

    bool is_path = strchr(device, '/') != NULL;
    int length = snprintf(pci->path, sizeof(pci->path), "%s%s%s", is_path ? "" : devices,
                          is_path ? "" : "/", device);
    if (length >= (int)sizeof(pci->path))
        return vgpu_pci_fail(pci, -ENAMETOOLONG, "%s: too long", device);
    if (!is_vgpu(pci->path))
        return vgpu_pci_fail(pci, -ENODEV, "%s is not a PCI device %04x:%04x", pci->path,
                             VGPU_PCI_VENDOR_ID, VGPU_PCI_DEVICE_ID);
    return 0;
}

static const char *way_out(int error)
{
    switch (error) {
    case EACCES:
        return "run as root";
    case EPERM:
        return "as root the kernel's lockdown forbids this (/sys/kernel/security/lockdown): boot "
               "the VM without Secure Boot";
    case EBUSY:
    case EINVAL:
        return "a driver holds the device: unbind it (echo ADDRESS > driver/unbind)";
    case ENOENT:
        return "the device has no BAR0, or the kernel gave it no address (see dmesg)";
    default:
        return "see dmesg";
    }
}

static int fail_file(VgpuPci *pci, const char *name, int error)
{
    return vgpu_pci_fail(pci, -error, "%s/%s: %s; %s", pci->path, name, strerror(error),
                         way_out(error));
}

/* Without memory decoding every read gives all ones. */
static int enable(VgpuPci *pci)
{
    if (read_number(pci->path, "enable") != 0)
        return 0;

    int fd = open_in(pci->path, "enable", O_WRONLY);
    ssize_t written = fd < 0 ? -1 : write(fd, "1", 1);
    int error = errno;
    if (fd >= 0)
        close(fd);
    return written < 0 ? fail_file(pci, "enable", error) : 0;
}

int vgpu_pci_open_in(VgpuPci *pci, const char *devices, const char *device, enum VgpuPciMode mode)
{
    const bool use = mode == VGPU_PCI_USE;

    vgpu_pci_init(pci, NULL);
    int result = resolve(pci, devices, device);
    if (result == 0)
        result = enable(pci);
    if (result != 0)
        return result;

    pci->fd = open_in(pci->path, "resource0", use ? O_RDWR : O_RDONLY);
    if (pci->fd < 0)
        return fail_file(pci, "resource0", errno);
    if (use && flock(pci->fd, LOCK_EX | LOCK_NB) < 0)
        return vgpu_pci_fail(pci, -EBUSY, "%s: in use by another program", pci->path);

    void *bar = mmap(NULL, VGPU_BAR0_SIZE, use ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                     pci->fd, 0);
    if (bar == MAP_FAILED)
        return fail_file(pci, "resource0", errno);
    pci->bar = bar;

    if (vgpu_pci_read32(pci, VGPU_REG_PROTOCOL_VER) >> 16 != VGPU_PROTOCOL_VERSION >> 16)
        return vgpu_pci_fail(pci, -EPROTO, "%s: PROTOCOL_VER is 0x%08x, this program speaks 1.0",
                             pci->path, vgpu_pci_read32(pci, VGPU_REG_PROTOCOL_VER));
    return 0;
}

int vgpu_pci_open(VgpuPci *pci, const char *device, enum VgpuPciMode mode)
{
    return vgpu_pci_open_in(pci, SYSFS_DEVICES, device, mode);
}

void vgpu_pci_close(VgpuPci *pci)
{
    if (pci->fd >= 0) {
        if (pci->bar != NULL)
            munmap((void *)pci->bar, VGPU_BAR0_SIZE);
        close(pci->fd);
    }
    pci->bar = NULL;
    pci->fd = -1;
}

const char *vgpu_pci_address(const VgpuPci *pci)
{
    const char *slash = strrchr(pci->path, '/');

    return slash != NULL ? slash + 1 : pci->path;
}
