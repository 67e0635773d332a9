/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Hook programs that may wait to be accepted: libvirt starts many domains at once after a boot. */
#define BACKLOG 256

int vgpu_hook_socket_lock(const char *run_dir, GError **error)
{
    int fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
                    "cannot open the run directory %s: %s", run_dir, g_strerror(saved));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int saved = errno;
        if (saved == EWOULDBLOCK)
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                        "another vgpud is running on %s: stop it first, or set another run-dir",
                        run_dir);
        else
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot lock %s: %s",
                        run_dir, g_strerror(saved));
        close(fd);
        return -1;
    }
    return fd;
}

/* With the lock held, a socket that is there is a dead vgpud's. Nothing else is removed. */
static gboolean remove_stale(const char *path, GError **error)
{
    GStatBuf st;

    if (g_lstat(path, &st) < 0) {
        if (errno == ENOENT)
            return TRUE;
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot look at %s: %s", path,
                    g_strerror(saved));
        return FALSE;
    }
    if (!S_ISSOCK(st.st_mode)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "%s is in the way: it is not a socket; remove it", path);
        return FALSE;
    }
    if (g_unlink(path) < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
                    "cannot remove the old socket %s: %s", path, g_strerror(saved));
        return FALSE;
    }
    return TRUE;
}

GSocket *vgpu_hook_socket_listen(const char *path, GError **error)
{
    if (!remove_stale(path, error))
        return NULL;
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "%s is too long for a socket: choose a shorter run-dir", path);
        return NULL;
    }

    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
    if (socket == NULL)
        return NULL;

    /* On Linux the file gets the mode that the socket has when it is bound: there is no moment in
     * which somebody else may connect, and no umask to be changed under other threads. */
    if (fchmod(g_socket_get_fd(socket), 0600) < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
                    "cannot set the mode of a socket: %s", g_strerror(saved));
        return NULL;
    }

    g_socket_set_listen_backlog(socket, BACKLOG);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    if (!g_socket_bind(socket, address, FALSE, error) || !g_socket_listen(socket, error)) {
        g_prefix_error(error, "cannot listen on %s: ", path);
        return NULL;
    }
    g_socket_set_blocking(socket, FALSE);
    return g_steal_pointer(&socket);
}
