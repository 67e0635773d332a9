/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What operators see: vgpud's state as D-Bus dictionaries. data/org.vgpud1.xml lists the keys.
 *
 * Pure functions over core's structures; each returns a floating GVariant. Text is made valid UTF-8
 * and counters are kept within 0..G_MAXINT64, whatever a worker may have written into its page.
 */
#pragma once

#include <glib.h>

#include "pool.h"
#include "session.h"

/*
 * Where the answers come from. The daemon owns one, fills it before it hands it out, and changes
 * the libvirt fields whenever they change; all from the main loop's thread.
 */
typedef struct {
    const VgpuPools *pools;
    VgpuSessions *sessions;
    gint64 started_us;          /* g_get_real_time() when vgpud started */
    gint64 started_mono_us;     /* g_get_monotonic_time() of the same moment */
    const char *libvirt_uri;    /* as configured */
    gboolean libvirt_connected; /* now */
    const char *libvirt_detail; /* what it is connected to, with versions, or why it is not; one
                                   line for a person; NULL: nothing yet */
} VgpuModel;

/* a{sv}. @now_mono_us is g_get_monotonic_time(). */
GVariant *vgpu_model_status(const VgpuModel *model, gint64 now_mono_us);

/* aa{sv}, by letter. */
GVariant *vgpu_model_pools(const VgpuModel *model);

/* aa{sv}, by name. */
GVariant *vgpu_model_vms(const VgpuModel *model);

/* a{sv}, an element of vgpu_model_pools(); NULL when there is no such pool. */
GVariant *vgpu_model_pool(const VgpuModel *model, char letter);

/* a{sv}, an element of vgpu_model_vms(). */
GVariant *vgpu_model_vm(const VgpuSession *session);

/* a{sv}: what happened, when, to whom; the @serial-th since vgpud started. */
GVariant *vgpu_model_event(const VgpuSession *session, const char *kind, guint64 serial,
                           gint64 now_us);

/* a{sv}: the same of a device, that of @key; @members, "A/gpu0" and so on, end with NULL. */
GVariant *vgpu_model_device_event(const char *key, const char *const *members, const char *reason,
                                  const char *kind, guint64 serial, gint64 now_us);

/*
 * vgpu_model_find:
 * The VM that @which means: a UUID, else a name, else a VM's number. A name that looks like a
 * number thus wins over the number. Borrowed; NULL when there is no such VM.
 */
VgpuSession *vgpu_model_find(const VgpuModel *model, const char *which);
