/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>

static unsigned results, failures;

bool tap(bool ok, const char *name, ...)
{
    va_list args;

    results++;
    failures += !ok;
    printf("%sok %u - ", ok ? "" : "not ", results);
    va_start(args, name);
    vprintf(name, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    return ok;
}

void tap_say(const char *text, ...)
{
    va_list args;

    fputs("# ", stdout);
    va_start(args, text);
    vprintf(text, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

int tap_end(void)
{
    printf("1..%u\n", results);
    return failures == 0 ? 0 : 1;
}
