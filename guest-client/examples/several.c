/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several requests at once: a sum in eight parts that are all under way before the first is waited
 * for, then the same by eight threads that share the context. */
#include <pthread.h>
#include <stdio.h>

#include <vgpu.h>

#define PARTS 8
#define COUNT 100000u /* numbers in a part */

static const char source[] = "kernel void sum(global ulong *out, uint part, uint count)\n"
                             "{\n"
                             "    ulong sum = 0;\n"
                             "    for (uint i = 0; i < count; i++)\n"
                             "        sum += part * count + i;\n"
                             "    out[part] = sum;\n"
                             "}\n";

static VgpuContext *gpu;
static VgpuProgram program;
static VgpuBuffer buffer;

/* Each part has a kernel of its own: arguments are the kernel's. */
static int start(uint32_t part, uint64_t *result, VgpuTicket *ticket)
{
    const size_t one = 1;
    const uint32_t count = COUNT;
    VgpuKernel kernel;

    vgpu_kernel_create(gpu, program, "sum", &kernel);
    vgpu_kernel_arg_buffer(gpu, kernel, 0, buffer);
    vgpu_kernel_arg(gpu, kernel, 1, &part, sizeof(part));
    vgpu_kernel_arg(gpu, kernel, 2, &count, sizeof(count));
    vgpu_launch(gpu, kernel, 1, NULL, &one, NULL, NULL);
    vgpu_release(gpu, kernel);
    return vgpu_buffer_read_async(gpu, buffer, part * sizeof(*result), result, sizeof(*result),
                                  NULL, ticket);
}

static int all_at_once(uint64_t *results)
{
    VgpuTicket tickets[PARTS];
    int code = VGPU_OK;

    for (uint32_t part = 0; part < PARTS && code == VGPU_OK; part++)
        code = start(part, &results[part], &tickets[part]);
    for (uint32_t part = 0; part < PARTS && code == VGPU_OK; part++)
        code = vgpu_wait(gpu, tickets[part], -1);
    return code;
}

struct job {
    pthread_t thread;
    uint32_t part;
    uint64_t result;
    int code;
};

static void *run(void *data)
{
    struct job *job = data;
    VgpuTicket ticket;

    job->code = start(job->part, &job->result, &ticket);
    if (job->code == VGPU_OK)
        job->code = vgpu_wait(gpu, ticket, -1);
    if (job->code != VGPU_OK)
        fprintf(stderr, "part %u: %s\n", job->part, vgpu_last_error());
    return NULL;
}

static int by_threads(uint64_t *results)
{
    struct job jobs[PARTS];
    int code = VGPU_OK;

    for (uint32_t part = 0; part < PARTS; part++) {
        jobs[part] = (struct job){.part = part};
        if (pthread_create(&jobs[part].thread, NULL, run, &jobs[part]) != 0)
            return VGPU_E_SYSTEM;
    }
    for (uint32_t part = 0; part < PARTS; part++) {
        pthread_join(jobs[part].thread, NULL);
        results[part] = jobs[part].result;
        if (jobs[part].code != VGPU_OK)
            code = jobs[part].code;
    }
    return code;
}

static int check(const char *how, const uint64_t *results)
{
    const uint64_t last = (uint64_t)PARTS * COUNT - 1;
    uint64_t sum = 0;

    for (int part = 0; part < PARTS; part++)
        sum += results[part];
    printf("%s: %llu, %s\n", how, (unsigned long long)sum,
           sum == last * (last + 1) / 2 ? "right" : "WRONG");
    return sum == last * (last + 1) / 2 ? VGPU_OK : -1;
}

int main(void)
{
    uint64_t results[PARTS] = {0};

    int code = vgpu_open(&gpu, NULL);
    if (code == VGPU_OK)
        code = vgpu_program_from_source(gpu, source, &program);
    if (code == VGPU_OK)
        code = vgpu_program_build(gpu, program, NULL);
    if (code == VGPU_OK)
        code = vgpu_buffer_create(gpu, sizeof(results), &buffer);
    if (code == VGPU_OK)
        code = all_at_once(results);
    if (code == VGPU_OK)
        code = check("all at once", results);
    if (code == VGPU_OK)
        code = by_threads(results);
    if (code == VGPU_OK)
        code = check("by threads", results);
    if (code > VGPU_OK)
        fprintf(stderr, "%s\n", vgpu_last_error());
    vgpu_close(gpu);
    return code != VGPU_OK;
}
