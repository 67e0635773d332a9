/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement.h"

#include <string.h>

static const char *const names[] = {
    [VGPU_PLACEMENT_LEAST_LOADED] = "least-loaded",
    [VGPU_PLACEMENT_SPREAD] = "spread",
    [VGPU_PLACEMENT_PACK] = "pack",
};

const char *vgpu_placement_name(VgpuPlacementPolicy policy)
{
    return policy < G_N_ELEMENTS(names) ? names[policy] : NULL;
}

gboolean vgpu_placement_by_name(const char *name, VgpuPlacementPolicy *policy)
{
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *policy = i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean is_better(VgpuPlacementPolicy policy, const VgpuPlace *a, const VgpuPlace *b)
{
    switch (policy) {
    case VGPU_PLACEMENT_LEAST_LOADED:
        return a->load != b->load ? a->load < b->load : a->used < b->used;
    case VGPU_PLACEMENT_SPREAD:
        return a->used < b->used;
    case VGPU_PLACEMENT_PACK:
        return a->used > b->used;
    }
    g_assert_not_reached();
}

gssize vgpu_placement_choose(VgpuPlacementPolicy policy, const VgpuPlace *places, gsize count)
{
    gssize best = -1;

    for (gsize i = 0; i < count; i++) {
        if (places[i].draining || (places[i].slots != 0 && places[i].used >= places[i].slots))
            continue;
        if (best < 0 || is_better(policy, &places[i], &places[best]))
            best = (gssize)i;
    }
    return best;
}
