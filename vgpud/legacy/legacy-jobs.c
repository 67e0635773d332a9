/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-jobs.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct VgpuLegacyJobs {
    const VgpuLegacyJobKind *kind;
    GThreadPool *threads;
    GAsyncQueue *finished; /* their work is done */
    int event;             /* readable: there is something in it */
    guint source;
};

static void in_thread(gpointer job, gpointer data)
{
    VgpuLegacyJobs *self = data;

    self->kind->work(job);
    g_async_queue_push(self->finished, job);
    /* Fails only when it is readable anyway. */
    eventfd_write(self->event, 1);
}

static gboolean on_event(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    VgpuLegacyJobs *self = data;
    eventfd_t count;
    gpointer job;

    eventfd_read(fd, &count);
    while ((job = g_async_queue_try_pop(self->finished)) != NULL) {
        self->kind->done(job);
        self->kind->free(job);
    }
    return G_SOURCE_CONTINUE;
}

VgpuLegacyJobs *vgpu_legacy_jobs_new(const VgpuLegacyJobKind *kind, guint threads, GError **error)
{
    const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (event < 0) {
        const int failure = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(failure), "cannot make an eventfd: %s",
                    g_strerror(failure));
        return NULL;
    }

    VgpuLegacyJobs *self = g_new0(VgpuLegacyJobs, 1);
    self->kind = kind;
    self->event = event;
    self->finished = g_async_queue_new();
    /* Not exclusive: such a pool has no thread while it has no work, and making it cannot fail. */
    self->threads = g_thread_pool_new(in_thread, self, (gint)threads, FALSE, NULL);
    self->source = g_unix_fd_add(event, G_IO_IN, on_event, self);
    return self;
}

void vgpu_legacy_jobs_push(VgpuLegacyJobs *self, gpointer job)
{
    g_thread_pool_push(self->threads, job, NULL);
}

void vgpu_legacy_jobs_free(VgpuLegacyJobs *self)
{
    gpointer job;

    g_thread_pool_free(self->threads, FALSE, TRUE);
    g_source_remove(self->source);
    while ((job = g_async_queue_try_pop(self->finished)) != NULL)
        self->kind->free(job);
    g_async_queue_unref(self->finished);
    close(self->event);
    g_free(self);
}
