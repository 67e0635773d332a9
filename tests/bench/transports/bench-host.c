/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's side of the transports. Prints "ready" when a guest may come; runs until it is ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"
#include "ivshmem-host.h"
#include "measure.h"
#include "stream.h"

static void ready(void)
{
    puts("ready");
    fflush(stdout);
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof(address.sun_path))
        measure_die("%s", path);
    strcpy(address.sun_path, path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0)
        measure_die("%s", path);
    return fd;
}

static int listen_tcp(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0)
        measure_die("port %s", port);
    return fd;
}

static int accept_one(int listener)
{
    int yes = 1;

    ready();
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        measure_die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* fails for others: no harm */
    return fd;
}

static void serve_stream(int fd)
{
    static uint8_t bulk[BENCH_CHUNK];
    struct bench_message message;

    while (stream_read(fd, &message, sizeof(message))) {
        errno = EPROTO;
        if (message.length > sizeof(bulk))
            measure_die("message");
        if (message.op == BENCH_WRITE && !stream_read(fd, bulk, message.length))
            measure_die("bulk data");
        if (!stream_write(fd, &message, sizeof(message)))
            return;
        if (message.op == BENCH_READ && !stream_write(fd, bulk, message.length))
            return;
    }
}

static void serve_files(const char *path, const char *interval)
{
    int folder = files_open(path);
    unsigned int interval_us = files_interval(interval);
    struct bench_message message;

    ready();
    for (;;) {
        if (files_take(folder, FILES_REQUEST, &message))
            files_put(folder, FILES_RESPONSE, &message);
        usleep(interval_us);
    }
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the script */
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(command, "ivshmem") == 0 && argc == 3) {
        ivshmem_serve(accept_one(listen_unix(argv[2])));
    } else if (strcmp(command, "serial") == 0 && argc == 3) {
        serve_stream(accept_one(listen_unix(argv[2])));
    } else if (strcmp(command, "tcp") == 0 && argc == 3) {
        serve_stream(accept_one(listen_tcp(argv[2])));
    } else if (strcmp(command, "files") == 0 && argc == 4) {
        serve_files(argv[2], argv[3]);
    } else {
        errno = 0;
        measure_die(
            "usage: bench-host ivshmem|serial SOCKET | tcp PORT | files FOLDER INTERVAL_US");
    }
    return 0;
}
