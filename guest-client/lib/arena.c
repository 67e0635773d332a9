/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arena.h"

#include <string.h>

void vgpu_arena_init(VgpuArena *arena, uint64_t size)
{
    memset(arena, 0, sizeof(*arena));
    arena->size = size / VGPU_ARENA_ALIGN * VGPU_ARENA_ALIGN;
}

/* Where @length bytes (aligned) fit, UINT64_MAX: nowhere. */
static uint64_t place(const VgpuArena *arena, uint64_t length)
{
    if (arena->count == 0)
        return length <= arena->size ? 0 : UINT64_MAX;

    uint64_t begin = arena->pieces[arena->oldest].start;
    if (arena->next <= begin) /* the pieces go around the end, or fill everything */
        return length <= begin - arena->next ? arena->next : UINT64_MAX;
    if (length <= arena->size - arena->next)
        return arena->next;
    return length <= begin ? 0 : UINT64_MAX;
}

bool vgpu_arena_take(VgpuArena *arena, uint64_t length, uint32_t position, bool answered,
                     uint64_t *offset, uint32_t *piece)
{
    if (arena->count == VGPU_ARENA_PIECES || length > arena->size)
        return false;
    length = (length + VGPU_ARENA_ALIGN - 1) / VGPU_ARENA_ALIGN * VGPU_ARENA_ALIGN;
    uint64_t start = place(arena, length);
    if (start == UINT64_MAX)
        return false;

    *offset = start;
    *piece = (arena->oldest + arena->count) % VGPU_ARENA_PIECES;
    arena->pieces[*piece] =
        (VgpuArenaPiece){.start = start, .position = position, .answered = answered};
    arena->count++;
    arena->next = start + length;
    return true;
}

void vgpu_arena_done(VgpuArena *arena, uint32_t piece)
{
    arena->pieces[piece].done = true;
}

void vgpu_arena_retire(VgpuArena *arena, uint32_t head)
{
    while (arena->count > 0) {
        const VgpuArenaPiece *piece = &arena->pieces[arena->oldest];

        /* Positions are at most a ring apart, so the difference tells which comes first. */
        if (piece->answered ? !piece->done : (int32_t)(head - piece->position) <= 0)
            return;
        arena->oldest = (arena->oldest + 1) % VGPU_ARENA_PIECES;
        arena->count--;
    }
}
