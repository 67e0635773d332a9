/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A D-Bus interface that has only properties, and those not stored but read when somebody asks.
 *
 * The property "QemuPid" is the key "qemu-pid" of the dictionary that the reader returns. Which
 * properties have change signals is said in the interface's XML; update() sends them.
 */
#pragma once

#include <gio/gio.h>

#define VGPU_TYPE_DBUS_LIVE (vgpu_dbus_live_get_type())
G_DECLARE_FINAL_TYPE(VgpuDBusLive, vgpu_dbus_live, VGPU, DBUS_LIVE, GDBusInterfaceSkeleton)

/* Returns a floating a{sv} with a key for each property. */
typedef GVariant *(*VgpuDBusRead)(gpointer source);

/*
 * vgpu_dbus_live_new:
 * The interface @info, static, with what @read says of @source; @source must stay valid until the
 * interface is unexported.
 */
VgpuDBusLive *vgpu_dbus_live_new(GDBusInterfaceInfo *info, VgpuDBusRead read, gpointer source);

/* Sends one PropertiesChanged with what is new since the last time, if anything is. */
void vgpu_dbus_live_update(VgpuDBusLive *live);
