/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The legacy bridge: serves guests that write requests into files, in the order that they know: one
 * request at a time, the highest priority first, FIFO within one priority, across all pools.
 *
 *   legacy-watch   notices that a request.txt was written
 *   legacy-files   takes it away, checks it, puts a response.txt there; in threads (legacy-jobs)
 *   legacy-queue   the order
 *   legacy-vm      session, worker, end of an idle worker
 *
 * A guest is answered once for each request that was taken, unless it has given it up by writing
 * another one. A vgpud that is killed leaves the requests that it had taken unanswered; none is
 * ever carried out twice. docs/migration.md tells what a guest sees.
 */
#pragma once

#include <glib.h>

#include "custody.h"
#include "dispatcher.h"
#include "session.h"
#include "settings.h"

typedef struct VgpuLegacy VgpuLegacy;

typedef struct {
    /* A place in a pool has become free. */
    void (*place_free)(gpointer user_data);
} VgpuLegacyHandlers;

/*
 * vgpu_legacy_new:
 * Serves the directories in settings->legacy_dir. A VM's session is added to @sessions with its
 * first request and stays until its directory goes; what it holds of a pool it holds only while it
 * has a worker. @dispatcher NULL: no worker shares its device. All arguments must stay valid.
 * Returns NULL with @error set.
 */
VgpuLegacy *vgpu_legacy_new(const VgpuSettings *settings, VgpuSessions *sessions,
                            VgpuDispatcher *dispatcher, VgpuCustodies *custodies,
                            const VgpuLegacyHandlers *handlers, gpointer user_data, GError **error);

/* Answers what was taken with VGPU_ERROR_UNAVAILABLE, and ends all. No handler is called any more.
 */
void vgpu_legacy_free(VgpuLegacy *legacy);
