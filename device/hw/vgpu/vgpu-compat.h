/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the QEMU series that the device is built in, 7.2 to 10.x.
 *
 * Only this header asks for QEMU's version. To port the device: build, and add here what breaks.
 */
#ifndef HW_VGPU_COMPAT_H
#define HW_VGPU_COMPAT_H

#include "chardev/char-fe.h"
#include "hw/qdev-properties.h"
#include "migration/blocker.h"
#include "qapi/error.h"

#define VGPU_QEMU_AT_LEAST(major, minor)                                                           \
    (QEMU_VERSION_MAJOR > (major) ||                                                               \
     (QEMU_VERSION_MAJOR == (major) && QEMU_VERSION_MINOR >= (minor)))

/* 8.0 moved PCIDevice out of pci.h. */
#if VGPU_QEMU_AT_LEAST(8, 0)
#include "hw/pci/pci_device.h"
#else
#include "hw/pci/pci.h"
#endif

/* 10.0 renamed the folder. */
#if VGPU_QEMU_AT_LEAST(10, 0)
#include "system/kvm.h"
#else
#include "sysemu/kvm.h"
#endif

/* 10.2 renamed the front end's half of a chardev. */
#if VGPU_QEMU_AT_LEAST(10, 2)
typedef CharFrontend VgpuChardev;
#else
typedef CharBackend VgpuChardev;
#endif

/* 10.0 made properties const and counts them instead of looking for an end mark. */
#if VGPU_QEMU_AT_LEAST(10, 0)
typedef const Property VgpuProperty;
#define VGPU_PROPERTIES_END
#else
typedef Property VgpuProperty;
#define VGPU_PROPERTIES_END DEFINE_PROP_END_OF_LIST(),
#endif

/* 10.1 made the data of a class, and the list of its interfaces, const. */
#if VGPU_QEMU_AT_LEAST(10, 1)
typedef const void VgpuClassData;
typedef const InterfaceInfo VgpuInterfaceInfo;
#else
typedef void VgpuClassData;
typedef InterfaceInfo VgpuInterfaceInfo;
#endif

/* 9.2 hid DeviceClass::reset behind a setter. */
static inline void vgpu_set_reset(DeviceClass *dc, void (*reset)(DeviceState *dev))
{
#if VGPU_QEMU_AT_LEAST(9, 2)
    device_class_set_legacy_reset(dc, reset);
#else
    dc->reset = reset;
#endif
}

/*
 * 9.0 made memory_region_init_ram_from_fd() tell by its return value, too, how it went. On success
 * @fd is the region's.
 */
static inline bool vgpu_init_ram_from_fd(MemoryRegion *region, Object *owner, const char *name,
                                         uint64_t size, int fd, Error **errp)
{
    ERRP_GUARD();

    memory_region_init_ram_from_fd(region, owner, name, size, RAM_SHARED, fd, 0, errp);
    return *errp == NULL;
}

/*
 * 8.2 let the migration core own the reason. In all series: on failure *@reason is freed and NULL,
 * @errp is set and false is returned; on success the reason stays until vgpu_allow_migration().
 */
static inline bool vgpu_block_migration(Error **reason, Error **errp)
{
#if VGPU_QEMU_AT_LEAST(8, 2)
    return migrate_add_blocker(reason, errp) == 0;
#else
    if (migrate_add_blocker(*reason, errp) < 0) {
        error_free(*reason);
        *reason = NULL;
        return false;
    }
    return true;
#endif
}

/* Takes the block back and frees *@reason; nothing happens when it is NULL. */
static inline void vgpu_allow_migration(Error **reason)
{
#if VGPU_QEMU_AT_LEAST(8, 2)
    migrate_del_blocker(reason);
#else
    if (*reason != NULL) {
        migrate_del_blocker(*reason);
        error_free(*reason);
        *reason = NULL;
    }
#endif
}

#endif
