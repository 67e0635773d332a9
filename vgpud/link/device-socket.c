/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-socket.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* QEMU is the one client; what else connects is turned away at once. */
#define BACKLOG 4

struct VgpuDeviceSocket {
    char *path;
    int fd;
    guint source; /* on the socket, or the pause after a failure */
    VgpuDeviceSocketHandler handler;
    gpointer user_data;
};

static void listen_on(VgpuDeviceSocket *self);

static gboolean on_pause_over(gpointer data)
{
    listen_on(data);
    return G_SOURCE_REMOVE;
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer data)
{
    VgpuDeviceSocket *self = data;
    int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)condition;
    if (connection >= 0) {
        self->handler(connection, self->user_data);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        /* The connection stays in the backlog and would wake us without end. */
        g_warning("%s: cannot take a connection: %s; tried again in a second", self->path,
                  g_strerror(errno));
        self->source = g_timeout_add_seconds(1, on_pause_over, self);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void listen_on(VgpuDeviceSocket *self)
{
    self->source = g_unix_fd_add(self->fd, G_IO_IN, on_connection, self);
}

static gboolean bind_path(VgpuDeviceSocket *self, gid_t group, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(self->path) >= sizeof(address.sun_path)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "socket path '%s' is longer than the %zu bytes that the kernel allows; set a "
                    "shorter run-dir",
                    self->path, sizeof(address.sun_path) - 1);
        return FALSE;
    }
    strcpy(address.sun_path, self->path);
    unlink(self->path);

    /* The socket's mode becomes the file's at bind(): nobody gets in before the group is set. */
    if (fchmod(self->fd, 0600) < 0 ||
        bind(self->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chown(self->path, (uid_t)-1, group) < 0 || chmod(self->path, 0660) < 0 ||
        listen(self->fd, BACKLOG) < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot listen on %s: %s",
                    self->path, g_strerror(saved));
        return FALSE;
    }
    return TRUE;
}

VgpuDeviceSocket *vgpu_device_socket_new(const char *path, gid_t group,
                                         VgpuDeviceSocketHandler handler, gpointer user_data,
                                         GError **error)
{
    g_autoptr(VgpuDeviceSocket) self = g_new0(VgpuDeviceSocket, 1);

    self->path = g_strdup(path);
    self->handler = handler;
    self->user_data = user_data;
    self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->fd < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot make a socket: %s",
                    g_strerror(saved));
        return NULL;
    }
    if (!bind_path(self, group, error))
        return NULL;
    listen_on(self);
    return g_steal_pointer(&self);
}

void vgpu_device_socket_free(VgpuDeviceSocket *self)
{
    if (self->source != 0) {
        g_source_remove(self->source);
        unlink(self->path);
    }
    if (self->fd >= 0)
        close(self->fd);
    g_free(self->path);
    g_free(self);
}

gboolean vgpu_device_socket_group(const char *name, gid_t *group, GError **error)
{
    static const char *const usual[] = {"libvirt-qemu", "qemu", "kvm"};

    for (gsize i = 0; i < (name != NULL ? 1 : G_N_ELEMENTS(usual)); i++) {
        const struct group *entry = getgrnam(name != NULL ? name : usual[i]);
        if (entry != NULL) {
            *group = entry->gr_gid;
            return TRUE;
        }
    }
    if (name != NULL)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "socket-group: there is no group '%s' on this host", name);
    else
        g_set_error_literal(
            error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
            "none of the groups libvirt-qemu, qemu and kvm exists; set socket-group "
            "to the group that QEMU runs in");
    return FALSE;
}
