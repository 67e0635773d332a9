/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which VM has which number: one each, 1..VGPU_VM_ID_MAX, never two with the same. Pure. */
#pragma once

#include <glib.h>

typedef struct VgpuVmIds VgpuVmIds;

VgpuVmIds *vgpu_vm_ids_new(void);
void vgpu_vm_ids_free(VgpuVmIds *ids);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuVmIds, vgpu_vm_ids_free)

/* The number of @uuid; 0: it has none. */
guint32 vgpu_vm_ids_get(const VgpuVmIds *ids, const char *uuid);

/*
 * Gives @uuid the number @id in place of any that it had. Returns FALSE, and changes nothing, when
 * @id is out of range or another's.
 */
gboolean vgpu_vm_ids_claim(VgpuVmIds *ids, const char *uuid, guint32 id);

/* The number that @uuid has, or else the lowest free one, which it then has; 0: all are taken. */
guint32 vgpu_vm_ids_assign(VgpuVmIds *ids, const char *uuid);

/* Takes its number from @uuid, if it has one. */
void vgpu_vm_ids_forget(VgpuVmIds *ids, const char *uuid);

/* Forgets every UUID that is not a key of @uuids. */
void vgpu_vm_ids_retain(VgpuVmIds *ids, GHashTable *uuids);
