/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where in a queue's arena the data of its commands lies. Commands are carried out in order, so the
 * arena is a ring: pieces are given out in a row and come free in the same order. Pure logic; the
 * memory itself is not touched.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stdint.h>

/* A command has one piece at most. Pieces that are written from live until their command's entry is
 * free again, those that are read until their completion: at most a ring full of each. */
#define VGPU_ARENA_PIECES 512u
#define VGPU_ARENA_ALIGN  64u /* a cache line */

typedef struct VgpuArenaPiece {
    uint64_t start;    /* bytes from the arena's begin */
    uint32_t position; /* of its command in the ring, from 0, running free */
    bool answered;     /* free at its completion, else when its entry is */
    bool done;         /* answered, and the completion has come */
} VgpuArenaPiece;

typedef struct VgpuArena {
    uint64_t size; /* bytes */
    uint64_t next; /* where the next piece begins */
    uint32_t oldest, count;
    VgpuArenaPiece pieces[VGPU_ARENA_PIECES];
} VgpuArena;

/* An arena of @size bytes without pieces. */
void vgpu_arena_init(VgpuArena *arena, uint64_t size);

/*
 * Takes @length bytes (1 or more) for the command at @position; @answered: until
 * vgpu_arena_done(), else until vgpu_arena_retire() gets beyond it. Returns false when there is no
 * room now; else @offset, a multiple of VGPU_ARENA_ALIGN, and @piece, its name, are set.
 */
bool vgpu_arena_take(VgpuArena *arena, uint64_t length, uint32_t position, bool answered,
                     uint64_t *offset, uint32_t *piece);

/* The completion of this piece's command has come. */
void vgpu_arena_done(VgpuArena *arena, uint32_t piece);

/* Frees what can be, where all entries before position @head are free again. */
void vgpu_arena_retire(VgpuArena *arena, uint32_t head);

#endif
