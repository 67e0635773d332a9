/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VgpuHost as a program, for tests/integration/test_host_libvirt.py: host-probe URI EMULATOR
 * RUN-DIR. Callbacks and log come out as lines; commands come in as lines: hold UUID, resume UUID,
 * ping, quit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "vgpu-names.h"

typedef struct {
    GMainLoop *loop;
    VgpuHost *host;
    GIOChannel *commands;
} Probe;

static GLogWriterOutput write_log(GLogLevelFlags level G_GNUC_UNUSED, const GLogField *fields,
                                  gsize count, gpointer data G_GNUC_UNUSED)
{
    for (gsize i = 0; i < count; i++) {
        if (g_str_equal(fields[i].key, "MESSAGE"))
            printf("log %s\n", (const char *)fields[i].value);
    }
    return G_LOG_WRITER_HANDLED;
}

static void on_connected(gboolean connected, const char *detail, gpointer data G_GNUC_UNUSED)
{
    printf("connected %d %s\n", connected, detail);
}

static void on_running(const VgpuDomain *live, gpointer data G_GNUC_UNUSED)
{
    printf("running %s %s vm-id %u pool %c priority %s\n", live->uuid, live->name,
           live->device->vm_id, live->config != NULL ? live->config->pool : '-',
           live->config != NULL ? vgpu_priority_name(live->config->priority) : "-");
}

static void on_scanned(gpointer data G_GNUC_UNUSED)
{
    printf("scanned\n");
}

static void on_stopped(const char *uuid, gpointer data G_GNUC_UNUSED)
{
    printf("stopped %s\n", uuid);
}

static void on_unplugged(const char *uuid, gpointer data G_GNUC_UNUSED)
{
    printf("unplugged %s\n", uuid);
}

static gboolean on_command(GIOChannel *channel, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    Probe *probe = data;
    g_autofree char *line = NULL;
    gsize end = 0;

    if (g_io_channel_read_line(channel, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
        g_main_loop_quit(probe->loop);
        return G_SOURCE_REMOVE;
    }
    line[end] = '\0';
    if (g_str_has_prefix(line, "hold "))
        vgpu_host_hold(probe->host, line + strlen("hold "));
    else if (g_str_has_prefix(line, "resume "))
        vgpu_host_resume(probe->host, line + strlen("resume "));
    else if (g_str_equal(line, "ping"))
        printf("pong %s\n", vgpu_host_describe(probe->host));
    else
        g_main_loop_quit(probe->loop);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    static const VgpuHostListener listener = {
        .connected = on_connected,
        .running = on_running,
        .scanned = on_scanned,
        .stopped = on_stopped,
        .unplugged = on_unplugged,
    };

    if (argc != 4) {
        fprintf(stderr, "usage: host-probe URI EMULATOR RUN-DIR\n");
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    g_log_set_writer_func(write_log, NULL, NULL);

    const VgpuHostOptions options = {.uri = argv[1], .emulator = argv[2], .run_dir = argv[3]};
    Probe probe = {
        .loop = g_main_loop_new(NULL, FALSE),
        .host = vgpu_host_new(&options, &listener, NULL),
        .commands = g_io_channel_unix_new(STDIN_FILENO),
    };
    g_io_add_watch(probe.commands, G_IO_IN | G_IO_HUP, on_command, &probe);
    vgpu_host_start(probe.host);
    g_main_loop_run(probe.loop);

    vgpu_host_free(probe.host);
    g_io_channel_unref(probe.commands);
    g_main_loop_unref(probe.loop);
    printf("ended\n");
    return EXIT_SUCCESS;
}
