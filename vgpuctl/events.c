/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: what vgpud remembers, and what happens from then on. */
#include "command.h"
#include "dict.h"
#include "output.h"
#include "show.h"
#include "text.h"

typedef struct {
    VgpuctlContext *context;
    GMainLoop *loop;
    guint64 serial; /* of the last event that was printed */
    GError *failure;
} Follow;

/* "opencl:0:0: A/gpu0, B/gpu0: it failed for..." */
static void append_device(GString *out, GVariant *event)
{
    g_autofree const char **members = NULL;
    g_autofree char *key = vgpuctl_text_safe(vgpuctl_dict_string(event, "device-key"));
    g_autofree char *reason = vgpuctl_text_safe(vgpuctl_dict_string(event, "reason"));

    g_variant_lookup(event, "members", "^a&s", &members);
    g_autofree char *list = members != NULL ? g_strjoinv(", ", (char **)members) : g_strdup("");
    g_autofree char *safe = vgpuctl_text_safe(list);
    g_string_append_printf(out, "%s: %s: %s", key, safe, reason);
}

/* "web: pool A, gpu0, high, serving, worker 1250" */
static void append_vm(GString *out, GVariant *event)
{
    g_autofree char *name = vgpuctl_text_safe(vgpuctl_dict_string(event, "name"));
    g_autofree char *pool = vgpuctl_text_safe(vgpuctl_dict_string(event, "pool"));
    g_autofree char *member = vgpuctl_text_safe(vgpuctl_dict_string(event, "member"));
    g_autofree char *priority = vgpuctl_text_safe(vgpuctl_dict_string(event, "priority"));
    g_autofree char *state = vgpuctl_text_safe(vgpuctl_dict_string(event, "state"));
    g_autofree char *quarantine = vgpuctl_quarantine_text(event);

    g_string_append_printf(out, "%s: pool %s, %s, %s, %s", name, pool,
                           *member == '\0' ? "no place" : member, priority, state);
    if (quarantine != NULL)
        g_string_append_printf(out, " %s", quarantine);
    if (vgpuctl_dict_uint(event, "worker-pid") != 0)
        g_string_append_printf(out, ", worker %u", vgpuctl_dict_uint(event, "worker-pid"));
}

/* "2026-03-01 12:00:00  worker-died  web: pool A, gpu0, high, serving, worker 1250" */
static void append_line(GString *out, GVariant *event)
{
    g_autofree char *date = vgpuctl_text_date(vgpuctl_dict_time(event, "time-us"));
    g_autofree char *kind = vgpuctl_text_safe(vgpuctl_dict_string(event, "kind"));

    g_string_append_printf(out, "%s  %-12s  ", date, kind);
    if (*vgpuctl_dict_string(event, "device-key") != '\0')
        append_device(out, event);
    else
        append_vm(out, event);
    g_string_append_c(out, '\n');
}

static void append_event(VgpuctlContext *context, GVariant *event)
{
    if (context->options->json)
        vgpuctl_append_json(context->out, event, FALSE);
    else
        append_line(context->out, event);
}

/* Prints those that vgpud remembers; *serial is then the last one's. */
static gboolean print_past(VgpuctlContext *context, guint64 *serial, GError **error)
{
    g_autoptr(GVariant) events =
        vgpuctl_call(context->connection, "ListEvents", NULL, "aa{sv}", error);
    GVariantIter iter;
    GVariant *event;

    if (events == NULL)
        return FALSE;
    g_variant_iter_init(&iter, events);
    while (g_variant_iter_loop(&iter, "@a{sv}", &event)) {
        append_event(context, event);
        *serial = vgpuctl_dict_count(event, "serial");
    }
    return vgpuctl_write(context->out, error);
}

static void end(Follow *follow)
{
    g_main_loop_quit(follow->loop);
}

static void on_event(GDBusConnection *connection G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
                     const char *path G_GNUC_UNUSED, const char *interface G_GNUC_UNUSED,
                     const char *signal G_GNUC_UNUSED, GVariant *arguments, gpointer user_data)
{
    Follow *follow = user_data;

    if (follow->failure != NULL || !g_variant_is_of_type(arguments, G_VARIANT_TYPE("(ssa{sv})")))
        return;
    g_autoptr(GVariant) event = g_variant_get_child_value(arguments, 2);
    guint64 serial = vgpuctl_dict_count(event, "serial");
    if (serial <= follow->serial)
        return; /* it came while the past was asked for, and was in it */
    follow->serial = serial;
    append_event(follow->context, event);
    if (!vgpuctl_write(follow->context->out, &follow->failure))
        end(follow);
}

static void on_vanished(GDBusConnection *connection G_GNUC_UNUSED, const char *name G_GNUC_UNUSED,
                        gpointer user_data)
{
    Follow *follow = user_data;

    if (follow->failure == NULL)
        g_set_error_literal(&follow->failure, VGPUCTL_ERROR, VGPUCTL_NOT_RUNNING,
                            "vgpud has ended, and its events with it");
    end(follow);
}

static gboolean follow_events(VgpuctlContext *context, GError **error)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Follow follow = {.context = context, .loop = loop};
    /* First the signals, then the past: none is lost between the two. */
    guint subscription = g_dbus_connection_signal_subscribe(
        context->connection, VGPUCTL_NAME, VGPUCTL_INTERFACE, "Event", VGPUCTL_PATH, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_event, &follow, NULL);

    if (print_past(context, &follow.serial, &follow.failure)) {
        guint watch = g_bus_watch_name_on_connection(context->connection, VGPUCTL_NAME,
                                                     G_BUS_NAME_WATCHER_FLAGS_NONE, NULL,
                                                     on_vanished, &follow, NULL);
        g_main_loop_run(loop);
        g_bus_unwatch_name(watch);
    }
    g_dbus_connection_signal_unsubscribe(context->connection, subscription);
    g_propagate_error(error, follow.failure); /* it only ends by one */
    return FALSE;
}

gboolean vgpuctl_run_events(VgpuctlContext *context, GError **error)
{
    guint64 serial = 0;

    return context->options->follow ? follow_events(context, error)
                                    : print_past(context, &serial, error);
}
