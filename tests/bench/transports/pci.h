/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's ivshmem device from a program: through sysfs, or through vfio with its interrupt. */
#ifndef BENCH_PCI_H
#define BENCH_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared.h"

struct ivshmem {
    volatile uint32_t *doorbell; /* BAR0's register */
    struct bench_shared *shared; /* BAR2 */
    int interrupt;               /* eventfd of the MSI-X vector; -1 without vfio */
};

/*
 * Each finds the machine's one ivshmem device and maps it, or ends the program. The vfio way takes
 * the modules vfio-pci and vfio_iommu_type1 and an IOMMU; from then on the device belongs to vfio,
 * and the sysfs way fails. Mappings and descriptors stay until the program's end.
 */
struct ivshmem ivshmem_open_sysfs(void);
struct ivshmem ivshmem_open_vfio(void);

#endif
