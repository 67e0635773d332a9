/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests by files in a shared folder: the guest makes request.txt, the host looks for it at its
 * interval and answers with response.txt, for which the guest looks at its own.
 */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include <stdbool.h>

#include "message.h"

#define FILES_REQUEST  "request.txt"
#define FILES_RESPONSE "response.txt"

/* Makes the file @name in @folder, whole or not at all. Ends the program on failure. */
void files_put(int folder, const char *name, const struct bench_message *message);

/* Takes the file @name out of @folder; false when there is none. Ends the program on failure. */
bool files_take(int folder, const char *name, struct bench_message *message);

/* Opens the folder, and turns the text of an interval into microseconds. */
int files_open(const char *path);
unsigned int files_interval(const char *text);

#endif
