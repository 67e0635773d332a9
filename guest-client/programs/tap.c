/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap.h"

#include <stdarg.h>
#include <stdlib.h>

static FILE *output;
static unsigned int tests, failures;

void tap_begin(FILE *out)
{
    output = out;
    tests = 0;
    failures = 0;
}

static void print_result(bool ok, const char *name, va_list args)
{
    tests++;
    if (!ok)
        failures++;
    fprintf(output, "%s %u - ", ok ? "ok" : "not ok", tests);
    vfprintf(output, name, args);
    fputc('\n', output);
    fflush(output);
}

bool tap_ok(bool ok, const char *name, ...)
{
    va_list args;

    va_start(args, name);
    print_result(ok, name, args);
    va_end(args);
    return ok;
}

bool tap_equal(uint32_t got, uint32_t expected, const char *name, ...)
{
    va_list args;

    va_start(args, name);
    print_result(got == expected, name, args);
    va_end(args);
    if (got != expected)
        tap_note("got 0x%x, expected 0x%x", got, expected);
    return got == expected;
}

void tap_skip(const char *name, const char *why)
{
    tests++;
    fprintf(output, "ok %u - %s # SKIP %s\n", tests, name, why);
    fflush(output);
}

void tap_note(const char *text, ...)
{
    va_list args;

    fputs("# ", output);
    va_start(args, text);
    vfprintf(output, text, args);
    va_end(args);
    fputc('\n', output);
    fflush(output);
}

void tap_bail_out(const char *why, ...)
{
    va_list args;

    fputs("Bail out! ", output);
    va_start(args, why);
    vfprintf(output, why, args);
    va_end(args);
    fputc('\n', output);
    fflush(output);
    exit(1);
}

int tap_end(void)
{
    fprintf(output, "1..%u\n", tests);
    if (failures > 0)
        fprintf(output, "# %u of %u failed\n", failures, tests);
    fflush(output);
    return tests > 0 && failures == 0 ? 0 : 1;
}
