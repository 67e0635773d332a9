/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ./run simulate: how vgpud's scheduler and placement share a pool, without a GPU or a VM. */
#include "report.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#define SECOND G_GUINT64_CONSTANT(1000000000)

typedef struct {
    SimFleetSettings fleet;
    gboolean traces[SIM_TRACE_COUNT];
    gboolean policies[2];
    int floor; /* -1: without, and once with the example's */
    char *json;
} Options;

/* Of the run that shows what a floor does. */
#define EXAMPLE_FLOOR 10

static gboolean choose(const char *what, const char *name, const char *const *known,
                       gboolean *chosen, GError **error)
{
    if (name == NULL)
        return TRUE;
    gboolean found = FALSE;
    for (guint i = 0; known[i] != NULL; i++) {
        chosen[i] = g_str_equal(name, known[i]);
        found |= chosen[i];
    }
    if (!found) {
        g_autofree char *list = g_strjoinv(", ", (char **)known);
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "there is no %s '%s'; known: %s", what, name, list);
    }
    return found;
}

static gboolean check_numbers(const Options *options, gint vms, gint gpus, gint slots,
                              double seconds, double slice_ms, double hand_over_us, GError **error)
{
    const char *wrong = NULL;

    if (vms < 1 || vms > 10000000 || gpus < 1 || gpus > 1000000)
        wrong = "--vms is from 1 to 10000000, --gpus from 1 to 1000000";
    else if (slots < 0)
        wrong = "--slots is 1 or more, or 0 for twice the average";
    else if (!(seconds >= 0.001 && seconds <= 100000))
        wrong = "--seconds is from 0.001 to 100000";
    else if (!(slice_ms >= 0 && slice_ms <= 10000))
        wrong = "--slice-ms is from 0.001 to 10000";
    else if (!(hand_over_us >= 0 && hand_over_us <= 1e6))
        wrong = "--hand-over-us is from 0 to 1000000";
    else if (options->floor < -1 || options->floor > 90)
        wrong = "--floor is from 0 to 90";
    else
        wrong = vgpu_scheduler_settings_check(&options->fleet.scheduler);
    if (wrong != NULL)
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, wrong);
    return wrong == NULL;
}

static gboolean read_options(Options *options, int *argc, char ***argv, GError **error)
{
    gint vms = 10000, gpus = 1000, slots = 0, window = 8;
    gint64 seed = 1;
    double seconds = 5, slice_ms = 2, hand_over_us = 20;
    g_autofree char *trace = NULL, *policy = NULL, *placement = NULL;
    const GOptionEntry entries[] = {
        {"vms", 0, 0, G_OPTION_ARG_INT, &vms, "VMs (10000)", "N"},
        {"gpus", 0, 0, G_OPTION_ARG_INT, &gpus, "GPUs (1000)", "N"},
        {"slots", 0, 0, G_OPTION_ARG_INT, &slots, "VMs on a GPU at most (twice the average)", "N"},
        {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "simulated time of a run (5)", "S"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "what all chance is made of (1)", "N"},
        {"trace", 0, 0, G_OPTION_ARG_STRING, &trace, "only equal, flood, bursts or diurnal", "T"},
        {"policy", 0, 0, G_OPTION_ARG_STRING, &policy, "only fifo or fair", "P"},
        {"floor", 0, 0, G_OPTION_ARG_INT, &options->floor,
         "low's share at least, in percent (0, and once 10)", "N"},
        {"placement", 0, 0, G_OPTION_ARG_STRING, &placement,
         "least-loaded (as it is), spread or pack", "P"},
        {"window", 0, 0, G_OPTION_ARG_INT, &window, "jobs submitted by a VM at a time (8)", "N"},
        {"slice-ms", 0, 0, G_OPTION_ARG_DOUBLE, &slice_ms, "length of a turn (2)", "MS"},
        {"hand-over-us", 0, 0, G_OPTION_ARG_DOUBLE, &hand_over_us,
         "from one VM's last job to the next one's first (20)", "US"},
        {"json", 0, 0, G_OPTION_ARG_FILENAME, &options->json, "writes the same there; -: stdout",
         "FILE"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    static const char *const policies[] = {"fifo", "fair", NULL};
    const char *trace_names[SIM_TRACE_COUNT + 1] = {NULL};

    for (guint i = 0; i < SIM_TRACE_COUNT; i++)
        trace_names[i] = sim_trace_name(i);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context,
        "Runs vgpud's scheduler against simulated GPUs, VMs and guests: the same seed, the "
        "same result.");
    if (!g_option_context_parse(context, argc, argv, error) ||
        !choose("trace", trace, trace_names, options->traces, error) ||
        !choose("policy", policy, policies, options->policies, error))
        return FALSE;
    if (placement != NULL && !vgpu_placement_by_name(placement, &options->fleet.placement)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "there is no placement '%s'",
                    placement);
        return FALSE;
    }
    options->fleet.scheduler.window = (guint)window;
    options->fleet.scheduler.slice_ns = (guint64)(slice_ms * 1e6);
    if (!check_numbers(options, vms, gpus, slots, seconds, slice_ms, hand_over_us, error))
        return FALSE;
    options->fleet.vms = (guint)vms;
    options->fleet.gpus = (guint)gpus;
    options->fleet.slots = slots > 0 ? (guint)slots : 2 * (((guint)vms - 1) / (guint)gpus + 1);
    options->fleet.length_ns = (guint64)(seconds * 1e9);
    options->fleet.hand_over_ns = (guint64)(hand_over_us * 1e3);
    options->fleet.seed = (guint64)seed;
    return TRUE;
}

