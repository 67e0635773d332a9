/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs vgpuctl against a real service, with example data, on a bus of the test's own. */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "dbus-service.h"
#include "example-model.h"

/* The program, possibly with other words before it, separated by blanks. Set by main(). */
extern const char *runner_program;

typedef struct {
    GTestDBus *bus;
    const char *address; /* where vgpuctl looks, and the service goes */
    ExampleModel *example;
    VgpuDBusService *service;
    const char *input; /* of the next runs; NULL: none */
    char *out;         /* of the last run */
    char *err;
} Runner;

int runner_set_up(void **state);
int runner_tear_down(void **state);

/* Starts the service and waits until it has its name. */
void runner_start_service(Runner *runner);

/*
 * Runs vgpuctl with @arguments, separated by spaces, while the main loop, and so the service, goes
 * on. Returns its exit status.
 */
int runner_run(Runner *runner, const char *arguments);

/* Starts it with @arguments; its output can be read line by line. */
GSubprocess *runner_spawn(Runner *runner, const char *arguments);

/* The next line of @lines, without its end, while the main loop goes on; NULL: there is none. */
char *runner_read_line(GDataInputStream *lines);

/* Waits for the end of @process while the main loop goes on; returns its exit status. */
int runner_await(GSubprocess *process);

/* The last run's output, which must be one JSON document and a newline. */
JsonNode *runner_parse_json(Runner *runner);

/* Fails the test when @part is not in @text. */
void runner_assert_in(const char *text, const char *part);
