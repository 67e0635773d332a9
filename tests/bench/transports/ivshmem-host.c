/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ivshmem-host.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "shared.h"

#define IVSHMEM_PROTOCOL_VERSION 0
#define IVSHMEM_MEMORY           (-1) /* the message that carries the shared memory */

/* One message of the protocol: a number, with a descriptor unless that is -1. */
static void tell(int client, int64_t number, int fd)
{
    int64_t bytes = (int64_t)htole64((uint64_t)number);
    struct iovec data = {.iov_base = &bytes, .iov_len = sizeof(bytes)};
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    if (sendmsg(client, &message, MSG_NOSIGNAL) != sizeof(bytes))
        measure_die("ivshmem's client");
}

/* QEMU has made the eventfd non-blocking, for both of us. */
static void await_doorbell(int doorbell)
{
    struct pollfd wait = {.fd = doorbell, .events = POLLIN};
    uint64_t count;

    if (poll(&wait, 1, -1) != 1 || read(doorbell, &count, sizeof(count)) != sizeof(count))
        measure_die("doorbell");
}

/* Answers one message whose copy is @message. */
static void answer(struct bench_shared *shared, const struct bench_message *message)
{
    static uint8_t bulk[BENCH_CHUNK];

    errno = EPROTO;
    if (message->length > sizeof(bulk))
        measure_die("message");
    if (message->op == BENCH_WRITE)
        memcpy(bulk, shared->bulk, message->length);
    else if (message->op == BENCH_READ)
        memcpy(shared->bulk, bulk, message->length);
    bench_publish(&shared->response, message);
}

static _Noreturn void serve(struct bench_shared *shared, int doorbell, int interrupt)
{
    uint32_t number = 0;
    bool asleep = true;

    for (;;) {
        if (asleep)
            await_doorbell(doorbell);
        struct bench_message message = bench_await(&shared->request, ++number);
        answer(shared, &message);
        if (message.flags & BENCH_INTERRUPT)
            eventfd_write(interrupt, 1);
        asleep = message.flags & BENCH_HOST_SLEEPS;
    }
}

void ivshmem_serve(int client)
{
    int memory = memfd_create("bench", MFD_CLOEXEC);
    int doorbell = eventfd(0, EFD_CLOEXEC), interrupt = eventfd(0, EFD_CLOEXEC);

    if (memory < 0 || doorbell < 0 || interrupt < 0 || ftruncate(memory, BENCH_SHARED_SIZE) != 0)
        measure_die("shared memory");
    struct bench_shared *shared =
        mmap(NULL, BENCH_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (shared == MAP_FAILED)
        measure_die("shared memory");
    tell(client, IVSHMEM_PROTOCOL_VERSION, -1);
    tell(client, BENCH_GUEST_PEER, -1);
    tell(client, IVSHMEM_MEMORY, memory);
    tell(client, BENCH_HOST_PEER, doorbell);
    tell(client, BENCH_GUEST_PEER, interrupt);
    serve(shared, doorbell, interrupt);
}
