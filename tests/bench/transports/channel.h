/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's side of a transport, and the measurement that all of them go through. */
#ifndef BENCH_CHANNEL_H
#define BENCH_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

struct channel {
    /*
     * Sends @request, with request->length bytes of @out when it is a BENCH_WRITE, and waits for
     * @response, whose bytes go to @in when it is a BENCH_READ. Returns false after a line on
     * stderr.
     */
    bool (*exchange)(struct channel *channel, const struct bench_message *request,
                     struct bench_message *response, const uint8_t *out, uint8_t *in);
    uint32_t number; /* of the last message */
};

/* What is measured, for how long. */
struct channel_plan {
    const char *name; /* of the row */
    double seconds;
    bool bulk;             /* writes and reads, too */
    unsigned int least;    /* calls, as of struct measure_plan */
    unsigned int pause_us; /* likewise */
};

/*
 * Measures echoes and bulk data in both directions, checks that what comes back is what went out,
 * and prints the row. Ends the program on any failure.
 */
void channel_measure(struct channel *channel, const struct channel_plan *plan);

/* The guest's commands. Each prints its rows; each ends the program on failure. */
void ivshmem_poll(double seconds);
void ivshmem_doorbell(double seconds);
void ivshmem_interrupt(double seconds);
void stream_serial(const char *path, double seconds);
void stream_tcp(const char *address, const char *port, double seconds);
void files_measure(const char *name, const char *folder, const char *interval_us, double seconds);
void registers_measure(double seconds);
void queue_measure(double seconds);

#endif