static void run_one(const Options *options, SimTrace trace, VgpuSchedulerPolicy policy, int floor,
                    JsonBuilder *json)
{
    SimFleetSettings fleet = options->fleet;

    fleet.trace = trace;
    fleet.scheduler.policy = policy;
    fleet.scheduler.floor_percent[VGPU_PRIORITY_LOW] = (guint)floor;
    g_autofree SimFleetResult *result = sim_fleet_run(&fleet);
    if (options->json == NULL || !g_str_equal(options->json, "-"))
        sim_report_run(&fleet, result);
    sim_report_json(json, &fleet, result);
}

static void run_all(const Options *options, JsonBuilder *json)
{
    for (guint trace = 0; trace < SIM_TRACE_COUNT; trace++) {
        if (!options->traces[trace])
            continue;
        for (guint policy = 0; policy < 2; policy++)
            if (options->policies[policy])
                run_one(options, trace, policy, MAX(0, options->floor), json);
        if (options->floor == -1 && trace != SIM_TRACE_EQUAL && options->policies[0])
            run_one(options, trace, VGPU_SCHEDULER_FIFO, EXAMPLE_FLOOR, json);
    }
}

static gboolean write_json(JsonBuilder *json, const char *path, GError **error)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = json_builder_get_root(json);

    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    if (!g_str_equal(path, "-"))
        return json_generator_to_file(generator, path, error);
    g_autofree char *text = json_generator_to_data(generator, NULL);
    puts(text);
    return TRUE;
}

int main(int argc, char **argv)
{
    Options options = {
        .fleet.scheduler = VGPU_SCHEDULER_DEFAULTS,
        .fleet.placement = VGPU_PLACEMENT_LEAST_LOADED,
        .traces = {TRUE, TRUE, TRUE, TRUE},
        .policies = {TRUE, TRUE},
        .floor = -1,
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonBuilder) json = json_builder_new();

    setlocale(LC_CTYPE, "");
    if (!read_options(&options, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "error: %s\n", error != NULL ? error->message : "no arguments are known");
        return 2;
    }
    if (options.json == NULL || !g_str_equal(options.json, "-"))
        sim_report_begin(&options.fleet);
    json_builder_begin_array(json);
    run_all(&options, json);
    json_builder_end_array(json);
    if (options.json != NULL && !write_json(json, options.json, &error)) {
        fprintf(stderr, "error: %s\n", error->message);
        return 1;
    }
    g_free(options.json);
    return 0;
}
