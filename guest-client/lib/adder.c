/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vgpu_vector_add(): protocol 1.0 has an operation for it, a queue takes a kernel. */
#include "context.h"

#include <stdio.h>

static const char source[] = "kernel void add(global uint *sum, uint a, uint b)\n"
                             "{\n"
                             "    *sum = a + b;\n"
                             "}\n";

/* Makes kernel and buffer anew in a new session. */
static int prepare(VgpuContext *context)
{
    VgpuProgram program = 0;

    if (context->adder != 0 && context->adder_session == context->session)
        return VGPU_OK;
    context->adder = 0;
    context->adder_buffer = 0;
    context->adder_session = context->session;
    int code = vgpu_program_from_source(context, source, &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(context, program, NULL);
    if (code == VGPU_OK)
        code = vgpu_buffer_create(context, sizeof(uint32_t), &context->adder_buffer);
    VgpuKernel kernel = 0;
    if (code == VGPU_OK)
        code = vgpu_kernel_create(context, program, "add", &kernel);
    if (code == VGPU_OK)
        code = vgpu_kernel_arg_buffer(context, kernel, 0, context->adder_buffer);
    if (code == VGPU_OK)
        code = vgpu_nop(context); /* tells whether all of this went well */
    if (code == VGPU_OK) {
        context->adder = kernel;
        return code;
    }
    const uint64_t made[] = {kernel, context->adder_buffer, program};
    char text[256];
    snprintf(text, sizeof(text), "%s", vgpu_last_error());
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        if (made[i] != 0)
            vgpu_release(context, made[i]);
    }
    return vgpu_fail(code, "%s", text);
}

static int add(VgpuContext *context, uint32_t a, uint32_t b, uint32_t *sum)
{
    const size_t one = 1;

    int code = prepare(context);
    if (code == VGPU_OK)
        code = vgpu_kernel_arg(context, context->adder, 1, &a, sizeof(a));
    if (code == VGPU_OK)
        code = vgpu_kernel_arg(context, context->adder, 2, &b, sizeof(b));
    if (code == VGPU_OK)
        code = vgpu_launch(context, context->adder, 1, NULL, &one, NULL, NULL);
    if (code == VGPU_OK)
        code = vgpu_buffer_read(context, context->adder_buffer, 0, sum, sizeof(*sum), NULL);
    return code;
}

int vgpu_vector_add(VgpuContext *context, uint32_t a, uint32_t b, uint32_t *sum)
{
    int code = vgpu_context_enter(context);
    if (code != VGPU_OK)
        return code;
    if (context->info.transport == VGPU_TRANSPORT_REGISTERS) {
        int result = vgpu_pci_vector_add(&context->pci, a, b, sum);
        if (result != 0)
            code = vgpu_fail(result > 0 ? result : vgpu_code_of_errno(-result), "%s",
                             context->pci.error);
        return vgpu_context_leave(context, code);
    }
    vgpu_context_leave(context, code);
    pthread_mutex_lock(&context->adder_lock);
    code = add(context, a, b, sum);
    pthread_mutex_unlock(&context->adder_lock);
    return code;
}
