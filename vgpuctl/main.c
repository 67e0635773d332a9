/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vgpuctl: what vgpud does, for people and for scripts. */
#include <stdio.h>

#include "command.h"
#include "output.h"
#include "text.h"

/* Options that only some commands take. */
enum {
    TAKES_NAMES = 1 << 0,
    TAKES_WISH = 1 << 1, /* --pool, --priority and the limits */
    TAKES_ALL = 1 << 2,
    TAKES_FOLLOW = 1 << 3,
    TAKES_TIMES = 1 << 4, /* --interval and --count */
    TAKES_OUTPUT = 1 << 5,
    TAKES_FORCE = 1 << 6,
    TAKES_FOR = 1 << 7,
};

typedef struct {
    const char *name;
    const char *usage; /* what stands behind the name; "" : nothing */
    guint least, most; /* arguments */
    guint takes;
    VgpuctlRun run;
} Command;

static const Command commands[] = {
    {"status", "", 0, 0, 0, vgpuctl_run_status},
    {"list", "[--names]", 0, 0, TAKES_NAMES, vgpuctl_run_list},
    {"show", "VM", 1, 1, 0, vgpuctl_run_show},
    {"pools", "[--names]", 0, 0, TAKES_NAMES, vgpuctl_run_pools},
    {"top", "[--interval S] [--count N]", 0, 0, TAKES_TIMES, vgpuctl_run_top},
    {"events", "[--follow]", 0, 0, TAKES_FOLLOW, vgpuctl_run_events},
    {"metrics", "[--output FILE]", 0, 0, TAKES_OUTPUT, vgpuctl_run_metrics},
    {"set", "VM [--pool X] [--priority P] [--LIMIT N]", 1, 1, TAKES_WISH, vgpuctl_run_set},
    {"attach", "DOMAIN --pool X [--priority P] | --all", 0, 1, TAKES_WISH | TAKES_ALL,
     vgpuctl_run_attach},
    {"detach", "DOMAIN | --all", 0, 1, TAKES_ALL, vgpuctl_run_detach},
    {"move", "VM [MEMBER] [--force]", 1, 2, TAKES_FORCE, vgpuctl_run_move},
    {"drain", "POOL/MEMBER", 1, 1, 0, vgpuctl_run_drain},
    {"undrain", "POOL/MEMBER", 1, 1, 0, vgpuctl_run_undrain},
    {"quarantine", "VM [--for S]", 1, 1, TAKES_FOR, vgpuctl_run_quarantine},
    {"release", "VM", 1, 1, 0, vgpuctl_run_release},
    {"reload", "", 0, 0, 0, vgpuctl_run_reload},
    {"inject", "< XML", 0, 0, 0, vgpuctl_run_inject},
    {"version", "", 0, 0, 0, vgpuctl_run_version},
};

static const char summary[] =
    "Shows and changes what vgpud, the host's GPU mediator, does.\n"
    "\n"
    "Commands that show:\n"
    "  status          vgpud, its connection to libvirt, and the running VMs\n"
    "  list            the running VMs only\n"
    "  show VM         one VM, by name, UUID or number\n"
    "  pools           the pools and the devices in them\n"
    "  top             who is busy, again and again\n"
    "  events          what has happened; with --follow, also what happens from now on\n"
    "  metrics         all accounts, in the text format of Prometheus\n"
    "  version         of vgpuctl, of vgpud and of the protocol\n"
    "\n"
    "Commands that change:\n"
    "  set VM          gives a running VM another --pool, --priority or limit\n"
    "  attach DOMAIN   gives a domain the device, in --pool X, with --priority P\n"
    "  attach --all    ends detach --all\n"
    "  detach DOMAIN   takes it away again\n"
    "  detach --all    puts every definition back to what it was before vgpud\n"
    "  move VM         to another member of its pool, or to the one named behind it\n"
    "  drain P/M       member M of pool P takes no more VMs, and those on it leave when idle\n"
    "  undrain P/M     it takes VMs again\n"
    "  quarantine VM   keeps it out, --for S seconds or until it is released\n"
    "  release VM      lets it back and forgives its faults\n"
    "  reload          reads the configuration again\n"
    "  inject          puts the device into the domain XML that it reads, for virsh create";

static const char description[] =
    "Examples:\n"
    "  vgpuctl status\n"
    "  vgpuctl show web1\n"
    "  vgpuctl --json list | jq -r '.[] | select(.state != \"serving\") | .name'\n"
    "  vgpuctl attach web1 --pool A --priority high\n"
    "  vgpuctl inject < web2.xml > /tmp/web2.xml && virsh create /tmp/web2.xml\n"
    "\n"
    "Exit status: 0 success; 1 vgpud answered an error; 2 wrong usage; 3 vgpud is not running;\n"
    "4 permission denied. The manual page vgpuctl(1) lists the JSON keys.";

