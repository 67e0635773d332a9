/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.vgpud1 on D-Bus: the interfaces of data/org.vgpud1.xml at and below /org/vgpud1.
 *
 * VMs do not need the bus: when it is not there, or goes away, that is logged once and tried again,
 * with growing pauses, until it is back.
 */
#pragma once

#include "actions.h"
#include "model.h"

#define VGPU_DBUS_NAME "org.vgpud1"
#define VGPU_DBUS_PATH "/org/vgpud1"

#define VGPU_DBUS_ERROR_NOT_FOUND "org.vgpud1.Error.NotFound" /* there is no such VM */
#define VGPU_DBUS_ERROR_FAILED    "org.vgpud1.Error.Failed"   /* an action did not work */

typedef struct VgpuDBusService VgpuDBusService;

/*
 * vgpu_dbus_service_new:
 * Connects to @bus ("system", "session" or a D-Bus address) and takes the name org.vgpud1 there, in
 * the background on the default main context: it cannot fail. @model and @actions are borrowed;
 * @model is read at each call, and its sessions are watched.
 */
VgpuDBusService *vgpu_dbus_service_new(const char *bus, const VgpuModel *model,
                                       const VgpuActions *actions);

/* To be called when pools or members have come, gone or changed. */
void vgpu_dbus_service_pools_changed(VgpuDBusService *service);

/* The same, and as vgpu_events_device_drained(). */
void vgpu_dbus_service_device_drained(VgpuDBusService *service, const char *key,
                                      const char *const *members, const char *reason);

void vgpu_dbus_service_free(VgpuDBusService *service);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDBusService, vgpu_dbus_service_free)
