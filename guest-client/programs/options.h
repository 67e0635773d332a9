/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command lines: one table per program, from which --help is made too. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* An option; exactly one of the three places is set. A table ends with a name of NULL. */
struct option_entry {
    const char *name;     /* without the dashes */
    const char *argument; /* its word in --help; NULL for a flag */
    const char *help;
    bool *flag;
    uint32_t *number; /* decimal, or hexadecimal with 0x */
    const char **text;
};

/* The option that every program has. */
#define OPTION_DEVICE(place)                                                                       \
    {                                                                                              \
        .name = "device", .argument = "DEVICE",                                                    \
        .help = "PCI address, folder in sysfs, or number from 0 (default: 0)", .text = (place)     \
    }

/*
 * Reads the options. @synopsis is what follows the program's name in the usage line, @about a text
 * for --help. --help and --version end the program with 0, a mistake ends it with EX_USAGE (64).
 * Returns the index of the first operand in @argv, which is sorted so that operands come last.
 */
int options_parse(int argc, char **argv, const char *synopsis, const char *about,
                  const struct option_entry *entries);

/* Ends the program with EX_USAGE, its name, the text and where help is. */
__attribute__((format(printf, 1, 2), noreturn)) void options_mistake(const char *text, ...);

/* Reads a 32-bit number. Returns false for anything else. */
bool options_number(const char *text, uint32_t *number);

#endif
