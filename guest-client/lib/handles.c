/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handles.h"

#include <string.h>

void vgpu_handles_init(VgpuHandles *handles)
{
    memset(handles, 0, sizeof(*handles));
    vgpu_handles_clear(handles);
}

void vgpu_handles_clear(VgpuHandles *handles)
{
    memset(handles->kind, VGPU_KIND_NONE, sizeof(handles->kind));
    handles->free_count = 0;
    for (uint32_t index = VGPU_HANDLE_MAX; index-- > 0;) {
        if (handles->generation[index] != UINT32_MAX)
            handles->free[handles->free_count++] = (uint16_t)index;
    }
}

uint64_t vgpu_handles_mint(VgpuHandles *handles, enum VgpuKind kind)
{
    if (handles->free_count == 0)
        return 0;
    uint32_t index = handles->free[--handles->free_count];
    handles->kind[index] = (uint8_t)kind;
    return VGPU_HANDLE(index, ++handles->generation[index]);
}

enum VgpuKind vgpu_handles_kind(const VgpuHandles *handles, uint64_t handle)
{
    uint32_t index = VGPU_HANDLE_INDEX(handle);

    if (index >= VGPU_HANDLE_MAX || handles->generation[index] != VGPU_HANDLE_GENERATION(handle))
        return VGPU_KIND_NONE;
    return (enum VgpuKind)handles->kind[index];
}

bool vgpu_handles_release(VgpuHandles *handles, uint64_t handle)
{
    uint32_t index = VGPU_HANDLE_INDEX(handle);

    if (vgpu_handles_kind(handles, handle) == VGPU_KIND_NONE)
        return false;
    handles->kind[index] = VGPU_KIND_NONE;
    return true;
}

void vgpu_handles_reuse(VgpuHandles *handles, uint64_t handle)
{
    uint32_t index = VGPU_HANDLE_INDEX(handle);

    /* An index whose generations are used up is never given out again. */
    if (handles->generation[index] != UINT32_MAX)
        handles->free[handles->free_count++] = (uint16_t)index;
}
