/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-queue.h"

typedef struct {
    gpointer item;
    enum vgpu_priority priority;
    gint64 written_ns;
} Entry;

/* One sorted list: it has one entry for each VM at most (legacy-watch.h), so it is short. */
struct VgpuLegacyQueue {
    GQueue entries;
};

VgpuLegacyQueue *vgpu_legacy_queue_new(void)
{
    return g_new0(VgpuLegacyQueue, 1);
}

void vgpu_legacy_queue_free(VgpuLegacyQueue *queue)
{
    g_queue_clear_full(&queue->entries, g_free);
    g_free(queue);
}

static gboolean goes_before(const Entry *a, const Entry *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->written_ns < b->written_ns;
}

void vgpu_legacy_queue_push(VgpuLegacyQueue *queue, gpointer item, enum vgpu_priority priority,
                            gint64 written_ns)
{
    Entry *entry = g_new(Entry, 1);
    GList *next = queue->entries.head;

    *entry = (Entry){item, priority, written_ns};
    while (next != NULL && !goes_before(entry, next->data))
        next = next->next;
    g_queue_insert_before(&queue->entries, next, entry);
}

gpointer vgpu_legacy_queue_pop(VgpuLegacyQueue *queue)
{
    g_autofree Entry *entry = g_queue_pop_head(&queue->entries);

    return entry != NULL ? entry->item : NULL;
}

void vgpu_legacy_queue_remove(VgpuLegacyQueue *queue, gconstpointer item)
{
    for (GList *link = queue->entries.head; link != NULL; link = link->next) {
        Entry *entry = link->data;
        if (entry->item == item) {
            g_queue_delete_link(&queue->entries, link);
            g_free(entry);
            return;
        }
    }
}
