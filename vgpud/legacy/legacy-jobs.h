/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that may wait for a file system, in threads, so that the main loop does not. A thread that
 * is held up holds up nobody but its own job as long as there are more threads than such jobs;
 * threads without work end.
 */
#pragma once

#include <glib.h>

typedef struct VgpuLegacyJobs VgpuLegacyJobs;

typedef struct {
    void (*work)(gpointer job); /* in a thread */
    void (*done)(gpointer job); /* then, in the main loop; not called once the jobs are freed */
    void (*free)(gpointer job); /* at last, where vgpu_legacy_jobs_*() were called */
} VgpuLegacyJobKind;

/* Returns NULL with @error set. */
VgpuLegacyJobs *vgpu_legacy_jobs_new(const VgpuLegacyJobKind *kind, guint threads, GError **error);

/* Takes over @job. */
void vgpu_legacy_jobs_push(VgpuLegacyJobs *jobs, gpointer job);

/* Waits until the work on all jobs is done; then they are freed. */
void vgpu_legacy_jobs_free(VgpuLegacyJobs *jobs);
