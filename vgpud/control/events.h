/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to VMs, as a sequence of events: made out of what changed in a session since it was
 * last looked at. The last ones are remembered for those who ask later.
 *
 *   started       its start was let through, or vgpud has found it running
 *   connected     its QEMU has connected
 *   disconnected  its QEMU's connection is gone; the process may still run
 *   serving       a worker serves it
 *   worker-died   its worker has died, or could not be started
 *   quarantined   it is kept out, or for another time than before
 *   released      the quarantine is over
 *   changed       another pool, priority or place
 *   ended         it runs no longer, or its start failed after all
 *
 * And of devices, of which the events say so:
 *
 *   device-drained  the breaker has made its members take no more VMs
 */
#pragma once

#include "session.h"

/* Events that are remembered: some hours of a busy host, and below 1 MiB. */
#define VGPU_EVENTS_REMEMBERED 512u

typedef struct VgpuEvents VgpuEvents;

/* @uuid "": not of a VM. @details is a{sv}; data/org.vgpud1.xml lists the keys. */
typedef void (*VgpuEventHandler)(const char *kind, const char *uuid, GVariant *details,
                                 gpointer user_data);

VgpuEvents *vgpu_events_new(VgpuEventHandler handler, gpointer user_data);
void vgpu_events_free(VgpuEvents *events);

/* To be called for each of the registry's news. */
void vgpu_events_look(VgpuEvents *events, const VgpuSession *session, VgpuSessionNews news);

/* The device of @key has failed, and @members, which end with NULL, are drained for that. */
void vgpu_events_device_drained(VgpuEvents *events, const char *key, const char *const *members,
                                const char *reason);

/* The remembered ones, the oldest first: aa{sv}, floating; details with "kind" and "uuid". */
GVariant *vgpu_events_list(const VgpuEvents *events);
