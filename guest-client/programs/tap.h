/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Test output in the Test Anything Protocol (https://testanything.org), version 12. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Starts counting anew; every line goes to @out, which stays the caller's. */
void tap_begin(FILE *out);

/* One test: prints "ok" or "not ok" with its number and name. Returns @ok. */
__attribute__((format(printf, 2, 3))) bool tap_ok(bool ok, const char *name, ...);

/* The same for two numbers; a failure shows both. Returns whether they are equal. */
__attribute__((format(printf, 3, 4))) bool tap_equal(uint32_t got, uint32_t expected,
                                                     const char *name, ...);

/* One test that could not be made, and why. Counts as passed. */
void tap_skip(const char *name, const char *why);

/* A line for people, "# ...". */
__attribute__((format(printf, 1, 2))) void tap_note(const char *text, ...);

/* Ends the program with status 1: nothing further can be tested. */
__attribute__((format(printf, 1, 2), noreturn)) void tap_bail_out(const char *why, ...);

/* Prints the plan. Returns the exit status: 0 if there were tests and all passed, else 1. */
int tap_end(void);

#endif
