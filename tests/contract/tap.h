/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Test Anything Protocol: what the test of each group has found goes out as one line. */
#pragma once

#include <stdbool.h>

/* One result. Returns @ok. */
bool tap(bool ok, const char *name, ...) __attribute__((format(printf, 2, 3)));

/* A line for people; of each group of failures the first few are enough. */
void tap_say(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* The plan. Returns the exit status. */
int tap_end(void);
