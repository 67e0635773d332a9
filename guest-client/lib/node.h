/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device's file: a queue of one's own, its memory, its doorbell, and sleeping on it. The tests
 * have another one, tests/fake/fake-node.c, which needs no device.
 */
#ifndef NODE_H
#define NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "vgpu-ioctl.h"

typedef struct VgpuNode {
    int fd;                      /* -1: closed */
    void *slot;                  /* its first info.slot_size bytes, see vgpu-queue.h */
    volatile uint32_t *doorbell; /* write-only */
    struct vgpu_ioc_info info;   /* slot_size: of what is mapped */
    char path[128];
} VgpuNode;

/* Takes a queue of the device file @path, or, NULL, of the first one that has a free queue. Returns
 * VGPU_OK or a VGPU_E_* with its text; nothing is open then. VGPU_E_NO_DEVICE: there is no file. */
int vgpu_node_open(VgpuNode *node, const char *path);

/* Rings the doorbell. */
void vgpu_node_ring(VgpuNode *node);

/* Sleeps until there are completions, the session is lost, a signal comes, or @timeout_ms (-1:
 * no limit) is over. Returns false when the session is lost. */
bool vgpu_node_sleep(VgpuNode *node, int timeout_ms);

/* Closes, which ends the session. @inherited: this process is a forked child, where the mappings do
 * not exist and other mappings may be in their place. */
void vgpu_node_close(VgpuNode *node, bool inherited);

#endif
