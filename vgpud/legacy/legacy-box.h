/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of one legacy VM, for the main loop: what legacy-files.h does, done in a thread. One
 * thing at a time.
 */
#pragma once

#include "legacy-files.h"
#include "legacy-jobs.h"

typedef struct VgpuLegacyBox VgpuLegacyBox;

typedef struct {
    /* What vgpu_legacy_box_look() came to; as vgpu_legacy_files_take(). */
    void (*looked)(VgpuLegacyFilesResult result, const VgpuLegacyTaken *taken, const GError *error,
                   gpointer user_data);

    /* The response is written; or not, with an error. */
    void (*answered)(const GError *error, gpointer user_data);
} VgpuLegacyBoxHandlers;

/* What the boxes share: at most @threads of them are held up without holding up others. */
VgpuLegacyJobs *vgpu_legacy_box_jobs_new(guint threads, GError **error);

/* For the directory of the descriptor @dir, which stays the caller's. */
VgpuLegacyBox *vgpu_legacy_box_new(VgpuLegacyJobs *jobs, int dir,
                                   const VgpuLegacyBoxHandlers *handlers, gpointer user_data);

/*
 * vgpu_legacy_box_free:
 * No handler is called any more. A response that is under way is still written; a request that was
 * just being taken is answered with VGPU_ERROR_UNAVAILABLE.
 */
void vgpu_legacy_box_free(VgpuLegacyBox *box);

void vgpu_legacy_box_look(VgpuLegacyBox *box);

/* Takes over @text, the response to @taken. */
void vgpu_legacy_box_answer(VgpuLegacyBox *box, const VgpuLegacyTaken *taken, char *text);
