/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-link.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vgpu-hash.h"

#define MAX_DESCRIPTORS 2u /* of one message: QUEUE's */

struct VgpuDeviceLink {
    int fd;
    guint source;
    const VgpuDeviceLinkHandlers *handlers;
    gpointer user_data;
    gboolean greeted; /* the greeting is complete: nothing more is due */
    gboolean has_hello;
    struct vgpu_link_hello hello;
    VgpuShare *share; /* NULL: no queues, or nothing of them has come yet */
    gsize length;     /* of the message that is under way, */
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    guint n_descriptors; /* and what has come with it */
    int descriptors[MAX_DESCRIPTORS];
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

static void drop_descriptors(VgpuDeviceLink *self)
{
    for (guint i = 0; i < self->n_descriptors; i++)
        close(self->descriptors[i]);
    self->n_descriptors = 0;
}

/* Returns what is wrong, which QEMU has been told then, or NULL when its HELLO is of our kind. */
static char *refuse_stranger(VgpuDeviceLink *self, const struct vgpu_link_hello *hello)
{
    const guint64 ours = VGPU_PROTOCOL_HASH;
    char *reason = NULL;

    if (hello->link_version != VGPU_LINK_VERSION)
        reason = g_strdup_printf("speaks version %u of the device link, vgpud version %u",
                                 hello->link_version, VGPU_LINK_VERSION);
    else if (hello->protocol_hash != ours)
        reason = g_strdup_printf("was built with protocol %016" G_GINT64_MODIFIER
                                 "x, vgpud with %016" G_GINT64_MODIFIER "x",
                                 hello->protocol_hash, ours);
    if (reason != NULL) {
        g_autofree char *text = g_strdup_printf(
            "this QEMU %s: install both from one release, and restart the VM so that it runs the "
            "installed emulator",
            reason);
        refuse(self, text);
    }
    return reason;
}

static char *take_hello(VgpuDeviceLink *self, const struct vgpu_link_hello *hello)
{
    const guint due = hello->queues > 0 ? 1 : 0;
    g_autoptr(GError) error = NULL;
    char *stranger = refuse_stranger(self, hello);

    if (stranger != NULL)
        return stranger;
    if (self->n_descriptors != due)
        return g_strdup_printf("sent %u descriptors with HELLO where %u were due",
                               self->n_descriptors, due);
    self->hello = *hello;
    self->has_hello = TRUE;
    if (due > 0) {
        self->n_descriptors = 0;
        self->share = vgpu_share_new(hello, self->descriptors[0], &error);
        if (self->share == NULL)
            return g_strdup(error->message);
    }
    return NULL;
}

static char *take_queue(VgpuDeviceLink *self, const struct vgpu_link_queue *queue)
{
    g_autoptr(GError) error = NULL;

    if (self->n_descriptors != 2)
        return g_strdup_printf("sent %u descriptors with a queue where 2 were due",
                               self->n_descriptors);
    self->n_descriptors = 0;
    if (!vgpu_share_add_queue(self->share, queue->index, self->descriptors[0], self->descriptors[1],
                              &error))
        return g_strdup(error->message);
    return NULL;
}

/* Takes the whole message that has come. Returns what is wrong with it, or NULL. */
static char *take_message(VgpuDeviceLink *self)
{
    struct vgpu_link_message message;
    char *reason;

    if (!vgpu_link_decode(self->bytes, self->length, &message) ||
        message.type != (self->has_hello ? VGPU_LINK_QUEUE : VGPU_LINK_HELLO))
        return g_strdup("sent a malformed message");
    if (self->has_hello)
        reason = take_queue(self, &message.queue);
    else
        reason = take_hello(self, &message.hello);
    self->length = 0;
    self->greeted = reason == NULL && (self->share == NULL || vgpu_share_is_complete(self->share));
    return reason;
}

/* Bytes that the message under way still lacks as far as is known; at least 1. */
static gsize missing(const VgpuDeviceLink *self)
{
    int frame = vgpu_link_frame_length(self->bytes, self->length);

    return (frame > 0 ? (gsize)frame : sizeof(struct vgpu_link_header)) - self->length;
}

/*
 * Reads not further than to the message's end, so that the descriptors that come are its own. As
 * recv(); @reason is set when the descriptors are not what they may be.
 */
static gssize receive(VgpuDeviceLink *self, char **reason)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = self->bytes + self->length, .iov_len = missing(self)};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.space,
                            .msg_controllen = sizeof(control.space)};
    gssize got = recvmsg(self->fd, &header, MSG_CMSG_CLOEXEC);
    gboolean surplus = got >= 0 && (header.msg_flags & MSG_CTRUNC) != 0;

    if (got < 0)
        return got;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (gsize i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (self->n_descriptors < MAX_DESCRIPTORS) {
                self->descriptors[self->n_descriptors++] = fd;
            } else {
                surplus = TRUE;
                close(fd);
            }
        }
    }
    /* Too few of ours are free, or too many were sent: the kernel does not tell which. */
    if (surplus)
        *reason = g_strdup("sent more descriptors than could be taken");
    return got;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    VgpuDeviceLink *self = data;
    g_autofree char *reason = NULL;
    gssize got = receive(self, &reason);

    (void)fd;
    (void)condition;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;

    if (got > 0 && reason == NULL) {
        self->length += (gsize)got;
        if (self->greeted)
            reason = g_strdup("sent a message where none was due");
        else if (vgpu_link_frame_length(self->bytes, self->length) < 0)
            reason = g_strdup("sent bytes that are no message");
        else if (vgpu_link_frame_length(self->bytes, self->length) == (int)self->length)
            reason = take_message(self);
    }
    if (got <= 0 || reason != NULL) {
        self->source = 0;
        self->handlers->closed(reason, self->user_data); /* frees self */
        return G_SOURCE_REMOVE;
    }
    if (self->greeted)
        self->handlers->hello(&self->hello, self->user_data); /* may free self */
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

const VgpuShare *vgpu_device_link_share(const VgpuDeviceLink *self)
{
    return self->share;
}

void vgpu_device_link_free(VgpuDeviceLink *self)
{
    if (self->source != 0)
        g_source_remove(self->source);
    drop_descriptors(self);
    g_clear_pointer(&self->share, vgpu_share_free);
    close(self->fd);
    g_free(self);
}
