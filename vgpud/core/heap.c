/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heap.h"

#define CHILDREN 4

static gboolean is_before(const VgpuHeapEntry *a, const VgpuHeapEntry *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void put(VgpuHeap *heap, guint32 place, VgpuHeapEntry entry)
{
    heap->entries[place] = entry;
    heap->places[entry.slot - 1] = place;
}

/* Puts @entry at @place or, as long as those above come later, further up. */
static void sift_up(VgpuHeap *heap, guint32 place, VgpuHeapEntry entry)
{
    while (place > 0) {
        guint32 parent = (place - 1) / CHILDREN;
        if (!is_before(&entry, &heap->entries[parent]))
            break;
        put(heap, place, heap->entries[parent]);
        place = parent;
    }
    put(heap, place, entry);
}

/* Puts @entry at @place or, as long as one below comes earlier, further down. */
static void sift_down(VgpuHeap *heap, guint32 place, VgpuHeapEntry entry)
{
    for (;;) {
        guint32 first = place * CHILDREN + 1, last = MIN(first + CHILDREN, heap->count);
        guint32 best = first;

        if (first >= heap->count)
            break;
        for (guint32 child = first + 1; child < last; child++)
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
    g_free(heap->places);
    g_free(heap->nodes);
    *heap = (VgpuHeap){0};
}

static guint32 take_slot(VgpuHeap *heap)
{
    const guint32 slot = heap->free_slot;

    if (slot == 0)
        return ++heap->slots_used;
    heap->free_slot = heap->places[slot - 1];
    return slot;
}

void vgpu_heap_push(VgpuHeap *heap, VgpuHeapNode *node, guint64 key, guint64 tie)
{
    g_assert(!vgpu_heap_has(node));
    if (heap->count == heap->room) {
        heap->room = MAX(16, heap->room * 2);
        heap->entries = g_renew(VgpuHeapEntry, heap->entries, heap->room);
        heap->places = g_renew(guint32, heap->places, heap->room);
        heap->nodes = g_renew(VgpuHeapNode *, heap->nodes, heap->room);
    }
    node->slot = take_slot(heap);
    heap->nodes[node->slot - 1] = node;
    sift_up(heap, heap->count++, (VgpuHeapEntry){key, tie, node->slot});
}

void vgpu_heap_remove(VgpuHeap *heap, VgpuHeapNode *node)
{
    g_assert(vgpu_heap_has(node) && node->slot <= heap->slots_used);
    g_assert(heap->nodes[node->slot - 1] == node);
    const guint32 place = heap->places[node->slot - 1];
    const VgpuHeapEntry last = heap->entries[--heap->count];
    const gboolean is_last = last.slot == node->slot;

    heap->places[node->slot - 1] = heap->free_slot;
    heap->nodes[node->slot - 1] = NULL;
    heap->free_slot = node->slot;
    node->slot = 0;
    if (is_last)
        return;
    /* The last one fills the gap. In another branch of the tree it may have to go up. */
    if (place > 0 && is_before(&last, &heap->entries[(place - 1) / CHILDREN]))
        sift_up(heap, place, last);
    else
        sift_down(heap, place, last);
}
