/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits that a VM may have: their names, the same in a domain's element, in a pool's file, on
 * D-Bus and on vgpuctl's command line, and how large each may be. Nothing of this is sent to a
 * guest.
 */
#ifndef VGPU_LIMITS_H
#define VGPU_LIMITS_H

#include <stdint.h>

enum vgpu_limit {
    VGPU_LIMIT_RATE,          /* requests and commands per second */
    VGPU_LIMIT_BURST,         /* of them that may come at once */
    VGPU_LIMIT_DEVICE_TIME,   /* percent of one device's time */
    VGPU_LIMIT_MEMORY,        /* MiB of device memory in buffers */
    VGPU_LIMIT_OUTSTANDING,   /* commands that the device has and has not ended */
    VGPU_LIMIT_HANDLES,       /* objects: buffers, programs, kernels, events */
    VGPU_LIMIT_SHARED_MEMORY, /* MiB of queues that somebody in the guest has open */
    VGPU_LIMIT_WEIGHT,        /* share under the policy fair; no ceiling but a value */
    VGPU_LIMIT_COUNT,
};

struct vgpu_limit_info {
    const char *name;
    uint32_t most; /* a larger number is a slip */
};

static inline const struct vgpu_limit_info *vgpu_limit_info(enum vgpu_limit limit)
{
    static const struct vgpu_limit_info infos[VGPU_LIMIT_COUNT] = {
        [VGPU_LIMIT_RATE] = {"requests-per-second", 10000000},
        [VGPU_LIMIT_BURST] = {"burst", 1000000},
        [VGPU_LIMIT_DEVICE_TIME] = {"device-time-percent", 100},
        [VGPU_LIMIT_MEMORY] = {"memory-mib", 1u << 30},
        [VGPU_LIMIT_OUTSTANDING] = {"outstanding", 65536},
        [VGPU_LIMIT_HANDLES] = {"handles", 1u << 20},
        [VGPU_LIMIT_SHARED_MEMORY] = {"shared-memory-mib", 1u << 20},
        [VGPU_LIMIT_WEIGHT] = {"weight", 10000},
    };
    return &infos[limit];
}

#endif
