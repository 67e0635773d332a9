/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the main thread, the worker thread and libvirt's callbacks all hold on to, and the way back
 * from the worker thread to the main thread. It is counted, because a worker that is stuck in
 * libvirt outlives its VgpuHost.
 */
#pragma once

#include <glib.h>

#include "host-work.h"
#include "vgpu-domain.h"

typedef enum {
    VGPU_HOST_NEWS_CONNECTED,    /* text: to what */
    VGPU_HOST_NEWS_DISCONNECTED, /* text: why */
    VGPU_HOST_NEWS_RUNNING,      /* live */
    VGPU_HOST_NEWS_STOPPED,      /* text: UUID */
    VGPU_HOST_NEWS_UNPLUGGED,    /* text: UUID */
    VGPU_HOST_NEWS_SCANNED,
    VGPU_HOST_NEWS_DONE, /* order */
} VgpuHostNewsKind;

typedef struct {
    VgpuHostNewsKind kind;
    char *text;
    VgpuDomain *live;
    VgpuHostOrder *order;
} VgpuHostNews;

typedef struct {
    gatomicrefcount references;
    VgpuHostWork *work; /* the way to the worker thread */

    /* The way from the hot-plugs to the worker thread. */
    GAsyncQueue *plugged; /* VgpuHostPlug * */
    gboolean ended;       /* under its lock: nobody takes from there any longer */

    /* Written before the threads start. */
    char *uri;
    char *emulator;
    char *run_dir;

    /* The main thread's own: who gets the news; NULL when nobody does any longer. */
    void (*receive)(gpointer receiver, const VgpuHostNews *news);
    gpointer receiver;
} VgpuHostShared;

VgpuHostShared *vgpu_host_shared_new(const char *uri, const char *emulator, const char *run_dir);
VgpuHostShared *vgpu_host_shared_ref(VgpuHostShared *shared);
void vgpu_host_shared_unref(VgpuHostShared *shared);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuHostShared, vgpu_host_shared_unref)

/* Brings news to the main thread, in the order of the calls. Takes @text and @live over. */
void vgpu_host_shared_post(VgpuHostShared *shared, VgpuHostNewsKind kind, char *text,
                           VgpuDomain *live);

/* The same for an order that is carried out or refused. Takes it over. */
void vgpu_host_shared_post_done(VgpuHostShared *shared, VgpuHostOrder *order);
