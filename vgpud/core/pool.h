/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools: named sets of devices, and the placement of VMs on them. */
#pragma once

#include <glib.h>

#include "pool-rules.h"
#include "vm-limits.h"

#define VGPU_POOL_ERROR (vgpu_pool_error_quark())
GQuark vgpu_pool_error_quark(void);
typedef enum {
    VGPU_POOL_ERROR_INVALID, /* a pool file is wrong */
    VGPU_POOL_ERROR_UNKNOWN, /* there is no such pool, or member of it */
    VGPU_POOL_ERROR_FULL,    /* every slot of the pool is taken, or draining */
} VgpuPoolError;

/* One device that a pool may use. */
typedef struct {
    char *name;    /* unique in its pool: [member NAME] */
    char *backend; /* "opencl", "null" or "fault" */
    char *device;  /* how the backend finds it; "" : its first */
    guint slots;   /* VMs at most; 0: no limit */
    guint used;    /* VMs placed on it now */

    gboolean draining; /* it is to be empty: it takes no more VMs */
    char
        *drain_reason; /* the breaker wants that, since its device failed; NULL: an operator does */
    gboolean removed;  /* the same, for good: the configuration has it no more */
    guint load;        /* how busy its device was of late, in thousandths: loads.h */
} VgpuMember;

typedef struct {
    char letter; /* 'A'..'Z' */
    char *description;
    VgpuLimitRules limits; /* of each VM */
    VgpuPoolRules rules;
    GPtrArray *members; /* of VgpuMember, in the file's order; never empty */
    char *file;         /* for messages */
    gboolean removed;   /* the configuration has it no more; it serves those that are in it */
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
 * vgpu_member_device_key:
 * Which physical device the member is: members with the same key, of whichever pools, share one
 * device and its scheduler. "BACKEND:DEVICE", compared as it is. Owned by the caller.
 */
char *vgpu_member_device_key(const VgpuMember *member);

/* TRUE when both are the same device. */
gboolean vgpu_member_same_device(const VgpuMember *a, const VgpuMember *b);

/*
 * vgpu_pools_finish:
 * To be called when all pools have been added: sets what depends on @request_timeout_ms. FALSE with
 * @error set, which names the files: pools that share a device want it to be shared in different
 * ways.
 */
gboolean vgpu_pools_finish(VgpuPools *pools, guint request_timeout_ms, GError **error);

/*
 * vgpu_pools_place:
 * Takes a slot for one VM on a member of pool @letter that its placement chooses, never on one that
 * is draining. Returns that member, owned by @pools, or NULL with an error for a person. Given back
 * with vgpu_member_leave(), until when the member exists whatever the configuration says.
 */
VgpuMember *vgpu_pools_place(VgpuPools *pools, char letter, GError **error);

/* The same on the member of that name. */
VgpuMember *vgpu_pools_place_on(VgpuPools *pools, char letter, const char *name, GError **error);

void vgpu_member_leave(VgpuMember *member);

/* The member of that name; NULL: there is none. */
VgpuMember *vgpu_pool_member(const VgpuPool *pool, const char *name);

/* Says how busy the device of that key was, VgpuLoad's figure, for all members that are it. */
void vgpu_pools_set_load(VgpuPools *pools, const char *device_key, guint load);

guint vgpu_pool_used(const VgpuPool *pool); /* VMs on all members */

/*
 * vgpu_pools_merge:
 * Makes of @pools what @next is, which is empty afterwards. Pools, and members with the same name
 * and device, stay the same structures, with their VMs; the others are marked as removed, or freed
 * if no VM is on them. Draining ones stay so. (pool-merge.c)
 */
void vgpu_pools_merge(VgpuPools *pools, VgpuPools *next);

/* Frees what is removed and empty. Returns whether there was anything. (pool-merge.c) */
gboolean vgpu_pools_sweep(VgpuPools *pools);

/* For pool-merge.c. */
void vgpu_pool_free(VgpuPool *pool);
void vgpu_member_free(gpointer member);
