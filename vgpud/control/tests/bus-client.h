/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of the service under test, which runs in the same main loop; and buses for both. */
#pragma once

#include <gio/gio.h>

GDBusConnection *bus_client_connect(const char *address);

/* Runs the main loop until org.vgpud1 is @owned or not. */
void bus_client_await_name(GDBusConnection *client, gboolean owned);

/* Calls @method of @interface at @path in vgpud; runs the main loop until the answer. */
GVariant *bus_client_call(GDBusConnection *client, const char *path, const char *interface,
                          const char *method, GVariant *arguments, const char *type,
                          GError **error);

/* The same for a method of org.vgpud1.Manager. */
GVariant *bus_client_manager(GDBusConnection *client, const char *method, GVariant *arguments,
                             const char *type, GError **error);

/*
 * Starts a bus at @address that has the system bus's rule, that what is not allowed is forbidden,
 * and the policy in the file @policy. Its configuration is written to @folder. Returns when it
 * listens.
 */
GSubprocess *bus_client_start_system_like(const char *folder, const char *address,
                                          const char *policy);
