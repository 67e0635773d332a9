/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-mediator SOCKET: vgpud and its worker for one device, with the worker's own side of a queue,
 * but doing as the guest says: the driver's test needs a worker that is slow, silent or gone, at a
 * moment of its choosing. fake-orders.h has the commands. Says "listening" when it does; ends when
 * the device disconnects.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake-orders.h"
#include "queue.h"
#include "vgpu-codec.h"

typedef struct {
    VgpuQueue queue;
    int doorbell;
    int wake;
    gboolean rung;  /* it is looked at only then, so that a doorbell that is missing is missed */
    gboolean waits; /* `command` is under way, until `until` */
    struct vgpu_command command;
    gint64 until; /* microseconds of the monotonic clock, as all times here */
} Slot;

static int control;
static int channel = -1;
static guint8 *memory;
static guint64 slot_size;
static guint count;
static Slot slots[VGPU_QUEUE_MAX];
static gint64 back_at;    /* no worker until then; 0: there is one */
static gint64 mute_until; /* the worker does nothing until then */

/* Reads one message and its descriptors, of which *@n is the number. FALSE: end of file. */
static gboolean receive(struct vgpu_link_message *message, int fds[2], guint *n)
{
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } ancillary;
    struct iovec vector = {bytes, sizeof(struct vgpu_link_header)};
    struct msghdr packet = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = &ancillary,
                            .msg_controllen = sizeof(ancillary)};

    if (recvmsg(control, &packet, MSG_WAITALL | MSG_CMSG_CLOEXEC) != (ssize_t)vector.iov_len)
        return FALSE;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
    *n = rights == NULL ? 0 : (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (*n > 0)
        memcpy(fds, CMSG_DATA(rights), *n * sizeof(int));

    int length = vgpu_link_frame_length(bytes, vector.iov_len);
    if (length < 0)
        g_error("the device sent no message");
    gsize rest = (gsize)length - vector.iov_len;
    if (rest > 0 && recv(control, bytes + vector.iov_len, rest, MSG_WAITALL) != (ssize_t)rest)
        return FALSE;
    if (!vgpu_link_decode(bytes, (gsize)length, message))
        g_error("the device sent a malformed message");
    return TRUE;
}

static void send_message(const struct vgpu_link_message *message, int fd)
{
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } ancillary = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                              .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS}};
    struct iovec vector = {bytes, vgpu_link_encode(message, bytes, sizeof(bytes))};
    struct msghdr packet = {.msg_iov = &vector, .msg_iovlen = 1};

    if (fd >= 0) {
        memcpy(CMSG_DATA(&ancillary.header), &fd, sizeof(fd));
        packet.msg_control = &ancillary;
        packet.msg_controllen = sizeof(ancillary);
    }
    if (sendmsg(control, &packet, MSG_NOSIGNAL) < 0)
        g_error("sendmsg: %s", g_strerror(errno));
}

