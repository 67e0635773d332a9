/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * mount_setattr(2), Linux 5.12. The C library knows it since 2.36 only, so its numbers are written
 * out here; they are the kernel's, <linux/mount.h>.
 */
struct mount_attributes {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t userns_fd;
};
#define ATTRIBUTE_READ_ONLY 0x1u
#define ATTRIBUTE_NO_SUID   0x2u
#define ATTRIBUTE_NO_DEV    0x4u
#define RECURSIVE           0x8000u /* AT_RECURSIVE */

static int set_attributes(const char *path, unsigned int flags, struct mount_attributes attributes)
{
    return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attributes, sizeof(attributes));
}

/* Lays a small empty file system over @path, where there is such a folder. */
static gboolean cover(const char *path, const char *options, GError **error)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    g_autofree char *what = g_strdup_printf("hiding %s", path);

    if (mount("tmpfs", path, "tmpfs", flags, options) == 0 || errno == ENOENT)
        return TRUE;
    return vgpu_sandbox_step(-1, what, error);
}

/* What no driver needs and others keep secrets or sockets in. */
static const char *const hidden[] = {
    "/etc",
    "/home",
    "/root",
    "/run",
    "/var",
    "/boot",
    "/mnt",
    "/media",
    "/srv",
    /* What other VMs there are, and the kernel's insides. */
    "/sys/fs/cgroup",
    "/sys/fs/bpf",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
};

/* Nodes that every user may open on some hosts, and that lead deep into the kernel. */
static const char *const hidden_nodes[] = {
    "/dev/autofs",       "/dev/cuse",      "/dev/fuse",        "/dev/kmsg",  "/dev/kvm",
    "/dev/loop-control", "/dev/net/tun",   "/dev/ptmx",        "/dev/uhid",  "/dev/uinput",
    "/dev/userfaultfd",  "/dev/vhost-net", "/dev/vhost-vsock", "/dev/vsock",
};

/* What stays in sight all the same, where it is there: how drivers and libraries are found. */
static const char *const kept[] = {
    "/etc/OpenCL",       "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/localtime",    "/etc/nvidia",      "/etc/os-release",
};

/* Where some drivers put files; each worker has its own, which go with it. */
static const char *const scratch[] = {"/tmp", "/dev/shm"};

/* Where there is such a node, there is one without anything behind it. */
static gboolean cover_node(const char *path, GError **error)
{
    g_autofree char *what = g_strdup_printf("hiding %s", path);

    return !g_file_test(path, G_FILE_TEST_EXISTS) ||
           vgpu_sandbox_step(mount("/dev/null", path, NULL, MS_BIND, NULL), what, error);
}

static gboolean cover_all(GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hidden_nodes); i++)
        if (!cover_node(hidden_nodes[i], error))
            return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(hidden); i++)
        if (!cover(hidden[i], "size=1m,mode=755", error))
            return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(scratch); i++)
        if (!cover(scratch[i], "size=64m,mode=1777", error))
            return FALSE;
    /* A fresh view of /proc, without the processes of other users (hidepid by mount: 5.8). */
    return vgpu_sandbox_step(
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2"),
        "mounting /proc", error);
}

/* An empty file or folder at @path, for what @fd holds to be mounted on. */
static int make_place(int fd, const char *path)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -1;
    if (S_ISDIR(status.st_mode))
        return g_mkdir_with_parents(path, 0755);
    int file = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    return file < 0 ? -1 : close(file);
}

/* Puts what @fd holds back in sight at @path, as a mount of its own. */
static gboolean restore(int fd, const char *path, GError **error)
{
    g_autofree char *source = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *place = g_strdup_printf("making the place of %s", path);
    g_autofree char *mounting = g_strdup_printf("mounting %s", path);

    return vgpu_sandbox_step(make_place(fd, path), place, error) &&
           vgpu_sandbox_step(mount(source, path, NULL, MS_BIND, NULL), mounting, error);
}

static gboolean make_writable(const char *path, GError **error)
{
    const struct mount_attributes writable = {.set = ATTRIBUTE_NO_SUID | ATTRIBUTE_NO_DEV,
                                              .clear = ATTRIBUTE_READ_ONLY};

    return vgpu_sandbox_step(set_attributes(path, 0, writable), "leaving a folder writable", error);
}

static gboolean make_read_only(const char *cache_path, GError **error)
{
    const struct mount_attributes read_only = {.set = ATTRIBUTE_READ_ONLY | ATTRIBUTE_NO_SUID};

    if (!vgpu_sandbox_step(set_attributes("/", RECURSIVE, read_only),
                           "making all mounts read-only (needs Linux 5.12)", error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(scratch); i++)
        if (g_file_test(scratch[i], G_FILE_TEST_IS_DIR) && !make_writable(scratch[i], error))
            return FALSE;
    return cache_path == NULL || make_writable(cache_path, error);
}

static void close_all(int *fds, gsize count)
{
    for (gsize i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Hides what is to be hidden, and puts back what is kept and @fd, the folder @path. */
static gboolean hide(int fd, const char *path, GError **error)
{
    int fds[G_N_ELEMENTS(kept)];

    for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
        fds[i] = open(kept[i], O_PATH | O_CLOEXEC);
    gboolean done = cover_all(error) && (path == NULL || restore(fd, path, error));
    for (gsize i = 0; done && i < G_N_ELEMENTS(kept); i++)
        done = fds[i] < 0 || restore(fds[i], kept[i], error);
    close_all(fds, G_N_ELEMENTS(kept));
    return done;
}

/* The mounts, seen from the inside of the new namespace. @cache_dir may be NULL. */
static gboolean arrange_mounts(const char *cache_dir, GError **error)
{
    g_autofree char *path = NULL;
    int fd = -1;

    if (!vgpu_sandbox_step(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
                           "making mounts private", error))
        return FALSE;
    if (cache_dir != NULL) {
        path = realpath(cache_dir, NULL);
        fd = path != NULL ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        if (!vgpu_sandbox_step(fd, "opening the cache folder", error))
            return FALSE;
    }

    gboolean arranged = hide(fd, path, error) && make_read_only(path, error);
    close_all(&fd, 1);
    return arranged;
}

gboolean vgpu_sandbox_enter_namespaces(const char *cache_dir, GError **error)
{
    umask(022); /* the folders on the way to the cache must let the worker through */
    return vgpu_sandbox_step(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS),
                             "entering new namespaces", error) &&
           arrange_mounts(cache_dir, error) && vgpu_sandbox_step(chdir("/"), "going to /", error);
}
