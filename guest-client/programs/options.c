/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define MAX_OPTIONS 16

enum { HELP = 'h', VERSION = 'V', FIRST = 256 };

void options_mistake(const char *text, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, text);
    vfprintf(stderr, text, args);
    va_end(args);
    fprintf(stderr, "\nTry '%s --help'.\n", program_invocation_short_name);
    exit(EX_USAGE);
}

bool options_number(const char *text, uint32_t *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long value =
        strtoull(text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
    if (*end != '\0' || errno != 0 || value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    return true;
}

static void print_help(const char *synopsis, const char *about, const struct option_entry *entries)
{
    printf("Usage: %s %s\n\n%s\n\nOptions:\n", program_invocation_short_name, synopsis, about);
    for (const struct option_entry *entry = entries; entry->name != NULL; entry++) {
        char left[32];
        snprintf(left, sizeof(left), "--%s%s%s", entry->name, entry->argument != NULL ? " " : "",
                 entry->argument != NULL ? entry->argument : "");
        printf("  %-22s  %s\n", left, entry->help);
    }
    printf("  %-22s  %s\n  %-22s  %s\n", "-h, --help", "print this text", "-V, --version",
           "print the version");
}

static void store(const struct option_entry *entry, const char *argument)
{
    if (entry->flag != NULL)
        *entry->flag = true;
    else if (entry->text != NULL)
        *entry->text = argument;
    else if (!options_number(argument, entry->number))
        options_mistake("--%s: '%s' is not a number from 0 to 4294967295", entry->name, argument);
}

int options_parse(int argc, char **argv, const char *synopsis, const char *about,
                  const struct option_entry *entries)
{
    struct option table[MAX_OPTIONS + 3] = {{"help", no_argument, NULL, HELP},
                                            {"version", no_argument, NULL, VERSION}};
    int option;

    for (int i = 0; i < MAX_OPTIONS && entries[i].name != NULL; i++)
        table[i + 2] =
            (struct option){entries[i].name, entries[i].argument != NULL, NULL, FIRST + i};

    while ((option = getopt_long(argc, argv, "hV", table, NULL)) != -1) {
        switch (option) {
        case HELP:
            print_help(synopsis, about, entries);
            exit(EX_OK);
        case VERSION:
            printf("%s %s\n", program_invocation_short_name, VGPU_VERSION);
            exit(EX_OK);
        case '?':
            fprintf(stderr, "Try '%s --help'.\n", program_invocation_short_name);
            exit(EX_USAGE);
        default:
            store(&entries[option - FIRST], optarg);
        }
    }
    return optind;
}
