/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The legacy order: the highest priority first, and within one priority whoever wrote first, across
 * all pools. Pure.
 */
#pragma once

#include <glib.h>

#include "vgpu-registers.h"

typedef struct VgpuLegacyQueue VgpuLegacyQueue;

VgpuLegacyQueue *vgpu_legacy_queue_new(void);
void vgpu_legacy_queue_free(VgpuLegacyQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuLegacyQueue, vgpu_legacy_queue_free)

/*
 * vgpu_legacy_queue_push:
 * Puts @item, which is not NULL and not in the queue, to its place. @written_ns is when its request
 * was written, by any one clock; of equals the one that was pushed first comes first.
 */
void vgpu_legacy_queue_push(VgpuLegacyQueue *queue, gpointer item, enum vgpu_priority priority,
                            gint64 written_ns);

/* Takes the first one out; NULL when there is none. */
gpointer vgpu_legacy_queue_pop(VgpuLegacyQueue *queue);

/* Takes @item out, wherever it is. Nothing happens if it is not in the queue. */
void vgpu_legacy_queue_remove(VgpuLegacyQueue *queue, gconstpointer item);
