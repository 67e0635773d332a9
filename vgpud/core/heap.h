/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A priority queue whose items can be taken out from its middle: a heap with four children a node,
 * which is half as deep as a binary one and has the four that are compared side by side in memory.
 * Everything is O(log n), looking at the first is O(1).
 */
#pragma once

#include <glib.h>

/* To be the first field of an item. Zeroed is: in no heap. */
typedef struct {
    gsize place; /* in the array, from 1; 0: in no heap. Only heap.c writes it */
} VgpuHeapNode;

typedef struct {
    guint64 key;
    guint64 tie; /* among equal keys the lowest is first */
    VgpuHeapNode *node;
} VgpuHeapEntry;

/* Zeroed is an empty one. */
typedef struct {
    VgpuHeapEntry *entries;
    gsize count;
    gsize room;
} VgpuHeap;

/* Frees what the heap took; the nodes are their owners', and must not be looked at as queued. */
void vgpu_heap_clear(VgpuHeap *heap);

/* Puts @node in, which is in no heap. */
void vgpu_heap_push(VgpuHeap *heap, VgpuHeapNode *node, guint64 key, guint64 tie);

/* Takes @node out, which is in this heap. */
void vgpu_heap_remove(VgpuHeap *heap, VgpuHeapNode *node);

/* The one with the lowest key; NULL when it is empty. It stays in. */
static inline const VgpuHeapEntry *vgpu_heap_first(const VgpuHeap *heap)
{
    return heap->count > 0 ? &heap->entries[0] : NULL;
}

static inline gboolean vgpu_heap_has(const VgpuHeapNode *node)
{
    return node->place != 0;
}
