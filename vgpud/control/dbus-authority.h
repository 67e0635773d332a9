/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may change something: root, and whoever polkit says may do org.vgpud1.manage. */
#pragma once

#include <gio/gio.h>

/* Goes on with @invocation, which it owns, for a caller who may. */
typedef void (*VgpuDBusAllowed)(GDBusMethodInvocation *invocation, gpointer user_data);

/*
 * vgpu_dbus_authorize:
 * Takes @invocation over, and gives it to @allowed or answers it with AccessDenied; asking a person
 * for a password may take minutes. Without polkit on the bus only root may. Cancelling @cancellable
 * answers it with an error: @allowed is not called any more.
 */
void vgpu_dbus_authorize(GDBusMethodInvocation *invocation, GCancellable *cancellable,
                         VgpuDBusAllowed allowed, gpointer user_data);
