/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build.h"

#include <sys/eventfd.h>

#include "deadline.h"

VgpuBuild *vgpu_build_new(const VgpuBackendClass *class, VgpuBackendProgram *program, char *options)
{
    VgpuBuild *build = g_new0(VgpuBuild, 1);

    build->class = class;
    build->program = program;
    build->options = options;
    return build;
}

static gpointer run(gpointer data)
{
    VgpuBuild *build = data;
    const guint64 start_ns = vgpu_deadline_now();
    const int wake = build->wake;

    build->result = build->class->program_build(build->program, build->options, &build->error);
    build->elapsed_ns = vgpu_deadline_now() - start_ns;
    /* From here on it is the loop's, which joins this thread first. */
    g_atomic_int_set(&build->done, 1);
    if (wake >= 0)
        eventfd_write(wake, 1);
    return NULL;
}

void vgpu_build_start(VgpuBuild *build, int wake)
{
    build->wake = wake;
    if (wake < 0) {
        run(build);
        return;
    }
    build->thread = g_thread_try_new("build", run, build, &build->error);
    if (build->thread == NULL) {
        build->result = VGPU_RESULT_OUT_OF_MEMORY;
        g_atomic_int_set(&build->done, 1);
    }
}

gboolean vgpu_build_is_done(VgpuBuild *build)
{
    return g_atomic_int_get(&build->done) != 0;
}

void vgpu_build_free(VgpuBuild *build)
{
    g_assert(vgpu_build_is_done(build));
    if (build->thread != NULL)
        g_thread_join(build->thread);
    g_clear_error(&build->error);
    g_free(build->options);
    g_free(build);
}
