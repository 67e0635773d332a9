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
} VgpuctlExit;

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
