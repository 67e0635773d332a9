/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "share.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct VgpuShare {
    guint32 queues;
    guint64 size;
    guint32 n_descriptors;
    int descriptors[1 + 2 * VGPU_QUEUE_MAX];
};

static gboolean fail(GError **error, const char *text)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, text);
    return FALSE;
}

static gboolean check_memory(int fd, guint64 size, GError **error)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);

    /* Only memory has seals: no file whose pages another process could hold back. A newer kernel
     * may have seals of its own on it, against execution. */
    if (seals < 0 || (seals & VGPU_LINK_SEALS) != VGPU_LINK_SEALS ||
        (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0)
        return fail(error, "sent memory that is not sealed as it should be");
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
        return fail(error, "sent memory that cannot be written to");
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || (guint64)status.st_size != size)
        return fail(error, "sent memory of another size than it says");
    return TRUE;
}

/* The kernel gives each eventfd this name, and nothing else. */
static gboolean is_eventfd(int fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    char target[64];
    gssize length = readlink(link, target, sizeof(target) - 1);

    if (length < 0)
        return FALSE;
    target[length] = '\0';
    return strcmp(target, "anon_inode:[eventfd]") == 0;
}

VgpuShare *vgpu_share_new(const struct vgpu_link_hello *hello, int memfd, GError **error)
{
    g_assert(vgpu_queue_shm_fits(hello->shm_size, hello->queues));
    if (!check_memory(memfd, hello->shm_size, error)) {
        close(memfd);
        return NULL;
    }

    VgpuShare *self = g_new0(VgpuShare, 1);
    self->queues = hello->queues;
    self->size = hello->shm_size;
    self->descriptors[self->n_descriptors++] = memfd;
    return self;
}

gboolean vgpu_share_add_queue(VgpuShare *self, guint32 index, int doorbell, int completion,
                              GError **error)
{
    const char *wrong = NULL;

    if (vgpu_share_is_complete(self) || 1 + 2 * index != self->n_descriptors)
        wrong = "sent a queue twice, or out of its turn";
    else if (!is_eventfd(doorbell) || !is_eventfd(completion))
        wrong = "sent a queue's descriptor that is no eventfd";
    if (wrong != NULL) {
        close(doorbell);
        close(completion);
        return fail(error, wrong);
    }
    self->descriptors[self->n_descriptors++] = doorbell;
    self->descriptors[self->n_descriptors++] = completion;
    return TRUE;
}

gboolean vgpu_share_is_complete(const VgpuShare *self)
{
    return self->n_descriptors == 1 + 2 * self->queues;
}

guint32 vgpu_share_queues(const VgpuShare *self)
{
    return self->queues;
}

guint64 vgpu_share_size(const VgpuShare *self)
{
    return self->size;
}

const int *vgpu_share_descriptors(const VgpuShare *self)
{
    return self->descriptors;
}

void vgpu_share_free(VgpuShare *self)
{
    for (guint32 i = 0; i < self->n_descriptors; i++)
        close(self->descriptors[i]);
    g_free(self);
}
