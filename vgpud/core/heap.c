/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heap.h"

#define CHILDREN 4

static gboolean is_before(const VgpuHeapEntry *a, const VgpuHeapEntry *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void put(VgpuHeap *heap, gsize place, VgpuHeapEntry entry)
{
    heap->entries[place] = entry;
    entry.node->place = place + 1;
}

/* Puts @entry at @place or, as long as those above come later, further up. */
static void sift_up(VgpuHeap *heap, gsize place, VgpuHeapEntry entry)
{
    while (place > 0) {
        gsize parent = (place - 1) / CHILDREN;
        if (!is_before(&entry, &heap->entries[parent]))
            break;
        put(heap, place, heap->entries[parent]);
        place = parent;
    }
    put(heap, place, entry);
}

/* Puts @entry at @place or, as long as one below comes earlier, further down. */
static void sift_down(VgpuHeap *heap, gsize place, VgpuHeapEntry entry)
{
    for (;;) {
        gsize first = place * CHILDREN + 1, last = MIN(first + CHILDREN, heap->count);
        gsize best = first;

        if (first >= heap->count)
            break;
        for (gsize child = first + 1; child < last; child++)
            if (is_before(&heap->entries[child], &heap->entries[best]))
                best = child;
        if (!is_before(&heap->entries[best], &entry))
            break;
        put(heap, place, heap->entries[best]);
        place = best;
    }
    put(heap, place, entry);
}

void vgpu_heap_clear(VgpuHeap *heap)
{
    g_free(heap->entries);
    *heap = (VgpuHeap){0};
}

void vgpu_heap_push(VgpuHeap *heap, VgpuHeapNode *node, guint64 key, guint64 tie)
{
    g_assert(!vgpu_heap_has(node));
    if (heap->count == heap->room) {
        heap->room = MAX(16, heap->room * 2);
        heap->entries = g_renew(VgpuHeapEntry, heap->entries, heap->room);
    }
    sift_up(heap, heap->count++, (VgpuHeapEntry){key, tie, node});
}

void vgpu_heap_remove(VgpuHeap *heap, VgpuHeapNode *node)
{
    g_assert(vgpu_heap_has(node) && node->place <= heap->count);
    gsize place = node->place - 1;
    g_assert(heap->entries[place].node == node);
    VgpuHeapEntry last = heap->entries[--heap->count];

    node->place = 0;
    if (last.node == node)
        return;
    /* The last one fills the gap. In another branch of the tree it may have to go up. */
    if (place > 0 && is_before(&last, &heap->entries[(place - 1) / CHILDREN]))
        sift_up(heap, place, last);
    else
        sift_down(heap, place, last);
}
