/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection of a proven QEMU: the control messages of protocol/vgpu-link.h.
 */
#pragma once

#include <glib.h>

#include "share.h"
#include "vgpu-codec.h"

typedef struct VgpuDeviceLink VgpuDeviceLink;

typedef struct {
    /* HELLO came, its version and protocol are ours, and so did all of its queues. Now the first
     * STATE is due. */
    void (*hello)(const struct vgpu_link_hello *hello, gpointer user_data);
    /*
     * The connection is over: @reason is NULL when the peer closed it, else text for the log. The
     * handler frees the link.
     */
    void (*closed)(const char *reason, gpointer user_data);
} VgpuDeviceLinkHandlers;

/* Takes over @fd (non-blocking). @handlers must stay valid. No handler runs before this returns. */
VgpuDeviceLink *vgpu_device_link_new(int fd, const VgpuDeviceLinkHandlers *handlers,
                                     gpointer user_data);

/*
 * Send one message at once. The socket's buffer holds hundreds of them, so a peer that does not
 * read is broken: FALSE, and the caller ends the link.
 */
gboolean vgpu_device_link_send_state(VgpuDeviceLink *link, const struct vgpu_link_state *state);
gboolean vgpu_device_link_send_channel(VgpuDeviceLink *link, int channel);

/* What the guest and its worker share, once the device has greeted; NULL: it has no queues.
 * Borrowed: it goes with the link. */
const VgpuShare *vgpu_device_link_share(const VgpuDeviceLink *link);

void vgpu_device_link_free(VgpuDeviceLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDeviceLink, vgpu_device_link_free)
