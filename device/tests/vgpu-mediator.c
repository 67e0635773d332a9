/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vgpu-mediator.h"

static void set_patience(int fd)
{
    const struct timeval patience = {.tv_sec = VGPU_TEST_PATIENCE_S};

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), ==, 0);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

VgpuMediator *vgpu_mediator_new(void)
{
    VgpuMediator *m = g_new0(VgpuMediator, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    m->directory = g_dir_make_tmp("vgpu-stub-test-XXXXXX", NULL);
    g_assert_nonnull(m->directory);
    m->path = g_build_filename(m->directory, "socket", NULL);
    m->control = -1;
    m->worker = -1;
    m->memory = -1;
    m->has_queues = true;

    g_assert_cmpuint(strlen(m->path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, m->path);
    m->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(m->listener, >=, 0);
    g_assert_cmpint(bind(m->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(m->listener, 1), ==, 0);
    set_patience(m->listener);
    return m;
}

static void drop_queues(VgpuMediator *m)
{
    for (uint32_t i = 0; i < m->hello.queues; i++) {
        close_fd(&m->doorbell[i]);
        close_fd(&m->completion[i]);
    }
    close_fd(&m->memory);
    m->hello.queues = 0;
}

void vgpu_mediator_free(VgpuMediator *m)
{
    drop_queues(m);
    close_fd(&m->worker);
    close_fd(&m->control);
    close_fd(&m->listener);
    g_unlink(m->path);
    g_rmdir(m->directory);
    g_free(m->path);
    g_free(m->directory);
    g_free(m);
}

/* Receives @length bytes, and with them exactly @n descriptors. */
static void receive(VgpuMediator *m, void *bytes, size_t length, int *fds, size_t n)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control = {};
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };

    g_assert_cmpint(recvmsg(m->control, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC), ==, length);
    g_assert_cmpint(message.msg_flags & MSG_CTRUNC, ==, 0);
    if (n == 0) {
        g_assert_cmpuint(message.msg_controllen, ==, 0);
        return;
    }
    g_assert_cmpint(control.header.cmsg_type, ==, SCM_RIGHTS);
    g_assert_cmpuint(control.header.cmsg_len, ==, CMSG_LEN(n * sizeof(int)));
    memcpy(fds, CMSG_DATA(&control.header), n * sizeof(int));
}

/* Receives one message of @type with a payload of @length bytes. */
static struct vgpu_link_message receive_message(VgpuMediator *m, enum vgpu_link_type type,
                                                size_t length, int *fds, size_t n)
{
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message message;

    length += sizeof(struct vgpu_link_header);
    receive(m, bytes, length, fds, n);
    g_assert_true(vgpu_link_decode(bytes, length, &message));
    g_assert_cmpint(message.type, ==, type);
    return message;
}

void vgpu_mediator_accept(VgpuMediator *m, struct vgpu_link_hello *hello)
{
    bool queues = m->has_queues;

    close_fd(&m->control);
    drop_queues(m);
    m->control = accept(m->listener, NULL, NULL);
    g_assert_cmpint(m->control, >=, 0);
    set_patience(m->control);
    m->hello =
        receive_message(m, VGPU_LINK_HELLO, sizeof(m->hello), &m->memory, queues ? 1 : 0).hello;
    g_assert_true(queues == (m->hello.queues > 0));
    for (uint32_t i = 0; i < m->hello.queues; i++) {
        int fds[2];
        struct vgpu_link_message message = receive_message(
            m, VGPU_LINK_QUEUE, sizeof(struct vgpu_link_queue), fds, ARRAY_SIZE(fds));

        g_assert_cmpuint(message.queue.index, ==, i);
        m->doorbell[i] = fds[0];
        m->completion[i] = fds[1];
    }
    if (hello != NULL) {
        *hello = m->hello;
    }
}

void vgpu_mediator_send(VgpuMediator *m, const void *bytes, size_t length, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
    }
    g_assert_cmpint(sendmsg(m->control, &message, MSG_NOSIGNAL), ==, length);
}

static void send_message(VgpuMediator *m, const struct vgpu_link_message *message, int fd)
{
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    size_t length = vgpu_link_encode(message, bytes, sizeof(bytes));

    g_assert_cmpuint(length, >, 0);
    vgpu_mediator_send(m, bytes, length, fd);
}

void vgpu_mediator_send_state(VgpuMediator *m, uint32_t vm_id, uint32_t error, uint32_t timeout_ms)
{
    const struct vgpu_link_message message = {
        .type = VGPU_LINK_STATE,
        .state =
            {
                .pool = 'B',
                .priority = VGPU_PRIORITY_HIGH,
                .vm_id = vm_id,
                .error = error,
                .timeout_ms = timeout_ms,
            },
    };

    send_message(m, &message, -1);
}

