/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-box.h"

#include <fcntl.h>
#include <unistd.h>

/* It lives until the last job about it is done. */
struct VgpuLegacyBox {
    guint references; /* of the main loop's thread only */
    VgpuLegacyJobs *jobs;
    const VgpuLegacyBoxHandlers *handlers; /* NULL: it has been freed */
    gpointer user_data;
    int dir;
};

typedef struct {
    VgpuLegacyBox *box;
    char *answer; /* NULL: look for a request */
    VgpuLegacyTaken taken;
    VgpuLegacyFilesResult result; /* of a look */
    GError *error;
    gboolean is_delivered;
} Job;

static void box_unref(VgpuLegacyBox *self)
{
    if (--self->references > 0)
        return;
    if (self->dir >= 0)
        close(self->dir);
    g_free(self);
}

/* In a thread: of the box only what never changes. */
static void work(gpointer data)
{
    Job *job = data;

    if (job->answer != NULL)
        vgpu_legacy_files_answer(job->box->dir, &job->taken, job->answer, &job->error);
    else
        job->result = vgpu_legacy_files_take(job->box->dir, &job->taken, &job->error);
}

static void done(gpointer data)
{
    Job *job = data;
    const VgpuLegacyBox *box = job->box;

    if (box->handlers == NULL)
        return;
    job->is_delivered = TRUE;
    if (job->answer != NULL)
        box->handlers->answered(job->error, box->user_data);
    else
        box->handlers->looked(job->result, &job->taken, job->error, box->user_data);
}

static void free_job(gpointer data)
{
    Job *job = data;

    if (!job->is_delivered && job->answer == NULL && job->result == VGPU_LEGACY_FILES_TAKEN) {
        g_autofree char *text = vgpu_legacy_line_error(VGPU_ERROR_UNAVAILABLE);
        vgpu_legacy_files_answer(job->box->dir, &job->taken, text, NULL);
    }
    box_unref(job->box);
    g_clear_error(&job->error);
    g_free(job->answer);
    g_free(job);
}

VgpuLegacyJobs *vgpu_legacy_box_jobs_new(guint threads, GError **error)
{
    static const VgpuLegacyJobKind kind = {work, done, free_job};

    return vgpu_legacy_jobs_new(&kind, threads, error);
}

VgpuLegacyBox *vgpu_legacy_box_new(VgpuLegacyJobs *jobs, int dir,
                                   const VgpuLegacyBoxHandlers *handlers, gpointer user_data)
{
    VgpuLegacyBox *self = g_new0(VgpuLegacyBox, 1);

    self->references = 1;
    self->jobs = jobs;
    self->handlers = handlers;
    self->user_data = user_data;
    /* Without one each look fails and says so. */
    self->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
    return self;
}

void vgpu_legacy_box_free(VgpuLegacyBox *self)
{
    self->handlers = NULL;
    box_unref(self);
}

static Job *new_job(VgpuLegacyBox *self)
{
    Job *job = g_new0(Job, 1);

    self->references++;
    job->box = self;
    return job;
}

void vgpu_legacy_box_look(VgpuLegacyBox *self)
{
    vgpu_legacy_jobs_push(self->jobs, new_job(self));
}

void vgpu_legacy_box_answer(VgpuLegacyBox *self, const VgpuLegacyTaken *taken, char *text)
{
    Job *job = new_job(self);

    job->answer = text;
    job->taken = *taken;
    vgpu_legacy_jobs_push(self->jobs, job);
}
