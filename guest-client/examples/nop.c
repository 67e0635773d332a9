/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shortest program: is there a virtual GPU, and what is 40 + 2 on it? */
#include <stdio.h>

#include <vgpu.h>

int main(void)
{
    VgpuContext *gpu;
    uint32_t sum;

    int code = vgpu_open(&gpu, NULL);
    if (code == VGPU_OK)
        code = vgpu_nop(gpu);
    if (code == VGPU_OK)
        code = vgpu_vector_add(gpu, 40, 2, &sum);
    if (code == VGPU_OK)
        printf("40 + 2 = %u\n", sum);
    else
        fprintf(stderr, "%s\n", vgpu_last_error());
    vgpu_close(gpu);
    return code != VGPU_OK;
}
