/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures the way to the host: a table, or JSON. What is measured is in bench-rows.c. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "bench-rows.h"
#include "json.h"
#include "options.h"
#include "vgpu.h"

static void print_number(double number, const char *format)
{
    char text[24] = "-";

    if (number >= 0)
        snprintf(text, sizeof(text), format, number);
    printf("  %12s", text);
}

static void print_row(const struct bench_row *row)
{
    printf("%-28s", row->name);
    print_number(row->median_us, "%.2f");
    print_number(row->p99_us, "%.2f");
    print_number(row->calls_per_s, "%.0f");
    print_number(row->gib_per_s, "%.3f");
    putchar('\n');
    fflush(stdout);
}

static void print_json_row(const struct bench_row *row, bool first)
{
    json_text(first ? "[{" : ",\n {", "name", row->name);
    json_measure(",", "median_us", row->median_us);
    json_measure(",", "p99_us", row->p99_us);
    json_measure(",", "calls_per_s", row->calls_per_s);
    json_measure(",", "gib_per_s", row->gib_per_s);
    putchar('}');
}

int main(int argc, char **argv)
{
    const char *device = NULL, *only = NULL;
    bool json = false, quick = false, first = true;
    const struct option_entry options[] = {
        {.name = "device",
         .argument = "DEVICE",
         .help = "/dev/vgpuN, its number, or \"registers\" (default: any)",
         .text = &device},
        {.name = "only",
         .argument = "TEXT",
         .help = "only rows with TEXT in the name",
         .text = &only},
        {.name = "quick", .help = "fewer samples: seconds instead of a minute", .flag = &quick},
        {.name = "json", .help = "print a JSON array", .flag = &json},
        {NULL},
    };

    if (options_parse(argc, argv, "[OPTION...]",
                      "Measures calls, throughput and copies of this VM's virtual GPU.",
                      options) < argc)
        options_mistake("takes no operands");
    if (!json)
        printf("%-28s  %12s  %12s  %12s  %12s\n", "", "median us", "p99 us", "calls/s", "GiB/s");
    for (unsigned int i = 0; i < bench_count; i++) {
        struct bench_row row = {bench_names[i], -1, -1, -1, -1};

        if (only != NULL && strstr(row.name, only) == NULL)
            continue;
        int code = bench_measure(i, device, quick, &row);
        if (code == VGPU_E_UNSUPPORTED)
            continue; /* by protocol 1.0, or this backend */
        if (code != VGPU_OK) {
            fflush(stdout);
            fprintf(stderr, "vgpu-bench: %s: %s\n", row.name, vgpu_last_error());
            return EX_UNAVAILABLE;
        }
        if (json)
            print_json_row(&row, first);
        else
            print_row(&row);
        first = false;
    }
    if (json)
        puts(first ? "[]" : "]");
    return EX_OK;
}
