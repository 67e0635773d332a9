/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

/* What one measurement moves, and where. */
struct transfer {
    struct channel *channel;
    struct bench_message request, response;
    uint8_t *out, *in;
};

/*
 * As little as can be beside what is measured: an emulated guest takes long for every copy. The
 * number that comes back as the last word says that the message is the right one and whole.
 */
static bool exchange(struct transfer *transfer, uint32_t op, uint32_t length)
{
    struct channel *channel = transfer->channel;
    struct bench_message *request = &transfer->request, *response = &transfer->response;

    request->op = op;
    request->length = length;
    request->number = ++channel->number;
    if (!channel->exchange(channel, request, response, transfer->out, transfer->in))
        return false;
    if (response->number == channel->number && response->op == op)
        return true;
    fprintf(stderr, "bench: message %u came back altered\n", channel->number);
    return false;
}

static bool echo(void *context)
{
    return exchange(context, BENCH_ECHO, 0);
}

static bool there_and_back(void *context)
{
    return exchange(context, BENCH_WRITE, BENCH_CHUNK) &&
           exchange(context, BENCH_READ, BENCH_CHUNK);
}

static double measure_bulk(struct transfer *transfer, double seconds)
{
    transfer->out = malloc(BENCH_CHUNK);
    transfer->in = calloc(1, BENCH_CHUNK);
    if (transfer->out == NULL || transfer->in == NULL)
        measure_die("no memory");
    for (size_t i = 0; i < BENCH_CHUNK; i++)
        transfer->out[i] = (uint8_t)(i * 2654435761u >> 13);
    double rate = measure_rate(there_and_back, transfer, 2 * (size_t)BENCH_CHUNK, seconds);
    errno = 0;
    if (memcmp(transfer->out, transfer->in, BENCH_CHUNK) != 0)
        measure_die("bulk data came back altered");
    free(transfer->out);
    free(transfer->in);
    return rate;
}

void channel_measure(struct channel *channel, const struct channel_plan *plan)
{
    struct transfer transfer = {.channel = channel};
    struct measure_row row =
        measure_latency(plan->name, echo, &transfer,
                        &(struct measure_plan){plan->seconds, plan->least, plan->pause_us});

    if (plan->bulk)
        row.gib_per_s = measure_bulk(&transfer, plan->seconds / 2);
    measure_print(&row);
}
