/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: the channel, a seqpacket socket whose other end is the worker's. The worker runs the
 * guest's work and is trusted no more than the guest.
 *
 * The socket's own flags belong to whoever made it, so each call says MSG_DONTWAIT.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"

#include <sys/socket.h>

#include "trace.h"
#include "vgpu-stub.h"

static bool vgpu_channel_is_live(VgpuStub *s, const struct vgpu_channel_header *header)
{
    return s->status == VGPU_STATUS_BUSY && s->live.sent && header->sequence == s->sequence;
}

static void vgpu_channel_readable(void *opaque)
{
    VgpuStub *s = opaque;
    uint8_t packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;
    ssize_t length;

    /* MSG_TRUNC: the length of the whole packet, so that one that is too long shows. */
    length = recv(s->channel, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (length <= 0) {
        vgpu_channel_close(s);
        return;
    }

    bool valid = vgpu_channel_decode(packet, length, &header);
    if (valid && header.type == VGPU_CHANNEL_READY && vgpu_queues_open(s)) {
        return;
    }
    if (!valid ||
        (header.type != VGPU_CHANNEL_RESPONSE && header.type != VGPU_CHANNEL_WAITS)) {
        vgpu_link_warn(s, "the worker sent a malformed packet; its channel is closed");
        vgpu_channel_close(s);
        return;
    }
    if (!vgpu_channel_is_live(s, &header)) {
        trace_vgpu_stub_channel_drop(vgpu_stub_name(s), header.sequence, s->sequence);
        return;
    }
    if (header.type == VGPU_CHANNEL_WAITS) {
        vgpu_request_extend(s);
        return;
    }
    vgpu_request_finish(s, header.error, packet + sizeof(header), header.length);
}

static void vgpu_channel_writable(void *opaque)
{
    VgpuStub *s = opaque;

    qemu_set_fd_handler(s->channel, vgpu_channel_readable, NULL, s);
    vgpu_channel_send(s);
}

void vgpu_channel_send(VgpuStub *s)
{
    if (s->channel < 0 || s->status != VGPU_STATUS_BUSY || s->live.sent) {
        return;
    }

    ssize_t sent = send(s->channel, s->live.packet, s->live.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == (ssize_t)s->live.length) {
        s->live.sent = true;
        trace_vgpu_stub_channel_send(vgpu_stub_name(s), s->sequence);
    } else if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        /* A guest that resets and submits in a loop fills the socket of a slow worker. */
        qemu_set_fd_handler(s->channel, vgpu_channel_readable, vgpu_channel_writable, s);
    } else {
        /* The worker is gone, the next one gets the request. */
        vgpu_channel_close(s);
    }
}

void vgpu_channel_open(VgpuStub *s, int fd)
{
    vgpu_channel_close(s);
    s->channel = fd;
    trace_vgpu_stub_channel_open(vgpu_stub_name(s), fd);
    qemu_set_fd_handler(fd, vgpu_channel_readable, NULL, s);
    vgpu_channel_send(s);
}

void vgpu_channel_close(VgpuStub *s)
{
    if (s->channel < 0) {
        return;
    }

    trace_vgpu_stub_channel_close(vgpu_stub_name(s), s->channel);
    qemu_set_fd_handler(s->channel, NULL, NULL, NULL);
    close(s->channel);
    s->channel = -1;
    vgpu_queues_close(s);
    if (s->status == VGPU_STATUS_BUSY && s->live.sent) {
        vgpu_request_fail(s, VGPU_ERROR_EXECUTION_FAILED);
    }
}