/* A new worker: it looks at each queue, then says so. */
static void begin_worker(void)
{
    const struct vgpu_link_message message = {.type = VGPU_LINK_CHANNEL};
    const struct vgpu_channel_header ready = {.type = VGPU_CHANNEL_READY};
    guint8 packet[sizeof(ready)];
    int pair[2];

    for (guint i = 0; i < count; i++) {
        vgpu_queue_init(&slots[i].queue, memory + i * slot_size, slot_size, slots[i].wake);
        slots[i].waits = FALSE;
        slots[i].rung = TRUE;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        g_error("socketpair: %s", g_strerror(errno));
    send_message(&message, pair[1]);
    close(pair[1]);
    channel = pair[0];
    back_at = 0;
    vgpu_channel_encode(&ready, packet);
    if (send(channel, packet, sizeof(packet), MSG_NOSIGNAL) != sizeof(packet))
        g_error("send: %s", g_strerror(errno));
}

static void end_worker(gint64 until)
{
    close(channel);
    channel = -1;
    back_at = until;
}

static void greet(void)
{
    struct vgpu_link_message message;
    int fds[2];
    guint n;

    if (!receive(&message, fds, &n) || message.type != VGPU_LINK_HELLO || n != 1)
        g_error("no HELLO with a descriptor");
    count = message.hello.queues;
    slot_size = vgpu_queue_slot_size(message.hello.shm_size, count);
    memory = mmap(NULL, message.hello.shm_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (memory == MAP_FAILED)
        g_error("mmap: %s", g_strerror(errno));
    for (guint i = 0; i < count; i++) {
        if (!receive(&message, fds, &n) || message.type != VGPU_LINK_QUEUE || n != 2)
            g_error("no QUEUE with two descriptors");
        slots[i].doorbell = fds[0];
        slots[i].wake = fds[1];
    }
    const struct vgpu_link_message state = {
        .type = VGPU_LINK_STATE,
        .state = {.pool = 'B', .priority = VGPU_PRIORITY_HIGH, .vm_id = 7, .timeout_ms = 60000}};
    send_message(&state, -1);
}

static guint64 count_sessions(void)
{
    guint64 sessions = 0;

    for (guint i = 0; i < count; i++)
        sessions += slots[i].queue.session != 0;
    return sessions;
}

/* A read that takes long in the driver of the device: the worker does not see what else happens. */
static void read_slowly(Slot *slot, gint64 until)
{
    guint8 *arena = vgpu_queue_arena(&slot->queue, 0, slot->queue.arena_size);

    arena[0] = 0xa5;
    while (g_get_monotonic_time() < until)
        g_usleep((gulong)(until - g_get_monotonic_time()));
    memset(arena, 0xa5, slot->queue.arena_size);
}

static void carry_out(Slot *slot, const struct vgpu_command *command)
{
    const gint64 until = g_get_monotonic_time() + (gint64)command->arg[0] * 1000;

    switch (command->opcode) {
    case VGPU_CMD_NOP:
        vgpu_queue_complete(&slot->queue, command, VGPU_RESULT_OK, command->handle, 0);
        break;
    case FAKE_DELAY:
        slot->waits = TRUE;
        slot->command = *command;
        slot->until = until;
        break;
    case FAKE_MUTE:
        vgpu_queue_complete(&slot->queue, command, VGPU_RESULT_OK, 0, 0);
        vgpu_queue_flush(&slot->queue);
        mute_until = until;
        break;
    case FAKE_READ:
        read_slowly(slot, until);
        vgpu_queue_complete(&slot->queue, command, VGPU_RESULT_OK, 0, 0);
        break;
    case FAKE_COUNT:
        vgpu_queue_complete(&slot->queue, command, VGPU_RESULT_OK, count_sessions(), 0);
        break;
    case FAKE_DIE:
        end_worker(until);
        break;
    default:
        vgpu_queue_complete(&slot->queue, command, VGPU_RESULT_UNSUPPORTED, 0, 0);
    }
}

static gboolean idle(void)
{
    return back_at != 0 || mute_until > g_get_monotonic_time();
}

static void serve(Slot *slot)
{
    struct vgpu_command command;
    VgpuQueueNext next;

    if (slot->waits && slot->until <= g_get_monotonic_time()) {
        slot->waits = FALSE;
        vgpu_queue_complete(&slot->queue, &slot->command, VGPU_RESULT_OK, slot->command.handle, 0);
    }
    while (!idle() && !slot->waits &&
           (next = vgpu_queue_next(&slot->queue, &command)) != VGPU_QUEUE_NEXT_NOTHING) {
        if (next == VGPU_QUEUE_NEXT_COMMAND)
            carry_out(slot, &command);
        else if (next == VGPU_QUEUE_NEXT_SESSION)
            vgpu_queue_begin(&slot->queue);
    }
}

/* A command that is under way ends with its owner. */
static void drop_waiting(Slot *slot)
{
    if (atomic_load(VGPU_RING_GUEST_WORD(slot->queue.slot, session)) != slot->queue.session)
        slot->waits = FALSE;
}

/* Milliseconds until something is due; -1: nothing is. */
static int next_due(void)
{
    const gint64 now = g_get_monotonic_time();
    gint64 due = back_at != 0 ? back_at : mute_until > now ? mute_until : G_MAXINT64;

    for (guint i = 0; i < count && !idle(); i++) {
        if (slots[i].waits)
            due = MIN(due, slots[i].until);
    }
    return due == G_MAXINT64 ? -1 : (int)((MAX(due - now, 0) + 999) / 1000);
}

/* Protocol 1.0 is there, and has no device. */
static void answer_request(void)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;
    ssize_t length = recv(channel, packet, sizeof(packet), 0);

    if (length <= 0 || !vgpu_channel_decode(packet, (gsize)length, &header))
        return;
    header = (struct vgpu_channel_header){.type = VGPU_CHANNEL_RESPONSE,
                                          .sequence = header.sequence,
                                          .error = VGPU_ERROR_UNAVAILABLE};
    vgpu_channel_encode(&header, packet);
    send(channel, packet, sizeof(header), MSG_NOSIGNAL);
}

/* Sleeps until a doorbell, a request or a time. FALSE: the device has gone. */
static gboolean sleep_until_something(gboolean ready)
{
    struct pollfd fds[2 + VGPU_QUEUE_MAX] = {{.fd = control, .events = POLLIN},
                                             {.fd = channel, .events = POLLIN}};
    guint64 rings;

    for (guint i = 0; i < count; i++)
        fds[2 + i] = (struct pollfd){.fd = slots[i].doorbell, .events = POLLIN};
    if (poll(fds, 2 + count, ready ? 0 : next_due()) < 0)
        g_error("poll: %s", g_strerror(errno));
    if (fds[0].revents != 0)
        return FALSE;
    if (fds[1].revents != 0)
        answer_request();
    for (guint i = 0; i < count; i++) {
        if (fds[2 + i].revents == 0)
            continue;
        if (read(slots[i].doorbell, &rings, sizeof(rings)) < 0)
            g_error("a doorbell: %s", g_strerror(errno));
        slots[i].rung = TRUE;
    }
    return TRUE;
}

static gboolean step(void)
{
    gboolean ready = FALSE;

    if (back_at != 0 && back_at <= g_get_monotonic_time())
        begin_worker();
    for (guint i = 0; i < count && !idle(); i++) {
        Slot *slot = &slots[i];

        if (!slot->rung && !(slot->waits && slot->until <= g_get_monotonic_time()))
            continue;
        drop_waiting(slot);
        serve(slot);
        if (idle())
            break; /* it has more to say, then */
        slot->rung = !slot->waits && !vgpu_queue_park(&slot->queue);
        ready = ready || slot->rung;
    }
    return sleep_until_something(ready && !idle());
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
        g_error("usage: fake-mediator SOCKET");
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    unlink(argv[1]);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
        g_error("%s: %s", argv[1], g_strerror(errno));
    puts("listening");
    fflush(stdout);
    control = accept(listener, NULL, NULL);
    if (control < 0)
        g_error("accept: %s", g_strerror(errno));

    greet();
    begin_worker();
    while (step()) {
    }
    return 0;
}
