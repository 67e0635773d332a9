/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A new configuration while VMs run. Sessions borrow members; so a member with a VM on it is never
 * freed, but marked and freed when it is empty.
 */
#include "pool.h"

/* The member of @pool that @next goes on to be; NULL: it is a new one. */
static VgpuMember *predecessor(const VgpuPool *pool, const VgpuMember *next)
{
    for (guint i = 0; i < pool->members->len; i++) {
        VgpuMember *member = pool->members->pdata[i];
        if (g_str_equal(member->name, next->name) && vgpu_member_same_device(member, next))
            return member;
    }
    return NULL;
}

/*
 * The members in the order of the new file, those with their old structures that stay; behind them
 * what is removed. Ownership goes over by taking the pointers out of the arrays.
 */
static void merge_members(VgpuPool *pool, VgpuPool *next)
{
    GPtrArray *merged = g_ptr_array_new();

    for (guint i = 0; i < next->members->len; i++) {
        VgpuMember *member = next->members->pdata[i];
        VgpuMember *old = predecessor(pool, member);

        if (old == NULL) {
            g_ptr_array_add(merged, member);
            next->members->pdata[i] = NULL; /* taken; its array's free function knows NULL */
            continue;
        }
        old->slots = member->slots;
        old->removed = FALSE;
        g_ptr_array_add(merged, old);
        g_ptr_array_remove(pool->members, old);
    }
    for (guint i = 0; i < pool->members->len; i++) {
        VgpuMember *member = pool->members->pdata[i];
        member->removed = TRUE;
        g_ptr_array_add(merged, member);
    }
    g_ptr_array_set_size(pool->members, 0);
    for (guint i = 0; i < merged->len; i++)
        g_ptr_array_add(pool->members, merged->pdata[i]);
    g_ptr_array_unref(merged);
}

static void merge_pool(VgpuPool *pool, VgpuPool *next)
{
    /* Pointers move between arrays: nothing is freed by taking them out. */
    g_ptr_array_set_free_func(pool->members, NULL);
    merge_members(pool, next);
    g_ptr_array_set_free_func(pool->members, vgpu_member_free);

    g_free(pool->description);
    g_free(pool->file);
    pool->description = g_steal_pointer(&next->description);
    pool->file = g_steal_pointer(&next->file);
    pool->limits = next->limits;
    pool->rules = next->rules;
    pool->removed = FALSE;
}

static void remove_pool(VgpuPool *pool)
{
    pool->removed = TRUE;
    for (guint i = 0; i < pool->members->len; i++)
        ((VgpuMember *)pool->members->pdata[i])->removed = TRUE;
}

void vgpu_pools_merge(VgpuPools *pools, VgpuPools *next)
{
    for (guint i = 0; i < G_N_ELEMENTS(pools->by_letter); i++) {
        VgpuPool **place = &pools->by_letter[i], **from = &next->by_letter[i];

        if (*place == NULL) {
            *place = g_steal_pointer(from);
        } else if (*from == NULL) {
            remove_pool(*place);
        } else {
            merge_pool(*place, *from);
            g_clear_pointer(from, vgpu_pool_free);
        }
    }
    vgpu_pools_sweep(pools);
}

gboolean vgpu_pools_sweep(VgpuPools *pools)
{
    gboolean swept = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(pools->by_letter); i++) {
        VgpuPool *pool = pools->by_letter[i];

        for (guint j = pool != NULL ? pool->members->len : 0; j-- > 0;) {
            const VgpuMember *member = pool->members->pdata[j];
            if (!member->removed || member->used > 0)
                continue;
            g_ptr_array_remove_index(pool->members, j);
            swept = TRUE;
        }
        /* Only a removed one has no member left. */
        if (pool != NULL && pool->members->len == 0)
            g_clear_pointer(&pools->by_letter[i], vgpu_pool_free);
    }
    return swept;
}
