/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-quotas COUNT MIB [--stay]: makes COUNT buffers of MIB each, a program and a kernel, and says
 * how each went; with --stay it then waits until it is killed. For the tests of limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vgpu.h>

static const char source[] = "__kernel void one(__global int *x) { *x = 1; }";

static void say(const char *what, int code)
{
    printf("%s: %s\n", what, code == VGPU_OK ? "ok" : vgpu_error_text(code));
}

int main(int argc, char **argv)
{
    const int stays = argc == 4 && strcmp(argv[3], "--stay") == 0;
    VgpuContext *gpu;
    VgpuBuffer buffer;
    VgpuProgram program;
    VgpuKernel kernel;

    if (argc != 3 && !stays)
        return 2;
    int code = vgpu_open(&gpu, NULL);
    if (code == VGPU_OK)
        code = vgpu_nop(gpu);
    say("open", code);
    if (code != VGPU_OK)
        return 1;
    for (int i = 0; i < atoi(argv[1]); i++) {
        code = vgpu_buffer_create(gpu, (uint64_t)atoi(argv[2]) << 20, &buffer);
        if (code == VGPU_OK)
            code = vgpu_finish(gpu);
        say("buffer", code);
    }
    code = vgpu_program_from_source(gpu, source, &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(gpu, program, "");
    if (code == VGPU_OK)
        code = vgpu_kernel_create(gpu, program, "one", &kernel);
    if (code == VGPU_OK)
        code = vgpu_finish(gpu);
    say("kernel", code);
    puts("# ready");
    fflush(stdout);
    if (stays)
        pause();
    vgpu_close(gpu);
    return 0;
}
