/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handles.h"

#include "vgpu-queue.h"

typedef struct {
    guint32 generation; /* of the last handle at this index; 0: there was none */
    VgpuObject *object; /* NULL: the index is free */
} Entry;

struct VgpuHandles {
    guint count[VGPU_OBJECT_KINDS]; /* objects of each kind */
    gsize emptied_kind;             /* no object of this kind */
    guint32 emptied;                /* lies before this index */
    Entry entries[VGPU_HANDLE_MAX];
};

VgpuHandles *vgpu_handles_new(void)
{
    return g_new0(VgpuHandles, 1);
}

void vgpu_handles_free(VgpuHandles *handles)
{
    for (gsize kind = 0; kind < VGPU_OBJECT_KINDS; kind++)
        g_assert(handles->count[kind] == 0);
    g_free(handles);
}

gboolean vgpu_handles_is_new(const VgpuHandles *handles, guint64 handle)
{
    const guint32 index = VGPU_HANDLE_INDEX(handle);

    return index < VGPU_HANDLE_MAX && handles->entries[index].object == NULL &&
           VGPU_HANDLE_GENERATION(handle) > handles->entries[index].generation;
}

void vgpu_handles_add(VgpuHandles *handles, guint64 handle, VgpuObject *object)
{
    g_assert(vgpu_handles_is_new(handles, handle));
    handles->entries[VGPU_HANDLE_INDEX(handle)] =
        (Entry){.generation = VGPU_HANDLE_GENERATION(handle), .object = object};
    handles->count[object->kind]++;
    handles->emptied = 0;
}

static VgpuObject *find(const VgpuHandles *handles, guint64 handle)
{
    const guint32 index = VGPU_HANDLE_INDEX(handle);

    if (index >= VGPU_HANDLE_MAX ||
        VGPU_HANDLE_GENERATION(handle) != handles->entries[index].generation)
        return NULL;
    return handles->entries[index].object;
}

VgpuObject *vgpu_handles_get(const VgpuHandles *handles, guint64 handle, VgpuObjectKind kind)
{
    VgpuObject *object = find(handles, handle);

    return object != NULL && object->kind == kind ? object : NULL;
}

static VgpuObject *take(VgpuHandles *handles, Entry *entry)
{
    handles->count[entry->object->kind]--;
    return g_steal_pointer(&entry->object);
}

VgpuObject *vgpu_handles_take(VgpuHandles *handles, guint64 handle)
{
    if (find(handles, handle) == NULL)
        return NULL;
    return take(handles, &handles->entries[VGPU_HANDLE_INDEX(handle)]);
}

VgpuObject *vgpu_handles_take_any(VgpuHandles *handles)
{
    for (gsize kind = 0; kind < VGPU_OBJECT_KINDS; kind++) {
        if (handles->count[kind] == 0)
            continue;
        for (guint32 i = kind == handles->emptied_kind ? handles->emptied : 0; i < VGPU_HANDLE_MAX;
             i++) {
            if (handles->entries[i].object == NULL || handles->entries[i].object->kind != kind)
                continue;
            handles->emptied_kind = kind;
            handles->emptied = i + 1;
            return take(handles, &handles->entries[i]);
        }
        g_assert_not_reached();
    }
    return NULL;
}
