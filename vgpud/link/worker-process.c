/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-process.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker-cgroup.h"

/* Where the worker finds what it was given. */
#define CHANNEL_FD 3
#define PAGE_FD    4
#define SHM_FD     5 /* the share's descriptors, one behind the other */
#define QUEUE_FDS  6
#define AFTER_LAST (QUEUE_FDS + 2 * (int)VGPU_QUEUE_MAX)

struct VgpuWorkerProcess {
    GSubprocess *process;
    GCancellable *forgotten;
    pid_t pid;
    VgpuWorkerEnded ended;
    gpointer user_data;
};

static gboolean fail(GError **error, const char *what)
{
    int saved = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "%s: %s", what, g_strerror(saved));
    return FALSE;
}

/*
 * The folder for compiled kernels. It is the VM's own, and bears the uid in its name: what a former
 * VM of that number left behind is never another's to run.
 */
static char *make_cache_dir(const VgpuSession *session, const VgpuSettings *settings, uid_t uid,
                            GError **error)
{
    g_autofree char *name = g_strdup_printf("%s-%u", session->uuid, uid);
    g_autofree char *path = g_build_filename(settings->cache_dir, name, NULL);

    if (g_mkdir(path, 0700) == 0) {
        if (chown(path, uid, uid) < 0) {
            fail(error, path);
            g_rmdir(path);
            return NULL;
        }
    } else if (errno != EEXIST) {
        fail(error, path);
        return NULL;
    }
    return g_steal_pointer(&path);
}

/* The groups' numbers, separated by commas; one that this host does not have opens nothing here. */
static char *group_numbers(char **names)
{
    GString *numbers = g_string_new(NULL);

    for (char **name = names; *name != NULL; name++) {
        const struct group *entry = getgrnam(*name);
        if (entry != NULL)
            g_string_append_printf(numbers, "%s%u", numbers->len > 0 ? "," : "", entry->gr_gid);
    }
    return g_string_free(numbers, FALSE);
}

static char **make_arguments(const VgpuSession *session, const VgpuSettings *settings,
                             const VgpuShare *share, const char *cache_dir, uid_t uid)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

#define ADD(option, ...)                                                                           \
    do {                                                                                           \
        g_autofree char *value = g_strdup_printf(__VA_ARGS__);                                     \
        g_strv_builder_add_many(builder, option, value, NULL);                                     \
    } while (0)

    g_strv_builder_add(builder, settings->worker);
    ADD("--name", "%s", session->name);
    ADD("--vm-id", "%u", session->vm_id);
    ADD("--backend", "%s", session->member->backend);
    ADD("--device", "%s", session->member->device);
    ADD("--timeout-ms", "%u", settings->request_timeout_ms);
    ADD("--uid", "%u", uid);
    ADD("--gid", "%u", uid);
    g_autofree char *groups = group_numbers(settings->worker_groups);
    ADD("--groups", "%s", groups);
    ADD("--cache-dir", "%s", cache_dir);
    ADD("--channel-fd", "%d", CHANNEL_FD);
    ADD("--page-fd", "%d", PAGE_FD);
    ADD("--max-data-mib", "%u", settings->worker_memory_mib);
    if (share != NULL) {
        ADD("--queues", "%u", vgpu_share_queues(share));
        ADD("--shm-size", "%" G_GUINT64_FORMAT, vgpu_share_size(share));
        ADD("--shm-fd", "%d", SHM_FD);
        ADD("--queue-fds", "%d", QUEUE_FDS);
    }
#undef ADD
    return g_strv_builder_end(builder);
}

static char *describe_end(GSubprocess *process)
{
    if (g_subprocess_get_if_signaled(process))
        return g_strdup_printf("killed by signal %d (%s)", g_subprocess_get_term_sig(process),
                               g_strsignal(g_subprocess_get_term_sig(process)));
    return g_strdup_printf("exit status %d", g_subprocess_get_exit_status(process));
}

