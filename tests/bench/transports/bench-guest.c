/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's side of the table's rows: one command a row, printed as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "measure.h"

static const char usage[] =
    "usage: bench-guest SECONDS COMMAND\n"
    "  registers | queue | ivshmem-poll | ivshmem-doorbell | ivshmem-msix | serial PATH\n"
    "  tcp ADDRESS PORT | files NAME FOLDER INTERVAL_US";

static bool run(int count, char **words, double seconds)
{
    const char *command = words[0];

    if (strcmp(command, "registers") == 0 && count == 1)
        registers_measure(seconds);
    else if (strcmp(command, "queue") == 0 && count == 1)
        queue_measure(seconds);
    else if (strcmp(command, "ivshmem-poll") == 0 && count == 1)
        ivshmem_poll(seconds);
    else if (strcmp(command, "ivshmem-doorbell") == 0 && count == 1)
        ivshmem_doorbell(seconds);
    else if (strcmp(command, "ivshmem-msix") == 0 && count == 1)
        ivshmem_interrupt(seconds);
    else if (strcmp(command, "serial") == 0 && count == 2)
        stream_serial(words[1], seconds);
    else if (strcmp(command, "tcp") == 0 && count == 3)
        stream_tcp(words[1], words[2], seconds);
    else if (strcmp(command, "files") == 0 && count == 4)
        files_measure(words[1], words[2], words[3], seconds);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 3 || !run(argc - 2, argv + 2, atof(argv[1]))) {
        errno = 0;
        measure_die("%s", usage);
    }
    return 0;
}