void vgpu_mediator_send_channel(VgpuMediator *m)
{
    const struct vgpu_link_message message = {.type = VGPU_LINK_CHANNEL};
    const int small = 0;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
    /* As small as the kernel lets it be: it still takes any one packet, and is soon full. */
    g_assert_cmpint(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), ==, 0);
    send_message(m, &message, pair[1]);
    close(pair[1]);
    close_fd(&m->worker);
    m->worker = pair[0];
    set_patience(m->worker);
}

void vgpu_mediator_send_refuse(VgpuMediator *m, const char *text)
{
    struct vgpu_link_message message = {.type = VGPU_LINK_REFUSE};

    message.refuse.length = strlen(text);
    memcpy(message.refuse.text, text, message.refuse.length);
    send_message(m, &message, -1);
}

void vgpu_mediator_hang_up(VgpuMediator *m)
{
    close_fd(&m->control);
}

/* A peer that closes with our bytes unread resets the connection: that is a close, too. */
static void expect_close(int *fd)
{
    uint8_t byte;
    ssize_t length = recv(*fd, &byte, sizeof(byte), 0);

    g_assert_true(length == 0 || (length < 0 && errno == ECONNRESET));
    close_fd(fd);
}

void vgpu_mediator_expect_hang_up(VgpuMediator *m)
{
    expect_close(&m->control);
}

unsigned vgpu_mediator_count_descriptors(VgpuMediator *m)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    char path[64];
    GDir *directory;
    unsigned count = 0;

    g_assert_cmpint(getsockopt(m->control, SOL_SOCKET, SO_PEERCRED, &peer, &size), ==, 0);
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)peer.pid);
    directory = g_dir_open(path, 0, NULL);
    g_assert_nonnull(directory);
    while (g_dir_read_name(directory) != NULL) {
        count++;
    }
    g_dir_close(directory);
    return count;
}

void vgpu_mediator_expect_descriptors(VgpuMediator *m, unsigned count)
{
    int64_t end = g_get_monotonic_time() + VGPU_TEST_PATIENCE_S * G_USEC_PER_SEC;
    unsigned seen;

    do {
        seen = vgpu_mediator_count_descriptors(m);
    } while (seen != count && g_get_monotonic_time() < end);
    g_assert_cmpuint(seen, ==, count);
}

void vgpu_worker_die(VgpuMediator *m)
{
    close_fd(&m->worker);
}

void vgpu_worker_expect_close(VgpuMediator *m)
{
    expect_close(&m->worker);
}

void vgpu_worker_receive(VgpuMediator *m, VgpuTestRequest *request)
{
    uint8_t packet[VGPU_CHANNEL_MAX_PACKET + 1];
    ssize_t length = recv(m->worker, packet, sizeof(packet), 0);

    g_assert_cmpint(length, >, 0);
    g_assert_true(vgpu_channel_decode(packet, length, &request->header));
    g_assert_cmpuint(request->header.type, ==, VGPU_CHANNEL_REQUEST);
    memcpy(request->body, packet + sizeof(request->header), request->header.length);
}

void vgpu_worker_ready(VgpuMediator *m)
{
    const struct vgpu_channel_header header = {.type = VGPU_CHANNEL_READY};
    uint8_t packet[sizeof(header)];

    vgpu_channel_encode(&header, packet);
    g_assert_cmpint(send(m->worker, packet, sizeof(packet), MSG_NOSIGNAL), ==, sizeof(packet));
}

void vgpu_worker_waits(VgpuMediator *m, uint64_t sequence)
{
    const struct vgpu_channel_header header = {.type = VGPU_CHANNEL_WAITS, .sequence = sequence};
    uint8_t packet[sizeof(header)];

    vgpu_channel_encode(&header, packet);
    g_assert_cmpint(send(m->worker, packet, sizeof(packet), MSG_NOSIGNAL), ==, sizeof(packet));
}

void vgpu_worker_respond(VgpuMediator *m, uint64_t sequence, uint32_t error, const void *body,
                         size_t length)
{
    const struct vgpu_channel_header header = {
        .type = VGPU_CHANNEL_RESPONSE,
        .length = length,
        .sequence = sequence,
        .error = error,
    };
    uint8_t packet[VGPU_CHANNEL_MAX_PACKET];

    g_assert_cmpuint(length, <=, VGPU_BUFFER_SIZE);
    vgpu_channel_encode(&header, packet);
    memcpy(packet + sizeof(header), body, length);
    g_assert_cmpint(send(m->worker, packet, sizeof(header) + length, MSG_NOSIGNAL), ==,
                    sizeof(header) + length);
}
