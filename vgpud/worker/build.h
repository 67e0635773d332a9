/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that is being built, in a thread of its own: compilers take seconds, or for ever, and
 * meanwhile the loop serves all that is not behind it in its own queue, gives the device back when
 * others want it, and looks at the deadline.
 */
#pragma once

#include <glib.h>

#include "backend.h"

typedef struct {
    const VgpuBackendClass *class;
    VgpuBackendProgram *program; /* borrowed until the end */
    char *options;               /* owned */
    int wake;                    /* eventfd, written at the end; borrowed */
    GThread *thread;
    gint done; /* atomic */
    /* To be looked at when it is done. */
    enum vgpu_result result;
    guint64 elapsed_ns;
    GError *error; /* owned; NULL: there is no more to say */
} VgpuBuild;

/* Nothing runs yet. @options is taken. */
VgpuBuild *vgpu_build_new(const VgpuBackendClass *class, VgpuBackendProgram *program,
                          char *options);

/*
 * vgpu_build_start:
 * Builds, and adds 1 to the eventfd @wake when it is done. Where no thread is to be had it has
 * failed at once: nothing else could end it. @wake -1: it is done when this returns, for tests.
 */
void vgpu_build_start(VgpuBuild *build, int wake);

gboolean vgpu_build_is_done(VgpuBuild *build);

/* It is done. */
void vgpu_build_free(VgpuBuild *build);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuBuild, vgpu_build_free)
