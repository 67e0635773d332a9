/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "measure.h"
#include "stream.h"

void files_put(int folder, const char *name, const struct bench_message *message)
{
    char temporary[32];

    snprintf(temporary, sizeof(temporary), "%s.new", name);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || !stream_write(fd, message, sizeof(*message)) || close(fd) != 0 ||
        renameat(folder, temporary, folder, name) != 0)
        measure_die("writing %s", name);
}

bool files_take(int folder, const char *name, struct bench_message *message)
{
    int fd = openat(folder, name, O_RDONLY);

    if (fd < 0 && errno == ENOENT)
        return false;
    if (fd < 0 || !stream_read(fd, message, sizeof(*message)) || close(fd) != 0 ||
        unlinkat(folder, name, 0) != 0)
        measure_die("reading %s", name);
    return true;
}

int files_open(const char *path)
{
    int folder = open(path, O_PATH | O_DIRECTORY);

    if (folder < 0)
        measure_die("%s", path);
    return folder;
}

unsigned int files_interval(const char *text)
{
    int interval = atoi(text);

    errno = 0;
    if (interval <= 0)
        measure_die("%s: not an interval in microseconds", text);
    return (unsigned int)interval;
}
