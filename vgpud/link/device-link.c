/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-link.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct VgpuDeviceLink {
    int fd;
    guint source;
    const VgpuDeviceLinkHandlers *handlers;
    gpointer user_data;
    gboolean greeted; /* hello is complete: nothing more is due */
    struct vgpu_link_hello hello;
    gsize length;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
};

static gboolean send_message(VgpuDeviceLink *self, const struct vgpu_link_message *message,
                             int descriptor)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    gsize length = vgpu_link_encode(message, bytes, sizeof(bytes));
    struct iovec vector = {.iov_base = bytes, .iov_len = length};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

    if (descriptor >= 0) {
        header.msg_control = control.space;
        header.msg_controllen = sizeof(control.space);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
    }
    return sendmsg(self->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (gssize)length;
}

static void refuse(VgpuDeviceLink *self, const char *text)
{
    struct vgpu_link_message message = {.type = VGPU_LINK_REFUSE};

    message.refuse.length = MIN(strlen(text), VGPU_LINK_REFUSE_TEXT_MAX);
    memcpy(message.refuse.text, text, message.refuse.length);
    send_message(self, &message, -1);
}

/*
 * Looks at what has come so far. Returns what is wrong with it, or NULL; @self->greeted tells
 * whether the one message that a device sends is complete.
 */
static char *take_hello(VgpuDeviceLink *self)
{
    struct vgpu_link_message message;

    if (self->greeted)
        return g_strdup("sent a message where none was due");

    int frame = vgpu_link_frame_length(self->bytes, self->length);
    if (frame < 0)
        return g_strdup("sent bytes that are no message");
    if (frame == 0 || (gsize)frame > self->length)
        return NULL;
    if (!vgpu_link_decode(self->bytes, self->length, &message) || message.type != VGPU_LINK_HELLO)
        return g_strdup("sent a malformed message");
    if (message.hello.link_version != VGPU_LINK_VERSION) {
        char *text =
            g_strdup_printf("vgpud speaks version %u of the device link, this QEMU version "
                            "%u: install vgpud and its QEMU from one release",
                            VGPU_LINK_VERSION, message.hello.link_version);
        refuse(self, text);
        return text;
    }
    self->hello = message.hello;
    self->greeted = TRUE;
    return NULL;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    VgpuDeviceLink *self = data;
    gssize got = recv(fd, self->bytes + self->length, sizeof(self->bytes) - self->length, 0);

    (void)condition;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;

    g_autofree char *reason = NULL;
    if (got > 0) {
        self->length += (gsize)got;
        reason = take_hello(self);
    }
    if (got <= 0 || reason != NULL) {
        self->source = 0;
        self->handlers->closed(reason, self->user_data); /* frees self */
        return G_SOURCE_REMOVE;
    }
    if (self->greeted) {
        self->length = 0;
        self->handlers->hello(&self->hello, self->user_data); /* may free self */
    }
    return G_SOURCE_CONTINUE;
}

VgpuDeviceLink *vgpu_device_link_new(int fd, const VgpuDeviceLinkHandlers *handlers,
                                     gpointer user_data)
{
    VgpuDeviceLink *self = g_new0(VgpuDeviceLink, 1);

    self->fd = fd;
    self->handlers = handlers;
    self->user_data = user_data;
    self->source = g_unix_fd_add(fd, G_IO_IN, on_readable, self);
    return self;
}

gboolean vgpu_device_link_send_state(VgpuDeviceLink *self, const struct vgpu_link_state *state)
{
    const struct vgpu_link_message message = {.type = VGPU_LINK_STATE, .state = *state};

    return send_message(self, &message, -1);
}

gboolean vgpu_device_link_send_channel(VgpuDeviceLink *self, int channel)
{
    const struct vgpu_link_message message = {.type = VGPU_LINK_CHANNEL};

    return send_message(self, &message, channel);
}

void vgpu_device_link_free(VgpuDeviceLink *self)
{
    if (self->source != 0)
        g_source_remove(self->source);
    close(self->fd);
    g_free(self);
}
