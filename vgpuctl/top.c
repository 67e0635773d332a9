/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* top: who is busy, again and again. */
#include <glib-unix.h>
#include <unistd.h>

#include "command.h"
#include "output.h"
#include "rates.h"
#include "show.h"
#include "terminal.h"

#define INTERVAL_DEFAULT 2.0
#define INTERVAL_MIN     0.1
#define INTERVAL_MAX     3600.0

typedef struct {
    VgpuctlContext *context;
    GMainLoop *loop;
    VgpuctlRates *rates;
    VgpuctlTerminal *terminal; /* NULL: plain output */
    gdouble interval;
    gint left;        /* times to show it; 0: no end */
    gboolean started; /* there was a first look */
    GVariant *vms;    /* the last one, for another size of the terminal */
    GCancellable *asking;
    guint timer;
    GError *failure;
} Top;

static void ask(Top *top);

static void append_plain(Top *top, GString *out)
{
    if (top->context->options->json) {
        g_autoptr(GVariant) object = g_variant_ref_sink(
            g_variant_new_parsed("{'time-us': <%x>, 'vms': %v}", g_get_real_time(), top->vms));
        vgpuctl_append_json(out, object, FALSE);
        return;
    }
    vgpuctl_show_top(top->vms, out);
    if (top->left != 1)
        g_string_append_c(out, '\n');
}

static void draw(Top *top)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%H:%M:%S");
    g_autoptr(GString) text = g_string_new(NULL);
    gsize count = g_variant_n_children(top->vms);

    g_string_append_printf(text,
                           "vgpuctl top  %s  %" G_GSIZE_FORMAT " VM%s  every %.1f s  q ends it\n\n",
                           time, count, count == 1 ? "" : "s", top->interval);
    vgpuctl_show_top(top->vms, text);
    vgpuctl_terminal_draw(top->terminal, text->str);
}

static void show(Top *top)
{
    if (top->terminal != NULL)
        draw(top);
    else if (top->started)
        append_plain(top, top->context->out);
    if (!vgpuctl_write(top->context->out, &top->failure))
        g_main_loop_quit(top->loop);
    /* Plain output begins when there are rates. */
    if ((top->terminal != NULL || top->started) && top->left > 0 && --top->left == 0)
        g_main_loop_quit(top->loop);
    top->started = TRUE;
}

static gboolean on_timer(gpointer user_data)
{
    Top *top = user_data;

    top->timer = 0;
    ask(top);
    return G_SOURCE_REMOVE;
}

static void on_vms(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &failure);

    if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    Top *top = user_data;
    if (reply == NULL) {
        vgpuctl_set_call_error(&top->failure, failure, TRUE);
        g_main_loop_quit(top->loop);
        return;
    }
    g_autoptr(GVariant) vms = g_variant_get_child_value(reply, 0);
    g_clear_pointer(&top->vms, g_variant_unref);
    top->vms = vgpuctl_rates_add(top->rates, vms, g_get_monotonic_time());
    show(top);
    top->timer = g_timeout_add((guint)(top->interval * 1000), on_timer, top);
}

/* Not a call that waits: keys and signals must get through while vgpud hangs. */
static void ask(Top *top)
{
    g_dbus_connection_call(top->context->connection, VGPUCTL_NAME, VGPUCTL_PATH, VGPUCTL_INTERFACE,
                           "ListVms", NULL, G_VARIANT_TYPE("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE, -1,
                           top->asking, on_vms, top);
}

static gboolean on_end(gpointer user_data)
{
    g_main_loop_quit(user_data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_resize(gpointer user_data)
{
    Top *top = user_data;

    if (top->terminal != NULL && top->vms != NULL)
        draw(top);
    return G_SOURCE_CONTINUE;
}

static gboolean on_key(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer user_data)
{
    Top *top = user_data;
    char key = 'q';

    if (read(fd, &key, 1) <= 0 || key == 'q') /* the terminal is gone, or it is enough */
        g_main_loop_quit(top->loop);
    return G_SOURCE_CONTINUE;
}

static void run(Top *top)
{
    guint sources[] = {
        g_unix_signal_add(SIGINT, on_end, top->loop),
        g_unix_signal_add(SIGTERM, on_end, top->loop),
        g_unix_signal_add(SIGHUP, on_end, top->loop),
        g_unix_signal_add(SIGWINCH, on_resize, top),
    };
    guint keys = 0;

    if (top->terminal != NULL && vgpuctl_terminal_has_keys(top->terminal))
        keys = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_key, top);
    ask(top);
    g_main_loop_run(top->loop);
    g_cancellable_cancel(top->asking);
    g_clear_handle_id(&top->timer, g_source_remove);
    g_clear_handle_id(&keys, g_source_remove);
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
        g_source_remove(sources[i]);
}

gboolean vgpuctl_run_top(VgpuctlContext *context, GError **error)
{
    const VgpuctlOptions *options = context->options;
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(VgpuctlRates) rates = vgpuctl_rates_new();
    g_autoptr(GCancellable) asking = g_cancellable_new();
    Top top = {.context = context, .loop = loop, .rates = rates, .asking = asking};

    top.interval = options->interval == 0 ? INTERVAL_DEFAULT : options->interval;
    if (!(top.interval >= INTERVAL_MIN && top.interval <= INTERVAL_MAX) || options->count < 0) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE,
                    "--interval is from %.1f to %.0f seconds, --count not below 0", INTERVAL_MIN,
                    INTERVAL_MAX);
        return FALSE;
    }
    top.terminal = options->json ? NULL : vgpuctl_terminal_new();
    top.left = options->count == 0 && top.terminal == NULL ? 1 : options->count;
    run(&top);
    g_clear_pointer(&top.terminal, vgpuctl_terminal_free);
    g_clear_pointer(&top.vms, g_variant_unref);
    if (top.failure == NULL)
        return TRUE;
    g_propagate_error(error, top.failure);
    return FALSE;
}
