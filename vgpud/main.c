/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "worker-cgroup.h"

#define DEFAULT_CONFIG VGPU_CONFIG_DIR "/vgpud.conf"

typedef struct {
    char *config;
    char *connect; /* libvirt URI in place of the configured one; NULL: that one */
    gboolean check;
    gboolean version;
} Options;

static void options_clear(Options *options)
{
    g_free(options->config);
    g_free(options->connect);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean parse_options(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config,
         "Configuration file (default " DEFAULT_CONFIG ", if it exists)", "FILE"},
        {"connect", 0, 0, G_OPTION_ARG_STRING, &options->connect,
         "Connect to this libvirt, whatever the configuration says", "URI"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check,
         "Check the configuration and the pools, then exit", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, then exit",
         NULL},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("- share GPUs among libvirt VMs");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unknown argument '%s'",
                    (*argv)[1]);
        return FALSE;
    }
    if (options->config == NULL && g_file_test(DEFAULT_CONFIG, G_FILE_TEST_EXISTS))
        options->config = g_strdup(DEFAULT_CONFIG);
    return TRUE;
}

/* The configuration, with what the command line says instead. */
static VgpuSettings *load_settings(const Options *options, GError **error)
{
    VgpuSettings *settings = vgpu_settings_load(options->config, error);

    if (settings != NULL && options->connect != NULL) {
        g_free(settings->connect);
        settings->connect = g_strdup(options->connect);
    }
    return settings;
}

static gboolean on_signal(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

/* What keeps one VM's worker from taking all of the host's memory. */
static void limit_workers(const VgpuSettings *settings)
{
    const guint memory_mib = settings->worker_memory_mib;
    g_autoptr(GError) error = NULL;

    if (vgpu_worker_cgroup_setup(&error) && memory_mib > 0)
        g_message("each worker has a control group of its own and at most %u MiB of memory",
                  memory_mib);
    else if (error == NULL)
        g_message("each worker has a control group of its own, without a limit of its memory");
    else if (memory_mib > 0)
        g_message("workers have no control groups: %s; one that computes on the CPU has at most %u "
                  "MiB of memory, one on a GPU has no limit",
                  error->message, memory_mib);
    else
        g_message("workers have no control groups: %s; nor a limit of their memory",
                  error->message);
}

static gboolean on_hangup(gpointer daemon)
{
    g_autoptr(GError) error = NULL;

    if (!vgpu_daemon_reload(daemon, &error))
        g_warning("the configuration stays as it was: %s", error->message);
    return G_SOURCE_CONTINUE;
}

static int run(VgpuSettings *settings, const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(VgpuDaemon) daemon =
        vgpu_daemon_new(settings, options->config, options->connect, &error);

    if (daemon == NULL) {
        g_printerr("vgpud: %s\n", error->message);
        return EXIT_FAILURE;
    }
    limit_workers(settings);
    g_unix_signal_add(SIGTERM, on_signal, loop);
    g_unix_signal_add(SIGINT, on_signal, loop);
    g_unix_signal_add(SIGHUP, on_hangup, daemon);
    g_main_loop_run(loop);
    g_message("ended by signal");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    vgpu_log_init("vgpud");
    if (!parse_options(&options, &argc, &argv, &error)) {
        g_printerr("vgpud: %s\nTry 'vgpud --help'.\n", error->message);
        return 2;
    }
    if (options.version) {
        g_print("vgpud %s\n", VGPU_VERSION);
        return EXIT_SUCCESS;
    }

    VgpuSettings *settings = load_settings(&options, &error);
    if (settings == NULL) {
        g_printerr("vgpud: %s\n", error->message);
        return EXIT_FAILURE;
    }
    if (options.check) {
        g_autofree char *letters = vgpu_pools_letters(settings->pools);
        g_print("%s: ok, pools %s\n", options.config != NULL ? options.config : "built-in defaults",
                letters);
        vgpu_settings_free(settings);
        return EXIT_SUCCESS;
    }
    if (geteuid() != 0) {
        g_printerr("vgpud: must run as root: it starts each worker as a user of its own\n");
        vgpu_settings_free(settings);
        return EXIT_FAILURE;
    }
    return run(settings, &options);
}
