/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon: puts the rooms together. The one file that knows all of them is daemon.c.
 *
 *   hook prepare  -> gate: is the device in place, is there a place in the pool? -> a session, its
 * socket hook release  -> the session ends libvirt says that a domain with our device runs -> its
 * session is made, if there is none (vgpud was restarted), or follows its metadata D-Bus         ->
 * reads the sessions and pools
 */
#pragma once

#include <glib.h>

#include "settings.h"

typedef struct VgpuDaemon VgpuDaemon;

/*
 * vgpu_daemon_new:
 * Makes the folders and sockets, takes the D-Bus name and begins to connect to libvirt, all in the
 * default main context. Takes over @settings, which came from the file @config (NULL: there is
 * none), but for the libvirt URI @connect, if that is not NULL. Returns NULL with @error set when
 * something else already does this job here, or a folder or socket cannot be made.
 */
VgpuDaemon *vgpu_daemon_new(VgpuSettings *settings, const char *config, const char *connect,
                            GError **error);

/*
 * vgpu_daemon_reload:
 * Reads the configuration again. FALSE with @error set: it is invalid, and nothing has changed.
 */
gboolean vgpu_daemon_reload(VgpuDaemon *daemon, GError **error);

/* Ends all sessions: guests get 0x03 until a vgpud is there again. */
void vgpu_daemon_free(VgpuDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDaemon, vgpu_daemon_free)
