/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "channel.h"
#include "files.h"

#define FILES_LEAST 5u /* at the intervals of old each takes a second */

struct files_channel {
    struct channel channel;
    int folder;
    unsigned int interval_us;
};

static bool files_exchange(struct channel *channel, const struct bench_message *request,
                           struct bench_message *response, const uint8_t *out, uint8_t *in)
{
    struct files_channel *files = (struct files_channel *)channel;

    (void)out;
    (void)in;
    files_put(files->folder, FILES_REQUEST, request);
    while (!files_take(files->folder, FILES_RESPONSE, response))
        usleep(files->interval_us);
    return true;
}

void files_measure(const char *name, const char *folder, const char *interval_us, double seconds)
{
    struct files_channel files = {
        .channel.exchange = files_exchange,
        .folder = files_open(folder),
        .interval_us = files_interval(interval_us),
    };

    channel_measure(&files.channel, &(struct channel_plan){name, seconds, false, FILES_LEAST, 0});
    close(files.folder);
}
