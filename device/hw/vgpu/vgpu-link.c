/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: the control link to the mediator, over the device's chardev. The chardev connects and
 * reconnects by itself; each connection begins with HELLO.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"

#include <sys/socket.h>

#include "trace.h"
#include "vgpu-stub.h"

/* The chardev reconnects every second, and a mediator that refuses will refuse again. */
#define VGPU_WARN_AGAIN_MS 60000

void vgpu_link_warn(VgpuStub *s, const char *format, ...)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    if (g_strcmp0(text, s->link.warned) == 0 && now < s->link.warned_ms + VGPU_WARN_AGAIN_MS) {
        g_free(text);
        return;
    }
    warn_report("%s: %s", vgpu_stub_name(s), text);
    g_free(s->link.warned);
    s->link.warned = text;
    s->link.warned_ms = now;
}

static void vgpu_link_drop_descriptor(VgpuStub *s)
{
    if (s->link.descriptor >= 0) {
        close(s->link.descriptor);
        s->link.descriptor = -1;
    }
}

/* The mediator is gone or does not serve this VM. */
static void vgpu_link_down(VgpuStub *s)
{
    s->link.ready = false;
    /* Before the channel closes: the mediator is missing, not the worker. */
    if (s->status == VGPU_STATUS_BUSY) {
        vgpu_request_fail(s, VGPU_ERROR_UNAVAILABLE);
    }
    vgpu_channel_close(s);
}

/* Sends a message and with it @n of @fds, which stay ours. Returns whether that worked. */
static bool vgpu_link_send(VgpuStub *s, const struct vgpu_link_message *message, int *fds, int n)
{
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE];
    size_t length = vgpu_link_encode(message, bytes, sizeof(bytes));

    if (n > 0 && qemu_chr_fe_set_msgfds(&s->link.chr, fds, n) < 0) {
        vgpu_link_warn(s, "its chardev passes no descriptors: it has to be a UNIX socket");
        return false;
    }
    return qemu_chr_fe_write(&s->link.chr, bytes, length) == length;
}

/* HELLO, and each queue. A new connection has room for all of it. */
static bool vgpu_link_greet(VgpuStub *s)
{
    struct vgpu_link_message message = {.type = VGPU_LINK_HELLO, .hello = s->link.hello};
    const uint32_t queues = s->queues.count;
    int memory = queues > 0 ? memory_region_get_fd(&s->queues.memory) : -1;

    if (!vgpu_link_send(s, &message, &memory, queues > 0 ? 1 : 0)) {
        return false;
    }
    for (uint32_t i = 0; i < queues; i++) {
        int fds[] = {
            event_notifier_get_fd(&s->queues.queue[i].doorbell),
            event_notifier_get_fd(&s->queues.queue[i].completion),
        };

        message = (struct vgpu_link_message){.type = VGPU_LINK_QUEUE, .queue = {.index = i}};
        if (!vgpu_link_send(s, &message, fds, ARRAY_SIZE(fds))) {
            return false;
        }
    }
    return true;
}

static void vgpu_link_say_hello(VgpuStub *s)
{
    const struct vgpu_link_hello *hello = &s->link.hello;

    trace_vgpu_stub_link_open(vgpu_stub_name(s), hello->pool, vgpu_priority_name(hello->priority),
                              hello->vm_id);
    /*
     * It fails when the peer has gone again, or too many descriptors of this user are under way at
     * once (unix(7), ETOOMANYREFS). Half a greeting is worth nothing: the next connection tries
     * again.
     */
    if (!vgpu_link_greet(s)) {
        qemu_chr_fe_disconnect(&s->link.chr);
    }
}

static void vgpu_link_take_state(VgpuStub *s, const struct vgpu_link_state *state)
{
    trace_vgpu_stub_link_state(vgpu_stub_name(s), state->pool, vgpu_priority_name(state->priority),
                               state->vm_id, vgpu_error_name(state->error), state->timeout_ms);
    s->pool = state->pool;
    s->priority = state->priority;
    s->vm_id = state->vm_id;
    s->link.error = state->error;
    s->link.timeout_ms = state->timeout_ms;
    s->link.ready = true;
    /* A request that no worker has yet is answered like the next one would be. */
    if (s->status == VGPU_STATUS_BUSY && !s->live.sent && state->error != VGPU_ERROR_NONE) {
        vgpu_request_fail(s, state->error);
    }
}

