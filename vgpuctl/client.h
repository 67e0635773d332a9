/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls to vgpud, and what their failures mean to whoever typed the command. */
#pragma once

#include <gio/gio.h>

/* Exit codes; vgpuctl(1) documents them. */
typedef enum {
    VGPUCTL_OK = 0,
    VGPUCTL_FAILED = 1,      /* vgpud answered an error, or not in time */
    VGPUCTL_USAGE = 2,       /* the command line is wrong */
    VGPUCTL_NOT_RUNNING = 3, /* there is no vgpud on that bus, or no bus */
    VGPUCTL_DENIED = 4,      /* the caller may not */
} VgpuctlExit;

#define VGPUCTL_NAME      "org.vgpud1"
#define VGPUCTL_PATH      "/org/vgpud1"
#define VGPUCTL_INTERFACE "org.vgpud1.Manager"

/* The error code is a VgpuctlExit; the message is for a person and may hold anything. */
#define VGPUCTL_ERROR (vgpuctl_error_quark())
GQuark vgpuctl_error_quark(void);

/* Connects to @bus: "system", "session" or a D-Bus address. NULL with @error set. */
GDBusConnection *vgpuctl_connect(const char *bus, GError **error);

/*
 * vgpuctl_call:
 * Calls @method of org.vgpud1.Manager with @arguments (floating; NULL: none) and waits for the
 * answer, which has one value, of type @type. Returns that value, or NULL with @error set.
 */
GVariant *vgpuctl_call(GDBusConnection *connection, const char *method, GVariant *arguments,
                       const char *type, GError **error);

/*
 * vgpuctl_change:
 * The same for a method without an answer that polkit may ask a person about: it waits minutes.
 */
gboolean vgpuctl_change(GDBusConnection *connection, const char *method, GVariant *arguments,
                        GError **error);

/*
 * vgpuctl_set_call_error:
 * Says what @failure of a call means. @by_bus: it is the bus that refused, not vgpud.
 */
void vgpuctl_set_call_error(GError **error, GError *failure, gboolean by_bus);

/* There is nobody with vgpud's name. */
void vgpuctl_set_not_running(GError **error);
