/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup" /* systemd's "Control Group APIs and Delegation" */
#define OWN   "vgpud"
#define CHILD "worker-"

/* Threads of a worker: PoCL has one per core. The same number as the worker's RLIMIT_NPROC. */
#define MAX_THREADS "4096"

static char *group; /* GROUP; NULL: there is none */

static gboolean fail(GError **error, const char *what)
{
    const int saved = errno;

    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(saved), "%s: %s", what,
                g_strerror(saved));
    return FALSE;
}

static gboolean write_value(const char *folder, const char *name, const char *value, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const gboolean written = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

    if (!written)
        fail(error, path);
    if (fd >= 0)
        close(fd);
    return written;
}

static gboolean has(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return access(path, F_OK) == 0;
}

static gboolean write_number(const char *folder, const char *name, guint64 value, GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    return write_value(folder, name, text, error);
}

static char *child_of(pid_t pid)
{
    return g_strdup_printf("%s/" CHILD "%d", group, (int)pid);
}

/* Removes the groups of workers that are no more; the kernel refuses for the others. */
static void sweep(void)
{
    g_autoptr(GDir) dir = g_dir_open(group, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(group, name, NULL);
        if (g_str_has_prefix(name, CHILD))
            rmdir(path);
    }
}

static gboolean is_cgroup2(const char *path)
{
    struct statfs status;

    return statfs(path, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

gboolean vgpu_worker_cgroup_use(const char *path, GError **error)
{
    if (!is_cgroup2(path)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "%s is not of cgroup v2", path);
        return FALSE;
    }
    if (!write_value(path, "cgroup.subtree_control", "+memory +pids", error))
        return FALSE;
    g_free(group);
    group = g_strdup(path);
    sweep();
    return TRUE;
}

/* The folder of the group that we are in. */
static char *find_own(GError **error)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/self/cgroup", &text, NULL, error))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL && is_cgroup2(MOUNT); line++)
        if (g_str_has_prefix(*line, "0::/"))
            return g_build_filename(MOUNT, *line + strlen("0::"), NULL);
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "there is no cgroup v2 at " MOUNT);
    return NULL;
}

/* systemd marks what it delegates; in any other group there are processes that are not ours. */
static gboolean is_delegated(const char *path)
{
    static const char *const marks[] = {"trusted.delegate", "user.delegate"};
    char value[2];

    for (gsize i = 0; i < G_N_ELEMENTS(marks); i++)
        if (getxattr(path, marks[i], value, sizeof(value)) == 1 && value[0] == '1')
            return TRUE;
    return FALSE;
}

gboolean vgpu_worker_cgroup_setup(GError **error)
{
    g_autofree char *own = find_own(error);

    if (own == NULL)
        return FALSE;
    if (!is_delegated(own)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM,
                    "%s is not delegated to vgpud (Delegate= of its unit)", own);
        return FALSE;
    }
    g_autofree char *below = g_build_filename(own, OWN, NULL);
    if (mkdir(below, 0755) < 0 && errno != EEXIST)
        return fail(error, below);
    if (!write_number(below, "cgroup.procs", (guint64)getpid(), error))
        return FALSE;
    if (vgpu_worker_cgroup_use(own, error))
        return TRUE;
    write_number(own, "cgroup.procs", (guint64)getpid(), NULL);
    rmdir(below);
    return FALSE;
}

gboolean vgpu_worker_cgroup_is_ready(void)
{
    return group != NULL;
}

static gboolean set_limits(const char *path, guint memory_mib, GError **error)
{
    if (memory_mib > 0 && !write_number(path, "memory.max", (guint64)memory_mib << 20, error))
        return FALSE;
    /* Else it would go on into the host's swap. Not there without swap accounting. */
    if (memory_mib > 0 && has(path, "memory.swap.max") &&
        !write_value(path, "memory.swap.max", "0", error))
        return FALSE;
    return write_value(path, "memory.oom.group", "1", error) &&
           write_value(path, "pids.max", MAX_THREADS, error);
}

gboolean vgpu_worker_cgroup_add(pid_t pid, guint memory_mib, GError **error)
{
    g_autofree char *path = child_of(pid);

    g_assert(group != NULL);
    sweep(); /* also one of this number */
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return fail(error, path);
    if (set_limits(path, memory_mib, error) &&
        write_number(path, "cgroup.procs", (guint64)pid, error))
        return TRUE;
    rmdir(path);
    return FALSE;
}

/* Whether memory.events counts a kill. */
static gboolean was_killed(const char *path)
{
    g_autofree char *file = g_build_filename(path, "memory.events", NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(file, &text, NULL, NULL))
        return FALSE;
    const char *kills = strstr(text, "oom_kill ");
    return kills != NULL && g_ascii_strtoull(kills + strlen("oom_kill "), NULL, 10) > 0;
}

gboolean vgpu_worker_cgroup_remove(pid_t pid)
{
    if (group == NULL)
        return FALSE;
    g_autofree char *path = child_of(pid);
    const gboolean killed = was_killed(path);
    sweep();
    return killed;
}
