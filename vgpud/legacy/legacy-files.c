/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "legacy-files.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the place of an errno: none that opening a regular file could give. */
#define NOT_REGULAR ENOTBLK

static VgpuLegacyFilesResult fail(GError **error, const char *what, const char *name, int code)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "cannot %s %s: %s", what, name,
                g_strerror(code));
    return VGPU_LEGACY_FILES_FAILED;
}

/* Opens a regular file to read. Returns the descriptor, or what fails as a negative errno. */
static int open_regular(int dir, const char *name, struct stat *info)
{
    /* Opening a device or a FIFO may already do something, so look at it first. */
    const int path = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int fd;

    if (path < 0)
        return -errno;
    if (fstat(path, info) < 0) {
        fd = -errno;
    } else if (!S_ISREG(info->st_mode)) {
        fd = -NOT_REGULAR;
    } else {
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
        /* O_NONBLOCK: a lease gives EWOULDBLOCK, and is asked back. */
        fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            fd = -errno;
    }
    close(path);
    return fd;
}

/* What stands in the file @name: how far it is a request, or a negative errno. */
static int read_request(int dir, const char *name, struct stat *info, VgpuLegacyLine *line)
{
    char bytes[VGPU_LEGACY_LINE_MAX];
    const int fd = open_regular(dir, name, info);

    if (fd < 0)
        return fd;
    const ssize_t length = pread(fd, bytes, sizeof(bytes), 0);
    const int failure = errno;
    close(fd);
    return length < 0 ? -failure : (int)vgpu_legacy_line_parse(bytes, (gsize)length, line);
}

static gboolean is_there(int dir, const char *name, ino_t *inode)
{
    struct stat info;

    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return FALSE;
    *inode = info.st_ino;
    return TRUE;
}

/* Gives the request its new name. Returns FALSE with errno set. */
static gboolean claim(int dir, ino_t inode)
{
    ino_t left;

    if (renameat(dir, VGPU_LEGACY_REQUEST, dir, VGPU_LEGACY_TAKEN) < 0)
        return FALSE;
    /* Where both names are links to one file rename() does nothing, and says so to nobody. */
    if (is_there(dir, VGPU_LEGACY_REQUEST, &left) && left == inode) {
        errno = EMLINK;
        return FALSE;
    }
    return TRUE;
}

VgpuLegacyFilesResult vgpu_legacy_files_take(int dir, VgpuLegacyTaken *taken, GError **error)
{
    struct stat info;
    int result = read_request(dir, VGPU_LEGACY_REQUEST, &info, &taken->line);

    if (result == -ENOENT || result == VGPU_LEGACY_LINE_PARTIAL)
        return VGPU_LEGACY_FILES_NONE;
    if (result == -EWOULDBLOCK)
        return VGPU_LEGACY_FILES_AGAIN;
    if (result == -NOT_REGULAR) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
                            VGPU_LEGACY_REQUEST " is not a regular file");
        return VGPU_LEGACY_FILES_FAILED;
    }
    if (result < 0)
        return fail(error, "read", VGPU_LEGACY_REQUEST, -result);

    taken->written_ns = (gint64)info.st_ctim.tv_sec * 1000000000 + info.st_ctim.tv_nsec;
    /* First, so that who sees the request gone sees no old answer. A failure is the guest's loss.
     */
    unlinkat(dir, VGPU_LEGACY_RESPONSE, 0);
    if (!claim(dir, info.st_ino))
        return fail(error, "take away", VGPU_LEGACY_REQUEST, errno);
    /* Only now nobody can put another one in its place: what counts is what it says now. */
    result = read_request(dir, VGPU_LEGACY_TAKEN, &info, &taken->line);
    taken->is_valid = result == VGPU_LEGACY_LINE_OK;
    taken->uid = info.st_uid;
    taken->gid = info.st_gid;
    return VGPU_LEGACY_FILES_TAKEN;
}

static gboolean write_new(int dir, const VgpuLegacyTaken *taken, const char *text)
{
    const gsize length = strlen(text);
    /* O_EXCL: never an existing file, and no link is followed. */
    const int fd = openat(dir, VGPU_LEGACY_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return FALSE;
    const ssize_t written = write(fd, text, length);
    if (written >= 0 && (gsize)written < length)
        errno = ENOSPC;
    const gboolean done = written == (ssize_t)length && fchmod(fd, 0644) == 0;
    const int failure = errno;
    /* Where there are no owners it cannot be, and need not: everyone may read it. */
    if (fchown(fd, taken->uid, taken->gid) < 0)
        g_debug("%s keeps its owner: %s", VGPU_LEGACY_RESPONSE, g_strerror(errno));
    close(fd);
    errno = failure;
    return done;
}

gboolean vgpu_legacy_files_answer(int dir, const VgpuLegacyTaken *taken, const char *text,
                                  GError **error)
{
    ino_t next;

    if (is_there(dir, VGPU_LEGACY_REQUEST, &next))
        return TRUE;
    unlinkat(dir, VGPU_LEGACY_NEW, 0); /* of a vgpud that was killed, or the guest's */
    if (!write_new(dir, taken, text) ||
        renameat(dir, VGPU_LEGACY_NEW, dir, VGPU_LEGACY_RESPONSE) < 0) {
        fail(error, "write", VGPU_LEGACY_RESPONSE, errno);
        unlinkat(dir, VGPU_LEGACY_NEW, 0);
        return FALSE;
    }
    return TRUE;
}
