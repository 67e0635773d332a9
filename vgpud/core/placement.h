/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which member of a pool a VM is placed on. Pure; a VM stays there until it is moved. */
#pragma once

#include <glib.h>

typedef enum {
    VGPU_PLACEMENT_LEAST_LOADED, /* the least busy of late, then the fewest VMs */
    VGPU_PLACEMENT_SPREAD,       /* the fewest VMs */
    VGPU_PLACEMENT_PACK, /* the most VMs, so that other members stay empty and can be switched off
                          */
} VgpuPlacementPolicy;

/* What is known of a member. */
typedef struct {
    guint slots;       /* VMs at most; 0: no limit */
    guint used;        /* VMs placed on it now */
    guint load;        /* how busy it was of late, in thousandths of the time */
    gboolean draining; /* takes no more */
} VgpuPlace;

/* "least-loaded", "spread", "pack"; NULL for anything else. */
const char *vgpu_placement_name(VgpuPlacementPolicy policy);

/* The policy of that name. Returns FALSE when there is none. */
gboolean vgpu_placement_by_name(const char *name, VgpuPlacementPolicy *policy);

/*
 * vgpu_placement_choose:
 * The index of the place for one more VM, the first of equals; -1 when all are full or draining.
 * LEAST_LOADED counts a VM by what it does, not by what it may do: where many start at once the
 * load is that of before, and the number of VMs decides among places of equal load only. O(count).
 */
gssize vgpu_placement_choose(VgpuPlacementPolicy policy, const VgpuPlace *places, gsize count);
