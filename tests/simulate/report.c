/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <stdio.h>

static const char *const priorities[] = {"low", "medium", "high"};
static const double quantiles[] = {0.5, 0.99, 0.999};
static const char *const quantile_names[] = {"p50", "p99", "p99.9"};

/* A duration in its most readable unit, always of the same width. */
static void print_time(guint64 ns)
{
    if (ns < 1000000)
        printf(" %6.1f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        printf(" %6.1f ms", (double)ns / 1e6);
    else
        printf(" %6.2f s ", (double)ns / 1e9);
}

void sim_report_begin(const SimFleetSettings *settings)
{
    printf("%u VMs on %u GPUs for %.1f s, placed %s; window %u, slice %.1f ms, hand-over %.0f us; "
           "seed %" G_GUINT64_FORMAT "\n",
           settings->vms, settings->gpus, (double)settings->length_ns / 1e9,
           vgpu_placement_name(settings->placement), settings->scheduler.window,
           (double)settings->scheduler.slice_ns / 1e6, (double)settings->hand_over_ns / 1e3,
           settings->seed);
}

static void print_class(const SimFleetSettings *settings, enum vgpu_priority priority,
                        const SimClassResult *class)
{
    const double total = (double)settings->length_ns * settings->gpus;

    printf("  %-8s %7" G_GUINT64_FORMAT "  ", priorities[priority], class->vms);
    for (guint i = 0; i < G_N_ELEMENTS(quantiles); i++)
        print_time(sim_histogram_quantile(&class->turn_waits, quantiles[i]));
    print_time(class->turn_waits.max);
    printf("  ");
    for (guint i = 0; i < 2; i++)
        print_time(sim_histogram_quantile(&class->job_waits, quantiles[i]));
    printf(" %7.1f %%", 100 * (double)class->served_ns / total);
    if (class->served_ns > 0)
        printf("  %.4f\n", sim_fairness(class));
    else
        printf("       -\n");
}

void sim_report_run(const SimFleetSettings *settings, const SimFleetResult *result)
{
    const guint floor = settings->scheduler.floor_percent[VGPU_PRIORITY_LOW];

    printf("\n%s, %s", sim_trace_name(settings->trace),
           vgpu_scheduler_policy_name(settings->scheduler.policy));
    if (floor > 0)
        printf(", floor of low %u %%", floor);
    printf(": %s\n", sim_trace_about(settings->trace));
    printf("  GPUs busy %.1f %%, handing over %.1f %%; %.2f M jobs in %.2f M turns, %.2f M asked "
           "back",
           100 * result->busy, 100 * result->handed_over, (double)result->jobs / 1e6,
           (double)result->turns / 1e6, (double)result->recalls / 1e6);
    if (result->unused_gpus > 0)
        printf("; empty GPUs: %" G_GUINT64_FORMAT, result->unused_gpus);
    if (result->refused > 0)
        printf("; refused starts: %" G_GUINT64_FORMAT, result->refused);
    printf("\n                     a VM waits for its turn                   a job waits"
           "          GPU\n"
           "  priority     VMs        p50       p99     p99.9       max         p50       p99"
           "      time    Jain\n");
    for (guint i = VGPU_PRIORITY_COUNT; i-- > 0;)
        if (result->classes[i].vms > 0)
            print_class(settings, i, &result->classes[i]);
    fflush(stdout);
}

static void add_number(JsonBuilder *json, const char *key, double value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_double_value(json, value);
}

static void add_count(JsonBuilder *json, const char *key, guint64 value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_int_value(json, (gint64)value);
}

static void add_text(JsonBuilder *json, const char *key, const char *value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_string_value(json, value);
}

static void add_waits(JsonBuilder *json, const char *key, const SimHistogram *waits)
{
    json_builder_set_member_name(json, key);
    json_builder_begin_object(json);
    add_count(json, "count", waits->count);
    add_count(json, "mean", waits->sum / MAX(1, waits->count));
    for (guint i = 0; i < G_N_ELEMENTS(quantiles); i++)
        add_count(json, quantile_names[i], sim_histogram_quantile(waits, quantiles[i]));
    add_count(json, "max", waits->max);
    json_builder_end_object(json);
}

static void add_class(JsonBuilder *json, const SimClassResult *class)
{
    json_builder_begin_object(json);
    add_count(json, "vms", class->vms);
    add_waits(json, "turn-wait-ns", &class->turn_waits);
    add_waits(json, "job-wait-ns", &class->job_waits);
    add_number(json, "asked-s", (double)class->asked_ns / 1e9);
    add_number(json, "served-s", (double)class->served_ns / 1e9);
    add_number(json, "jain", sim_fairness(class));
    json_builder_end_object(json);
}

void sim_report_json(JsonBuilder *json, const SimFleetSettings *settings,
                     const SimFleetResult *result)
{
    json_builder_begin_object(json);
    add_text(json, "trace", sim_trace_name(settings->trace));
    add_text(json, "policy", vgpu_scheduler_policy_name(settings->scheduler.policy));
    add_text(json, "placement", vgpu_placement_name(settings->placement));
    add_count(json, "floor-low-percent", settings->scheduler.floor_percent[VGPU_PRIORITY_LOW]);
    add_count(json, "window", settings->scheduler.window);
    add_count(json, "slice-ns", settings->scheduler.slice_ns);
    add_count(json, "hand-over-ns", settings->hand_over_ns);
    add_count(json, "vms", settings->vms);
    add_count(json, "gpus", settings->gpus);
    add_count(json, "length-ns", settings->length_ns);
    add_count(json, "seed", settings->seed);
    add_number(json, "busy", result->busy);
    add_number(json, "handed-over", result->handed_over);
    add_count(json, "jobs", result->jobs);
    add_count(json, "turns", result->turns);
    add_count(json, "recalls", result->recalls);
    add_count(json, "refused", result->refused);
    add_count(json, "unused-gpus", result->unused_gpus);
    json_builder_set_member_name(json, "priorities");
    json_builder_begin_object(json);
    for (guint i = VGPU_PRIORITY_COUNT; i-- > 0;) {
        if (result->classes[i].vms == 0)
            continue;
        json_builder_set_member_name(json, priorities[i]);
        add_class(json, &result->classes[i]);
    }
    json_builder_end_object(json);
    json_builder_end_object(json);
}
