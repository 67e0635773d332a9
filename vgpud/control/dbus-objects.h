/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything below /org/vgpud1: one object for each pool and each VM, which the ObjectManager at
 * /org/vgpud1 lists, says of when they come and go, and whose properties tell of their changes.
 */
#pragma once

#include <gio/gio.h>

#include "model.h"

typedef struct VgpuDBusObjects VgpuDBusObjects;

/* Objects for the pools that @model has; it is borrowed. On no bus yet. */
VgpuDBusObjects *vgpu_dbus_objects_new(const VgpuModel *model);
void vgpu_dbus_objects_free(VgpuDBusObjects *objects);

/* Puts them on @connection; NULL: takes them off. */
void vgpu_dbus_objects_connect(VgpuDBusObjects *objects, GDBusConnection *connection);

/* To be called when pools or members have come, gone or changed. */
void vgpu_dbus_objects_pools_changed(VgpuDBusObjects *objects);

/* To be called for each of the registry's news. */
void vgpu_dbus_objects_look(VgpuDBusObjects *objects, VgpuSession *session, VgpuSessionNews news);
