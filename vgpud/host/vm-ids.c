/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-ids.h"

#include "session.h"

struct VgpuVmIds {
    GHashTable *by_uuid; /* char * -> number */
    GHashTable *taken;   /* the set of numbers in use */
};

VgpuVmIds *vgpu_vm_ids_new(void)
{
    VgpuVmIds *ids = g_new0(VgpuVmIds, 1);

    ids->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ids->taken = g_hash_table_new(NULL, NULL);
    return ids;
}

void vgpu_vm_ids_free(VgpuVmIds *ids)
{
    if (ids == NULL)
        return;
    g_hash_table_unref(ids->by_uuid);
    g_hash_table_unref(ids->taken);
    g_free(ids);
}

guint32 vgpu_vm_ids_get(const VgpuVmIds *ids, const char *uuid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(ids->by_uuid, uuid));
}

gboolean vgpu_vm_ids_claim(VgpuVmIds *ids, const char *uuid, guint32 id)
{
    if (id == 0 || id > VGPU_VM_ID_MAX)
        return FALSE;
    if (vgpu_vm_ids_get(ids, uuid) == id)
        return TRUE;
    if (g_hash_table_contains(ids->taken, GUINT_TO_POINTER(id)))
        return FALSE;

    vgpu_vm_ids_forget(ids, uuid);
    g_hash_table_insert(ids->by_uuid, g_strdup(uuid), GUINT_TO_POINTER(id));
    g_hash_table_add(ids->taken, GUINT_TO_POINTER(id));
    return TRUE;
}

guint32 vgpu_vm_ids_assign(VgpuVmIds *ids, const char *uuid)
{
    guint32 id = vgpu_vm_ids_get(ids, uuid);

    if (id != 0)
        return id;
    for (id = 1; id <= VGPU_VM_ID_MAX; id++) {
        if (vgpu_vm_ids_claim(ids, uuid, id))
            return id;
    }
    return 0;
}

void vgpu_vm_ids_forget(VgpuVmIds *ids, const char *uuid)
{
    g_hash_table_remove(ids->taken, GUINT_TO_POINTER(vgpu_vm_ids_get(ids, uuid)));
    g_hash_table_remove(ids->by_uuid, uuid);
}

void vgpu_vm_ids_retain(VgpuVmIds *ids, GHashTable *uuids)
{
    GHashTableIter iter;
    gpointer uuid, id;

    g_hash_table_iter_init(&iter, ids->by_uuid);
    while (g_hash_table_iter_next(&iter, &uuid, &id)) {
        if (g_hash_table_contains(uuids, uuid))
            continue;
        g_hash_table_remove(ids->taken, id);
        g_hash_table_iter_remove(&iter);
    }
}