static const Command *find_command(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* The options that are given, as TAKES_ bits. */
static guint given(const VgpuctlOptions *options)
{
    guint bits = 0;

    bits |= options->names ? TAKES_NAMES : 0;
    bits |= vgpuctl_options_have_wish(options) ? TAKES_WISH : 0;
    bits |= options->all ? TAKES_ALL : 0;
    bits |= options->follow ? TAKES_FOLLOW : 0;
    bits |= options->output != NULL ? TAKES_OUTPUT : 0;
    bits |= options->force ? TAKES_FORCE : 0;
    bits |= options->seconds != NULL ? TAKES_FOR : 0;
    bits |= options->interval != 0 || options->count != 0 ? TAKES_TIMES : 0;
    return bits;
}

static const Command *choose_command(char **words, const VgpuctlOptions *options, GError **error)
{
    guint count = words == NULL ? 0 : g_strv_length(words);

    if (count == 0) {
        g_set_error_literal(error, VGPUCTL_ERROR, VGPUCTL_USAGE,
                            "a command is missing; see vgpuctl --help");
        return NULL;
    }
    const Command *command = find_command(words[0]);
    if (command == NULL) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE,
                    "there is no command \"%s\"; see vgpuctl --help", words[0]);
        return NULL;
    }
    guint arguments = count - 1;
    gboolean is_text = TRUE;
    for (guint i = 1; i < count; i++)
        is_text = is_text && g_utf8_validate(words[i], -1, NULL);
    if (arguments < command->least || arguments > command->most || !is_text ||
        (given(options) & ~command->takes) != 0) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE, "usage: vgpuctl [OPTION...] %s%s%s",
                    command->name, *command->usage == '\0' ? "" : " ", command->usage);
        return NULL;
    }
    return command;
}

static gboolean carry_out(const Command *command, char **arguments, const VgpuctlOptions *options,
                          GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GDBusConnection) connection =
        vgpuctl_connect(options->bus != NULL ? options->bus : "system", error);

    if (connection == NULL)
        return FALSE;
    VgpuctlContext context = {
        .connection = connection,
        .argument = arguments[0],
        .second = arguments[0] != NULL ? arguments[1] : NULL,
        .options = options,
        .out = out,
    };
    return command->run(&context, error) && vgpuctl_write(out, error);
}

/* Every limit is an option of its own. */
static void add_limits(GOptionContext *context, VgpuctlOptions *options)
{
    static const char *const texts[VGPU_LIMIT_COUNT] = {
        [VGPU_LIMIT_RATE] = "set, attach: the VM's own limit; 0: as the pool",
        [VGPU_LIMIT_BURST] = "of them at once",
        [VGPU_LIMIT_DEVICE_TIME] = "of one device's time",
        [VGPU_LIMIT_MEMORY] = "device memory",
        [VGPU_LIMIT_OUTSTANDING] = "commands that the device has",
        [VGPU_LIMIT_HANDLES] = "buffers, programs, kernels, events",
        [VGPU_LIMIT_SHARED_MEMORY] = "memory of open queues",
        [VGPU_LIMIT_WEIGHT] = "under the policy fair; 100 is the ordinary one",
    };
    GOptionEntry entries[VGPU_LIMIT_COUNT + 1] = {0};

    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        entries[i] = (GOptionEntry){.long_name = vgpu_limit_info(i)->name,
                                    .arg = G_OPTION_ARG_STRING,
                                    .arg_data = &options->limits[i],
                                    .description = texts[i],
                                    .arg_description = "N"};
    g_option_context_add_main_entries(context, entries, NULL);
}

static gboolean run(int argc, char **argv, VgpuctlOptions *options, GError **error)
{
    g_auto(GStrv) words = NULL;
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        {"bus", 'b', 0, G_OPTION_ARG_FILENAME, &options->bus,
         "where vgpud is: system (the default), session, or a D-Bus address", "BUS"},
        {"json", 'j', 0, G_OPTION_ARG_NONE, &options->json, "print JSON", NULL},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &version, "print the version of vgpuctl", NULL},
        {"names", 0, 0, G_OPTION_ARG_NONE, &options->names, "list, pools: the names only", NULL},
        {"pool", 'p', 0, G_OPTION_ARG_STRING, &options->pool, "set, attach: the pool's letter",
         "X"},
        {"priority", 'P', 0, G_OPTION_ARG_STRING, &options->priority,
         "set, attach: low, medium or high", "P"},
        {"all", 'a', 0, G_OPTION_ARG_NONE, &options->all, "attach, detach: every domain", NULL},
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &options->follow, "events: go on with new ones",
         NULL},
        {"force", 0, 0, G_OPTION_ARG_NONE, &options->force,
         "move: also a VM that is busy; what it has on its device is lost", NULL},
        {"for", 0, 0, G_OPTION_ARG_STRING, &options->seconds,
         "quarantine: how many seconds, up to 30 days", "S"},
        {"interval", 'i', 0, G_OPTION_ARG_DOUBLE, &options->interval,
         "top: seconds between two looks (2)", "S"},
        {"count", 'n', 0, G_OPTION_ARG_INT, &options->count,
         "top: how often (in a terminal without end, else once)", "N"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output,
         "metrics: a file that is replaced at once, for node_exporter", "FILE"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &words, NULL, "COMMAND"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) failure = NULL;

    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    g_option_context_add_main_entries(context, entries, NULL);
    add_limits(context, options);
    if (!g_option_context_parse(context, &argc, &argv, &failure)) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE, "%s; see vgpuctl --help",
                    failure->message);
        return FALSE;
    }
    if (version) {
        g_autoptr(GString) out = g_string_new("vgpuctl " VGPU_VERSION "\n");
        return vgpuctl_write(out, error);
    }
    const Command *command = choose_command(words, options, error);
    return command != NULL && carry_out(command, words + 1, options, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    VgpuctlOptions options = {0};
    gboolean done = run(argc, argv, &options, &error);

    g_free(options.bus);
    g_free(options.pool);
    g_free(options.priority);
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++)
        g_free(options.limits[i]);
    g_free(options.output);
    g_free(options.seconds);
    if (done)
        return VGPUCTL_OK;
    g_autofree char *text = vgpuctl_text_safe(error->message);
    fprintf(stderr, "vgpuctl: %s\n", text);
    return error->code;
}
