/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "vgpu-queue.h"

#define MAX_DEVICES 16 /* more than a VM has PCI slots for, in practice */

/* So much of a slot is used. More makes nothing faster, and the arena, a ring, would come around to
 * all of it: memory that the host then has to provide, and the driver to empty. */
#define MOST_MEMORY (64ull << 20)

/* A worker that has just been started, with its VM or after the former one's end, is opening its
 * device: it gets five seconds. */
#define WORKER_LOOKS       50
#define WORKER_INTERVAL_MS 100

static int fail_open(const char *path, int error)
{
    switch (error) {
    case EBUSY:
        return vgpu_fail(VGPU_E_BUSY, "%s: every queue is in use", path);
    case ENODEV:
        return vgpu_fail(VGPU_E_UNAVAILABLE,
                         "%s: no worker: vgpud does not run on the host, or does not serve this VM",
                         path);
    case EIO:
        return vgpu_fail(VGPU_E_TIMEOUT, "%s: the host's worker has not answered", path);
    case EACCES:
    case EPERM:
        return vgpu_fail(VGPU_E_PERMISSION, "%s: %s; is this user in the file's group?", path,
                         strerror(error));
    default:
        return vgpu_fail(vgpu_code_of_errno(error), "%s: %s", path, strerror(error));
    }
}

static int open_file(VgpuNode *node, const char *path)
{
    do {
        node->fd = open(path, O_RDWR | O_CLOEXEC);
    } while (node->fd < 0 && errno == EINTR);
    if (node->fd < 0)
        return fail_open(path, errno);
    snprintf(node->path, sizeof(node->path), "%s", path);
    return VGPU_OK;
}

/* The first that has a free queue; else why the first one has none. */
static int open_first(VgpuNode *node)
{
    int first = VGPU_E_NO_DEVICE, first_errno = ENOENT;
    char first_path[sizeof("/dev/vgpu00")] = "/dev/vgpu0";

    for (unsigned int i = 0; i < MAX_DEVICES; i++) {
        char path[sizeof("/dev/vgpu00") + 8];

        snprintf(path, sizeof(path), "/dev/vgpu%u", i);
        int code = open_file(node, path);
        if (code == VGPU_OK)
            return VGPU_OK;
        if (first == VGPU_E_NO_DEVICE && code != VGPU_E_NO_DEVICE) {
            first = code;
            first_errno = errno;
            memcpy(first_path, path, sizeof(first_path));
        }
    }
    return fail_open(first_path, first_errno);
}

static int map(VgpuNode *node)
{
    node->info = (struct vgpu_ioc_info){.size = sizeof(node->info)};
    if (ioctl(node->fd, VGPU_IOC_INFO, &node->info) < 0) {
        if (errno == ENOTTY)
            return vgpu_fail(VGPU_E_NO_DEVICE, "%s is not the driver's file", node->path);
        return vgpu_fail(vgpu_code_of_errno(errno), "%s: %s", node->path, strerror(errno));
    }
    if (node->info.queue_version >> 16 != VGPU_QUEUE_VERSION >> 16)
        return vgpu_fail(VGPU_E_UNSUPPORTED, "%s speaks protocol %u.%u, this library %u.%u",
                         node->path, node->info.queue_version >> 16,
                         node->info.queue_version & 0xffff, VGPU_QUEUE_VERSION >> 16,
                         VGPU_QUEUE_VERSION & 0xffff);
    if (node->info.slot_size < VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN)
        return vgpu_fail(VGPU_E_PROTOCOL, "%s: a queue of only %llu bytes", node->path,
                         (unsigned long long)node->info.slot_size);

    if (node->info.slot_size > MOST_MEMORY)
        node->info.slot_size = MOST_MEMORY;

    void *slot = mmap(NULL, node->info.slot_size, PROT_READ | PROT_WRITE, MAP_SHARED, node->fd, 0);
    if (slot == MAP_FAILED)
        return vgpu_fail(VGPU_E_SYSTEM, "%s: mmap: %s", node->path, strerror(errno));
    node->slot = slot;
    void *doorbell =
        mmap(NULL, VGPU_QUEUE_PAGE, PROT_WRITE, MAP_SHARED, node->fd, (off_t)VGPU_MMAP_DOORBELL);
    if (doorbell == MAP_FAILED)
        return vgpu_fail(VGPU_E_SYSTEM, "%s: mmap of the doorbell: %s", node->path,
                         strerror(errno));
    node->doorbell = doorbell;
    return VGPU_OK;
}

int vgpu_node_open(VgpuNode *node, const char *path)
{
    memset(node, 0, sizeof(*node));
    node->fd = -1;
    int code = path != NULL ? open_file(node, path) : open_first(node);
    for (int i = 0; code == VGPU_E_UNAVAILABLE && i < WORKER_LOOKS; i++) {
        poll(NULL, 0, WORKER_INTERVAL_MS);
        code = path != NULL ? open_file(node, path) : open_first(node);
    }
    if (code == VGPU_OK)
        code = map(node);
    if (code != VGPU_OK)
        vgpu_node_close(node, false);
    return code;
}

void vgpu_node_ring(VgpuNode *node)
{
    *node->doorbell = 1;
}

bool vgpu_node_sleep(VgpuNode *node, int timeout_ms)
{
    struct pollfd fd = {.fd = node->fd, .events = POLLIN};

    int ready = poll(&fd, 1, timeout_ms);
    return ready <= 0 || !(fd.revents & (POLLERR | POLLHUP | POLLNVAL));
}

void vgpu_node_close(VgpuNode *node, bool inherited)
{
    if (!inherited) {
        if (node->doorbell != NULL)
            munmap((void *)node->doorbell, VGPU_QUEUE_PAGE);
        if (node->slot != NULL)
            munmap(node->slot, node->info.slot_size);
    }
    if (node->fd >= 0)
        close(node->fd);
    node->doorbell = NULL;
    node->slot = NULL;
    node->fd = -1;
}