static bool vgpu_link_take_channel(VgpuStub *s)
{
    int fd = s->link.descriptor;
    int type = 0;
    socklen_t size = sizeof(type);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) {
        return false;
    }
    s->link.descriptor = -1;
    vgpu_channel_open(s, fd);
    return true;
}

/* Carries out one message. Returns false for one that a mediator never sends. */
static bool vgpu_link_take(VgpuStub *s, const uint8_t *bytes, size_t length)
{
    struct vgpu_link_message message;

    if (!vgpu_link_decode(bytes, length, &message)) {
        return false;
    }
    switch (message.type) {
    case VGPU_LINK_STATE:
        vgpu_link_take_state(s, &message.state);
        return true;
    case VGPU_LINK_CHANNEL:
        return vgpu_link_take_channel(s);
    case VGPU_LINK_REFUSE:
        vgpu_link_warn(s, "the mediator refuses this VM: %s", message.refuse.text);
        vgpu_link_down(s);
        return true;
    case VGPU_LINK_HELLO:
    case VGPU_LINK_QUEUE:
        break;
    }
    return false;
}

static int vgpu_link_can_receive(void *opaque)
{
    VgpuStub *s = opaque;

    /* Never 0: a message that fills the buffer is whole and has been taken out. */
    return sizeof(s->link.received) - s->link.received_length;
}

static void vgpu_link_receive(void *opaque, const uint8_t *bytes, int size)
{
    VgpuStub *s = opaque;
    VgpuLink *link = &s->link;
    int fd = qemu_chr_fe_get_msgfd(&link->chr);
    int frame;

    if (fd >= 0) {
        vgpu_link_drop_descriptor(s);
        link->descriptor = fd;
    }
    memcpy(link->received + link->received_length, bytes, size);
    link->received_length += size;

    while ((frame = vgpu_link_frame_length(link->received, link->received_length)) > 0 &&
           frame <= link->received_length) {
        if (!vgpu_link_take(s, link->received, frame)) {
            frame = -1;
            break;
        }
        link->received_length -= frame;
        memmove(link->received, link->received + frame, link->received_length);
    }

    if (frame < 0) {
        vgpu_link_warn(s, "the mediator sent a malformed message; its link is closed");
        qemu_chr_fe_disconnect(&link->chr);
    } else if (link->received_length == 0) {
        /* A descriptor rides on the last message that has come: this one was not a CHANNEL. */
        vgpu_link_drop_descriptor(s);
    }
}

static void vgpu_link_event(void *opaque, QEMUChrEvent event)
{
    VgpuStub *s = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        vgpu_link_say_hello(s);
        break;
    case CHR_EVENT_CLOSED:
        trace_vgpu_stub_link_close(vgpu_stub_name(s));
        s->link.received_length = 0;
        vgpu_link_drop_descriptor(s);
        vgpu_link_down(s);
        break;
    case CHR_EVENT_BREAK:
    case CHR_EVENT_MUX_IN:
    case CHR_EVENT_MUX_OUT:
        break;
    }
}

void vgpu_link_start(VgpuStub *s)
{
    qemu_chr_fe_set_handlers(&s->link.chr, vgpu_link_can_receive, vgpu_link_receive,
                             vgpu_link_event, NULL, s, NULL, true);
}

void vgpu_link_stop(VgpuStub *s)
{
    qemu_chr_fe_set_handlers(&s->link.chr, NULL, NULL, NULL, NULL, NULL, NULL, false);
    /* The chardev may outlive the device: its peer shall see that the device is gone. */
    qemu_chr_fe_disconnect(&s->link.chr);
    qemu_chr_fe_deinit(&s->link.chr, false);
    vgpu_link_drop_descriptor(s);
    vgpu_link_down(s);
    g_clear_pointer(&s->link.warned, g_free);
}