static void on_process_end(GObject *source, GAsyncResult *result, gpointer data)
{
    GSubprocess *process = G_SUBPROCESS(source);
    g_autoptr(GError) error = NULL;

    /* Cancelled: freed meanwhile, so @data is not to be touched. */
    if (!g_subprocess_wait_finish(process, result, &error))
        return;

    VgpuWorkerProcess *self = data;
    gboolean clean =
        g_subprocess_get_if_exited(process) && g_subprocess_get_exit_status(process) == 0;
    g_autofree char *how = vgpu_worker_cgroup_remove(self->pid)
                               ? g_strdup("killed by the kernel: it passed worker-memory-mib")
                               : describe_end(process);
    self->pid = 0;
    self->ended(clean, how, self->user_data); /* frees self */
}

/* The worker finds what @fd is at @target. */
static gboolean hand_over(GSubprocessLauncher *launcher, int fd, int target, GError **error)
{
    /* Beyond all targets, so that none is in the way of another. */
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, AFTER_LAST);

    if (copy < 0)
        return fail(error, "cannot hand over a descriptor");
    g_subprocess_launcher_take_fd(launcher, copy, target);
    return TRUE;
}

static GSubprocess *spawn(const VgpuSession *session, const VgpuShare *share, char **arguments,
                          int channel, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    guint shared = share != NULL ? 1 + 2 * vgpu_share_queues(share) : 0;

    if (!hand_over(launcher, channel, CHANNEL_FD, error) ||
        !hand_over(launcher, session->page_fd, PAGE_FD, error))
        return NULL;
    for (guint i = 0; i < shared; i++) {
        if (!hand_over(launcher, vgpu_share_descriptors(share)[i], SHM_FD + (int)i, error))
            return NULL;
    }
    return g_subprocess_launcher_spawnv(launcher, (const char *const *)arguments, error);
}

static pid_t pid_of(GSubprocess *process)
{
    return (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(process), NULL, 10);
}

/* Into a control group of its own, where there are any; long before a guest is served. */
static gboolean confine(GSubprocess *process, const VgpuSettings *settings, GError **error)
{
    if (!vgpu_worker_cgroup_is_ready() ||
        vgpu_worker_cgroup_add(pid_of(process), settings->worker_memory_mib, error))
        return TRUE;
    g_prefix_error(error, "the worker's control group: ");
    g_subprocess_force_exit(process);
    return FALSE;
}

VgpuWorkerProcess *vgpu_worker_process_new(const VgpuSession *session, const VgpuSettings *settings,
                                           const VgpuShare *share, int *channel,
                                           VgpuWorkerEnded ended, gpointer user_data,
                                           GError **error)
{
    uid_t uid = settings->worker_uid_base + session->vm_id;
    g_autofree char *cache_dir = make_cache_dir(session, settings, uid, error);
    int pair[2];

    if (cache_dir == NULL)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        fail(error, "cannot make a channel");
        return NULL;
    }

    g_auto(GStrv) arguments = make_arguments(session, settings, share, cache_dir, uid);
    g_autoptr(GSubprocess) process = spawn(session, share, arguments, pair[1], error);
    close(pair[1]);
    if (process == NULL || !confine(process, settings, error)) {
        close(pair[0]);
        return NULL;
    }

    VgpuWorkerProcess *self = g_new0(VgpuWorkerProcess, 1);
    self->pid = pid_of(process);
    self->process = g_steal_pointer(&process);
    self->forgotten = g_cancellable_new();
    self->ended = ended;
    self->user_data = user_data;
    g_subprocess_wait_async(self->process, self->forgotten, on_process_end, self);
    *channel = pair[0];
    return self;
}

pid_t vgpu_worker_process_pid(const VgpuWorkerProcess *self)
{
    return self->pid;
}

void vgpu_worker_process_free(VgpuWorkerProcess *self)
{
    if (self->pid != 0)
        g_subprocess_force_exit(self->process);
    g_cancellable_cancel(self->forgotten);
    g_object_unref(self->forgotten);
    g_object_unref(self->process);
    g_free(self);
}
