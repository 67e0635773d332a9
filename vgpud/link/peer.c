/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t vgpu_peer_pid(int socket)
{
    struct ucred credentials;
    socklen_t length = sizeof(credentials);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        return 0;
    return credentials.pid;
}

/* 0 with @error set when there is no such number. */
static pid_t read_pid_file(const char *libvirt_run_dir, const char *name, GError **error)
{
    g_autofree char *file = g_strconcat(name, ".pid", NULL);
    g_autofree char *path = g_build_filename(libvirt_run_dir, file, NULL);
    g_autofree char *text = NULL;
    guint64 pid;

    /* libvirt allows no '/' in a name; here it would lead out of the folder. */
    if (strchr(name, '/') != NULL) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME, "'%s' is no domain name", name);
        return 0;
    }
    if (!g_file_get_contents(path, &text, NULL, error))
        return 0;
    if (!g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXINT32, &pid, error)) {
        g_prefix_error(error, "%s: ", path);
        return 0;
    }
    return (pid_t)pid;
}

int vgpu_peer_prove(pid_t pid, const char *libvirt_run_dir, const char *name, GError **error)
{
    /* The descriptor first: then the number in the file cannot mean a later process. */
    int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pidfd < 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s",
                    pid <= 0 || errno == ESRCH ? "its process is gone" : g_strerror(errno));
        return -1;
    }

    pid_t expected = read_pid_file(libvirt_run_dir, name, error);
    if (expected == pid)
        return pidfd;
    if (expected != 0)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "libvirt says that its QEMU is process %d", (int)expected);
    close(pidfd);
    return -1;
}

int vgpu_peer_find(const char *libvirt_run_dir, const char *name, pid_t *pid, GError **error)
{
    *pid = read_pid_file(libvirt_run_dir, name, error);
    return *pid != 0 ? vgpu_peer_prove(*pid, libvirt_run_dir, name, error) : -1;
}
