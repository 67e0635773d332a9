/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vgpuctl: what vgpud does, for people and for scripts. */
#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "show.h"
#include "text.h"

typedef struct {
    GDBusConnection *connection;
    const char *argument; /* of the command; NULL for those that take none */
    gboolean json;
    GString *out; /* written at the end, and only when all went well */
} Context;

typedef struct {
    const char *name;
    const char *argument; /* what the one argument is called; NULL: there is none */
    gboolean (*run)(Context *context, GError **error);
} Command;

static void append_json_node(Context *context, JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);

    g_string_append(context->out, text);
    g_string_append_c(context->out, '\n');
}

static void append_json(Context *context, GVariant *value)
{
    g_autoptr(JsonNode) node = json_gvariant_serialize(value);

    append_json_node(context, node);
}

static gboolean run_list(Context *context, GError **error)
{
    g_autoptr(GVariant) vms = vgpuctl_call(context->connection, "ListVms", NULL, "aa{sv}", error);

    if (vms == NULL)
        return FALSE;
    if (context->json)
        append_json(context, vms);
    else
        vgpuctl_show_vms(vms, g_get_real_time(), context->out);
    return TRUE;
}

static gboolean run_pools(Context *context, GError **error)
{
    g_autoptr(GVariant) pools =
        vgpuctl_call(context->connection, "ListPools", NULL, "aa{sv}", error);

    if (pools == NULL)
        return FALSE;
    if (context->json)
        append_json(context, pools);
    else
        vgpuctl_show_pools(pools, context->out);
    return TRUE;
}

static gboolean run_status(Context *context, GError **error)
{
    g_autoptr(GVariant) status =
        vgpuctl_call(context->connection, "GetStatus", NULL, "a{sv}", error);
    g_autoptr(GVariant) vms =
        status == NULL ? NULL : vgpuctl_call(context->connection, "ListVms", NULL, "aa{sv}", error);

    if (vms == NULL)
        return FALSE;
    if (context->json) {
        g_autoptr(JsonNode) node = json_gvariant_serialize(status);
        json_object_set_member(json_node_get_object(node), "vms", json_gvariant_serialize(vms));
        append_json_node(context, node);
        return TRUE;
    }
    vgpuctl_show_status(status, context->out);
    g_string_append_c(context->out, '\n');
    vgpuctl_show_vms(vms, g_get_real_time(), context->out);
    return TRUE;
}

static gboolean run_show(Context *context, GError **error)
{
    g_autoptr(GVariant) vm = vgpuctl_call(context->connection, "GetVm",
                                          g_variant_new("(s)", context->argument), "a{sv}", error);

    if (vm == NULL)
        return FALSE;
    if (context->json)
        append_json(context, vm);
    else
        vgpuctl_show_vm(vm, g_get_real_time(), context->out);
    return TRUE;
}

static const Command commands[] = {
    {"status", NULL, run_status},
    {"list", NULL, run_list},
    {"show", "VM", run_show},
    {"pools", NULL, run_pools},
};

static const char summary[] = "Shows what vgpud, the host's GPU mediator, does.\n"
                              "\n"
                              "Commands:\n"
                              "  status     vgpud, its connection to libvirt, and the running VMs\n"
                              "  list       the running VMs only\n"
                              "  show VM    one VM, by name, UUID or number\n"
                              "  pools      the pools and the devices in them";

static const char description[] =
    "Examples:\n"
    "  vgpuctl status\n"
    "  vgpuctl show web1\n"
    "  vgpuctl --json list | jq -r '.[] | select(.state != \"serving\") | .name'\n"
    "\n"
    "Exit status: 0 success; 1 vgpud answered an error; 2 wrong usage; 3 vgpud is not running.\n"
    "The manual page vgpuctl(1) lists the JSON keys.";

static const Command *find_command(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static const Command *choose_command(char **words, GError **error)
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
    if (count != (command->argument == NULL ? 1 : 2) ||
        !g_utf8_validate(words[count - 1], -1, NULL)) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE, "usage: vgpuctl [OPTION...] %s%s%s",
                    command->name, command->argument == NULL ? "" : " ",
                    command->argument == NULL ? "" : command->argument);
        return NULL;
    }
    return command;
}

static gboolean write_out(const GString *out, GError **error)
{
    if (fwrite(out->str, 1, out->len, stdout) == out->len && fflush(stdout) == 0)
        return TRUE;
    g_set_error(error, VGPUCTL_ERROR, VGPUCTL_FAILED, "cannot write: %s", g_strerror(errno));
    return FALSE;
}

static gboolean run(int argc, char **argv, GError **error)
{
    g_autofree char *bus = NULL;
    g_auto(GStrv) words = NULL;
    gboolean json = FALSE, version = FALSE;
    const GOptionEntry entries[] = {
        {"bus", 'b', 0, G_OPTION_ARG_FILENAME, &bus,
         "where vgpud is: system (the default), session, or a D-Bus address", "BUS"},
        {"json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &version, "print the version of vgpuctl", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &words, NULL, "COMMAND"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) options = g_option_context_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) failure = NULL;

    g_option_context_set_summary(options, summary);
    g_option_context_set_description(options, description);
    g_option_context_add_main_entries(options, entries, NULL);
    if (!g_option_context_parse(options, &argc, &argv, &failure)) {
        g_set_error(error, VGPUCTL_ERROR, VGPUCTL_USAGE, "%s; see vgpuctl --help",
                    failure->message);
        return FALSE;
    }
    if (version) {
        g_string_append(out, "vgpuctl " VGPU_VERSION "\n");
        return write_out(out, error);
    }

    const Command *command = choose_command(words, error);
    if (command == NULL)
        return FALSE;
    g_autoptr(GDBusConnection) connection = vgpuctl_connect(bus != NULL ? bus : "system", error);
    if (connection == NULL)
        return FALSE;
    Context context = {.connection = connection, .argument = words[1], .json = json, .out = out};
    return command->run(&context, error) && write_out(out, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (run(argc, argv, &error))
        return VGPUCTL_OK;
    g_autofree char *text = vgpuctl_text_safe(error->message);
    fprintf(stderr, "vgpuctl: %s\n", text);
    return error->code;
}
