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
 *   quarantined   its workers died too often
 *   released      the quarantine is over
 *   changed       another pool, priority or place
 *   ended         it runs no longer, or its start failed after all
 */
#pragma once

#include "session.h"

/* Events that are remembered: some hours of a busy host, and below 1 MiB. */
#define VGPU_EVENTS_REMEMBERED 512u

typedef struct VgpuEvents VgpuEvents;

/* @details is a{sv}; data/org.vgpud1.xml lists the keys. */
typedef void (*VgpuEventHandler)(const char *kind, const char *uuid, GVariant *details,
                                 gpointer user_data);

VgpuEvents *vgpu_events_new(VgpuEventHandler handler, gpointer user_data);
void vgpu_events_free(VgpuEvents *events);

/* To be called for each of the registry's news. */
void vgpu_events_look(VgpuEvents *events, const VgpuSession *session, VgpuSessionNews news);

/* The remembered ones, the oldest first: aa{sv}, floating; details with "kind" and "uuid". */
GVariant *vgpu_events_list(const VgpuEvents *events);
