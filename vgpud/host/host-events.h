/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's events. The callbacks run in the main thread, out of libvirt's event loop, and only
 * leave word for the worker thread: what an event says is never used but to know which domain to
 * look at.
 */
#pragma once

#include "host-libvirt.h"
#include "host-shared.h"

typedef struct {
    int lifecycle; /* callback ids of libvirt; -1: not registered */
    int metadata;
} VgpuHostEvents;

/*
 * Registers for events of all domains and for the loss of @connection. FALSE: libvirt's error;
 * deregister() is then to be called all the same. The caller holds @shared until it has been.
 */
gboolean vgpu_host_events_register(VgpuHostEvents *events, virConnectPtr connection,
                                   VgpuHostShared *shared);

/* To be called before @connection is closed: a callback that is left would keep it open. */
void vgpu_host_events_deregister(VgpuHostEvents *events, virConnectPtr connection);
