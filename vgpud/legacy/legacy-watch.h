/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches a directory of legacy VMs: which directories there are in it, each of which is one VM's,
 * and in which of them a request may have been written. By inotify: nothing is looked at while
 * nothing changes.
 *
 * inotify tells of what is done on this host: also of what this host's NFS server, its Samba, a
 * QEMU with 9p or a virtiofsd do for a guest, but not of what others do on a file system that is
 * mounted from elsewhere.
 *
 * A directory in which far more happens than a guest can need is not watched but looked at ten
 * times a second while that lasts, so that it costs nobody else anything.
 */
#pragma once

#include <glib.h>

/* The legacy format has 20 VMs; this leaves room, and bounds what a slip costs. */
#define VGPU_LEGACY_WATCH_MAX 64u

typedef struct VgpuLegacyWatch VgpuLegacyWatch;

/* @name is the directory's, unique, and may hold any bytes but '/' and NUL. */
typedef struct {
    /* There is this directory now. @dir is its descriptor, the watch's: valid during the call. */
    void (*appeared)(const char *name, int dir, gpointer user_data);

    /* It may hold a request. Also called right after appeared(). */
    void (*changed)(const char *name, gpointer user_data);

    /* It is no longer there. Not called by vgpu_legacy_watch_free(). */
    void (*vanished)(const char *name, gpointer user_data);
} VgpuLegacyWatchHandlers;

/*
 * vgpu_legacy_watch_new:
 * Watches @path. Directories whose names begin with a dot and symbolic links are not taken for VMs.
 * The handlers are already called for what is there. Returns NULL with @error set.
 */
VgpuLegacyWatch *vgpu_legacy_watch_new(const char *path, const VgpuLegacyWatchHandlers *handlers,
                                       gpointer user_data, GError **error);

void vgpu_legacy_watch_free(VgpuLegacyWatch *watch);
