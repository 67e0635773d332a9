/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools: named sets of devices, and the placement of VMs on them. */
#pragma once

#include <glib.h>

#include "vm-limits.h"

#define VGPU_POOL_ERROR (vgpu_pool_error_quark())
GQuark vgpu_pool_error_quark(void);
typedef enum {
    VGPU_POOL_ERROR_INVALID, /* a pool file is wrong */
    VGPU_POOL_ERROR_UNKNOWN, /* there is no such pool */
    VGPU_POOL_ERROR_FULL,    /* every slot of the pool is taken */
} VgpuPoolError;

/* One device that a pool may use. */
typedef struct {
    char *name;    /* unique in its pool: [member NAME] */
    char *backend; /* "opencl", "null" or "fault" */
    char *device;  /* how the backend finds it; "" : its first */
    guint slots;   /* VMs at most; 0: no limit */
    guint used;    /* VMs placed on it now */
} VgpuMember;

typedef struct {
    char letter; /* 'A'..'Z' */
    char *description;
    VgpuLimitRules limits; /* of each VM */
    GPtrArray *members;    /* of VgpuMember, in the file's order; never empty */
} VgpuPool;

typedef struct {
    VgpuPool *by_letter[26];
} VgpuPools;

VgpuPools *vgpu_pools_new(void);
void vgpu_pools_free(VgpuPools *pools);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuPools, vgpu_pools_free)

/*
 * vgpu_pools_add:
 * Reads one pool's key file from memory; @name stands for the file in messages. A letter that is
 * taken is an error.
 */
gboolean vgpu_pools_add(VgpuPools *pools, const char *text, gsize length, const char *name,
                        GError **error);

/* The pool of that letter; NULL when there is none, or for anything but 'A'..'Z'. */
VgpuPool *vgpu_pools_get(const VgpuPools *pools, char letter);

/* The letters there are, as a person reads them: "A, B"; "none". */
char *vgpu_pools_letters(const VgpuPools *pools);

/*
 * vgpu_pools_place:
 * Takes a slot for one VM on the member of pool @letter with the fewest VMs, the first of equals.
 * Returns that member, owned by @pools, or NULL with an error for a person. Given back with
 * vgpu_member_leave().
 */
VgpuMember *vgpu_pools_place(VgpuPools *pools, char letter, GError **error);

void vgpu_member_leave(VgpuMember *member);

guint vgpu_pool_used(const VgpuPool *pool); /* VMs on all members */
