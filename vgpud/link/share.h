/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest and its worker share, as QEMU handed it over: the memory behind BAR2 and each
 * queue's two eventfds. Nothing is taken on trust: the descriptors come from a process that a guest
 * may have taken over.
 */
#pragma once

#include <glib.h>

#include "vgpu-link.h"

typedef struct VgpuShare VgpuShare;

/*
 * vgpu_share_new:
 * Takes over @memfd, checked: memory that is as large as @hello says and that nobody can make
 * smaller, larger, or read-only. @hello has queues and is well-formed. No queue has its eventfds
 * yet. Returns NULL with @error set, which tells what QEMU did; @memfd is then closed.
 */
VgpuShare *vgpu_share_new(const struct vgpu_link_hello *hello, int memfd, GError **error);

/*
 * vgpu_share_add_queue:
 * Takes over the next queue's eventfds, checked. Returns FALSE with @error set; they are then
 * closed.
 */
gboolean vgpu_share_add_queue(VgpuShare *share, guint32 index, int doorbell, int completion,
                              GError **error);

/* Whether every queue has its eventfds. */
gboolean vgpu_share_is_complete(const VgpuShare *share);

guint32 vgpu_share_queues(const VgpuShare *share);
guint64 vgpu_share_size(const VgpuShare *share); /* bytes of the memory */

/*
 * The descriptors, borrowed, of a complete share: the memory, then doorbell and completion of each
 * queue in turn; 1 + 2 * queues of them.
 */
const int *vgpu_share_descriptors(const VgpuShare *share);

void vgpu_share_free(VgpuShare *share);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuShare, vgpu_share_free)
