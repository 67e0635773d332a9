/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hot-plug: the device into a running QEMU, and out of it. QEMU's monitor may be stuck, and a call
 * to it then takes for ever, so each job has a thread and a connection to libvirt of its own: the
 * worker thread never waits for a monitor. At most VGPU_HOST_PLUG_MAX jobs are under way; a stuck
 * one ends with its QEMU, and until then keeps one of these places.
 */
#pragma once

#include <glib.h>

#include "host-shared.h"
#include "vgpu-config.h"
#include "vgpu-hotplug.h"

/* libvirtd itself serves 20 calls at a time by default (libvirtd.conf, max_workers). */
#define VGPU_HOST_PLUG_MAX 8

typedef enum {
    VGPU_HOST_PLUG_PROBE, /* is it there? */
    VGPU_HOST_PLUG_IN,
    VGPU_HOST_PLUG_OUT,
} VgpuHostPlugKind;

typedef struct VgpuHostPlug {
    VgpuHostShared *shared;
    VgpuHostPlugKind kind;
    char *uuid;
    char *name;
    int id; /* libvirt's number of this run of the domain */

    VgpuHotplugPlace place; /* IN only */
    char *socket_path;      /* IN only */

    /* IN: what the device gets; PROBE: what it has, vm_id 0: there is none */
    VgpuConfig config;
    guint32 vm_id;

    GError *error; /* how it ended; NULL: well */
    gint finished; /* atomic */
} VgpuHostPlug;

/* @config and @socket_path are the caller's to set. */
VgpuHostPlug *vgpu_host_plug_new(VgpuHostShared *shared, VgpuHostPlugKind kind, const char *uuid,
                                 const char *name, int id);
void vgpu_host_plug_unref(VgpuHostPlug *plug);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuHostPlug, vgpu_host_plug_unref)

/* The threads. */
GThreadPool *vgpu_host_plug_pool_new(void);

/*
 * Nobody takes results from @shared any longer. Frees those that are there and @pool; what is under
 * way may take for ever, and is forgotten when it ends.
 */
void vgpu_host_plug_pool_free(GThreadPool *pool, VgpuHostShared *shared);

/*
 * Carries @plug out, and takes it over. In the end it comes to shared->plugged, and the domain is
 * added to the work.
 */
void vgpu_host_plug_start(GThreadPool *pool, VgpuHostPlug *plug);
