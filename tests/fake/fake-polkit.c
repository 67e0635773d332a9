/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-polkit ADDRESS ANSWER: has polkit's name on the bus at ADDRESS, and answers each question
 * with ANSWER: yes, no, challenge or error. Prints "ready", then a line for each question:
 * ACTION SUBJECT-KIND SUBJECT-NAME FLAGS. Ends with its standard input.
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *answer;

static const char interface[] =
    "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
    "<method name='CheckAuthorization'>"
    "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
    "</method></interface></node>";

static void on_call(GDBusConnection *bus G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
                    const char *path G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                    const char *method G_GNUC_UNUSED, GVariant *arguments,
                    GDBusMethodInvocation *invocation, gpointer data G_GNUC_UNUSED)
{
    g_autoptr(GVariant) subject = NULL;
    const char *kind, *action, *who = "?";
    guint32 flags;

    g_variant_get(arguments, "((&s@a{sv})&s@a{ss}u&s)", &kind, &subject, &action, NULL, &flags,
                  NULL);
    g_variant_lookup(subject, "name", "&s", &who);
    printf("%s %s %s %u\n", action, kind, who, flags);
    fflush(stdout);
    if (strcmp(answer, "error") == 0)
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.PolicyKit1.Error.Failed", "out of order");
    else
        g_dbus_method_invocation_return_value(
            invocation, g_variant_new("((bba{ss}))", strcmp(answer, "yes") == 0,
                                      strcmp(answer, "challenge") == 0, NULL));
}

static void on_name(GDBusConnection *bus G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                    gpointer data G_GNUC_UNUSED)
{
    puts("ready");
    fflush(stdout);
}

static void on_no_name(GDBusConnection *bus G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                       gpointer loop)
{
    g_main_loop_quit(loop);
}

static gboolean on_end(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_call};
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;

    if (argc != 3)
        return 2;
    answer = argv[2];
    g_autoptr(GDBusConnection) bus =
        g_dbus_connection_new_for_address_sync(argv[1],
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    if (bus == NULL) {
        fprintf(stderr, "fake-polkit: %s\n", error->message);
        return 1;
    }
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(interface, NULL);
    g_dbus_connection_register_object(bus, "/org/freedesktop/PolicyKit1/Authority",
                                      node->interfaces[0], &vtable, NULL, NULL, NULL);
    g_bus_own_name_on_connection(bus, "org.freedesktop.PolicyKit1", G_BUS_NAME_OWNER_FLAGS_NONE,
                                 on_name, on_no_name, loop, NULL);
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_end, loop);
    g_main_loop_run(loop);
    return 0;
}
