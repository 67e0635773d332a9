/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A priority queue whose items can be taken out from its middle: a heap with four children a node,
 * which is half as deep as a binary one and has the four that are compared side by side in memory.
 * Everything is O(log n), looking at the first is O(1). What moves when the heap is put in order is
 * in arrays of its own: with ten thousand items it is their cache lines that a decision would pay.
 */
#pragma once

#include <glib.h>

/* To be the first field of an item. Zeroed is: in no heap. */
typedef struct {
    guint32 slot; /* from 1; 0: in no heap. Only heap.c writes it */
} VgpuHeapNode;

typedef struct {
    guint64 key;
    guint64 tie; /* among equal keys the lowest is first */
    guint32 slot;
} VgpuHeapEntry;

/* Zeroed is an empty one. */
typedef struct {
    VgpuHeapEntry *entries; /* in the order of the heap */
    guint32 *places;        /* by slot - 1: of a free slot, the next free one */
    VgpuHeapNode **nodes;   /* by slot - 1 */
    guint32 count;
    guint32 room;
    guint32 slots_used; /* those above have never been */
    guint32 free_slot;  /* the first; 0: none */
} VgpuHeap;

/* Frees what the heap took; the nodes are their owners', and must not be looked at as queued. */
void vgpu_heap_clear(VgpuHeap *heap);

/* Puts @node in, which is in no heap. */
void vgpu_heap_push(VgpuHeap *heap, VgpuHeapNode *node, guint64 key, guint64 tie);

/* Takes @node out, which is in this heap. */
void vgpu_heap_remove(VgpuHeap *heap, VgpuHeapNode *node);

/* The one with the lowest key; NULL when it is empty. It stays in. */
static inline VgpuHeapNode *vgpu_heap_first(const VgpuHeap *heap)
{
    return heap->count > 0 ? heap->nodes[heap->entries[0].slot - 1] : NULL;
}

/* The lowest key; G_MAXUINT64 when it is empty. */
static inline guint64 vgpu_heap_first_key(const VgpuHeap *heap)
{
    return heap->count > 0 ? heap->entries[0].key : G_MAXUINT64;
}

static inline gboolean vgpu_heap_has(const VgpuHeapNode *node)
{
    return node->slot != 0;
}
