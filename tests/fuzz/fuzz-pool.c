/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two pool files of any bytes, divided by a NUL byte, the second one as the successor of the first
 * while VMs are on it. What is accepted is what the scheduler takes; and in the end all is empty.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

/* The pools of one file; none when it is refused, which is said why. */
static VgpuPools *parse(const char *text, gsize length)
{
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(GError) error = NULL;
    /* Exactly as large as what was read, so that a read beyond it is seen. */
    g_autofree char *copy = g_memdup2(text, length);

    if (!vgpu_pools_add(pools, copy != NULL ? copy : "", length, "x.conf", &error) ||
        !vgpu_pools_finish(pools, 5000, &error)) {
        require(error != NULL && g_str_has_prefix(error->message, "x.conf: "));
        return vgpu_pools_new();
    }
    return g_steal_pointer(&pools);
}

static void check(const VgpuPools *pools)
{
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(pools, letter);

        if (pool == NULL)
            continue;
        require(pool->letter == letter && pool->members->len > 0);
        require(vgpu_scheduler_settings_check(&pool->rules.scheduler) == NULL);
        require(pool->rules.scheduler.recall_ns > 5000 * G_GUINT64_CONSTANT(1000000));
        require(vgpu_placement_name(pool->rules.placement) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    const char *end = memchr(text, '\0', size);
    const gsize first = end != NULL ? (gsize)(end - text) : size;
    g_autoptr(VgpuPools) pools = parse(text, first);
    g_autoptr(VgpuPools) next = end != NULL ? parse(end + 1, size - first - 1) : vgpu_pools_new();
    VgpuMember *held[26] = {NULL};

    check(pools);
    check(next);
    for (char letter = 'A'; letter <= 'Z'; letter++)
        held[letter - 'A'] = vgpu_pools_place(pools, letter, NULL);
    vgpu_pools_merge(pools, next);
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        if (held[letter - 'A'] == NULL)
            continue;
        require(held[letter - 'A']->used == 1 && vgpu_pools_get(pools, letter) != NULL);
        vgpu_member_leave(held[letter - 'A']);
    }
    vgpu_pools_sweep(pools);
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(pools, letter);
        require(pool == NULL || (!pool->removed && vgpu_pool_used(pool) == 0));
    }
    return 0;
}
