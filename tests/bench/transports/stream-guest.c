/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-serial and TCP: messages on a stream, both sides in blocking calls. */
#include "channel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "stream.h"

struct stream_channel {
    struct channel channel;
    int fd;
};

static bool stream_exchange(struct channel *channel, const struct bench_message *request,
                            struct bench_message *response, const uint8_t *out, uint8_t *in)
{
    int fd = ((struct stream_channel *)channel)->fd;

    if (!stream_write(fd, request, sizeof(*request)))
        return false;
    if (request->op == BENCH_WRITE && !stream_write(fd, out, request->length))
        return false;
    if (!stream_read(fd, response, sizeof(*response)))
        return false;
    return request->op != BENCH_READ || stream_read(fd, in, request->length);
}

static void measure(const char *name, int fd, double seconds)
{
    struct stream_channel stream = {.channel.exchange = stream_exchange, .fd = fd};

    channel_measure(&stream.channel, &(struct channel_plan){name, seconds, true, 100, 0});
    close(fd);
}

void stream_serial(const char *path, double seconds)
{
    int fd = open(path, O_RDWR);

    if (fd < 0)
        measure_die("%s", path);
    measure("virtio-serial", fd, seconds);
}

void stream_tcp(const char *address, const char *port, double seconds)
{
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    if (inet_pton(AF_INET, address, &host.sin_addr) != 1)
        measure_die("%s: no address", address);
    if (fd < 0 || connect(fd, (struct sockaddr *)&host, sizeof(host)) != 0)
        measure_die("%s port %s", address, port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    measure("tcp", fd, seconds);
}
