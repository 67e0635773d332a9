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
#include "worker-sweep.h"

/* Where the worker finds what it was given. */
#define CHANNEL_FD 3
#define PAGE_FD    4
#define SHM_FD     5 /* the share's descriptors, one behind the other */
#define QUEUE_FDS  6
#define LEASE_FD   (QUEUE_FDS + 2 * (int)VGPU_QUEUE_MAX) /* the tenant's, likewise */
#define TRACE_FD   (LEASE_FD + (int)VGPU_TENANT_FDS)
#define AFTER_LAST (TRACE_FD + 1)

/* How long a worker that was killed may take to end before others hear of it: a driver may have to
 * clear its device. */
#define STUCK_S 5

struct VgpuWorkerProcess {
    GSubprocess *process;
    pid_t pid;          /* 0: reaped */
    uid_t uid;          /* its own */
    VgpuTenant *tenant; /* NULL: its device is nobody else's */
    char *device_key;   /* vgpu_member_device_key() */
    gboolean fenced;
    guint stuck_source;    /* 0: it was not, or for so long that others know */
    VgpuWorkerEnded ended; /* NULL: forgotten */
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

/* What a worker may be given besides. */
typedef struct {
    VgpuTenant *tenant; /* NULL: none */
    int trace;          /* -1: none */
} Extras;

static char **make_arguments(const VgpuSession *session, const VgpuSettings *settings,
                             const VgpuShare *share, const Extras *extras, const char *cache_dir,
                             uid_t uid)
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
    ADD("--error-budget", "%u", settings->error_budget);
    ADD("--backend-fault-budget", "%u", settings->backend_fault_budget);
    ADD("--fault-window-s", "%u", settings->fault_window_s);
    if (share != NULL) {
        ADD("--queues", "%u", vgpu_share_queues(share));
        ADD("--shm-size", "%" G_GUINT64_FORMAT, vgpu_share_size(share));
        ADD("--shm-fd", "%d", SHM_FD);
        ADD("--queue-fds", "%d", QUEUE_FDS);
    }
    if (extras->tenant != NULL) {
        ADD("--lease-fd", "%d", LEASE_FD);
        ADD("--window", "%u", vgpu_tenant_window(extras->tenant));
    }
    if (extras->trace >= 0)
        ADD("--trace-fd", "%d", TRACE_FD);
#undef ADD
    return g_strv_builder_end(builder);
}

/* With all that it has forked. Its VM has no other worker before this. */
static void kill_all(VgpuWorkerProcess *self)
{
    g_subprocess_force_exit(self->process);
    vgpu_worker_sweep(self->uid);
}

/* SIGKILL is enough for anything but a driver that hangs in the kernel. */
static gboolean on_stuck(gpointer data)
{
    VgpuWorkerProcess *self = data;

    self->stuck_source = 0;
    g_critical("worker %d was killed %u s ago and has not ended: its driver hangs in the kernel. "
               "Until it ends, what other VMs want of its device is answered with 0x03; if it does "
               "not, only a restart of the host helps",
               (int)self->pid, STUCK_S);
    vgpu_tenant_give_up(self->tenant);
    return G_SOURCE_REMOVE;
}

/* Its device waits for it, or for its end. */
static void on_fence(gpointer data)
{
    VgpuWorkerProcess *self = data;

    if (self->pid == 0)
        return;
    self->fenced = TRUE;
    kill_all(self);
    if (self->stuck_source == 0)
        self->stuck_source = g_timeout_add_seconds(STUCK_S, on_stuck, self);
}

static void on_process_end(GObject *source, GAsyncResult *result, gpointer data)
{
    GSubprocess *process = G_SUBPROCESS(source);
    VgpuWorkerProcess *self = data;

    g_subprocess_wait_finish(process, result, NULL); /* fails only when cancelled */
    /* One that is forgotten has been killed with its like, and there may be a new one. */
    if (self->ended != NULL)
        vgpu_worker_sweep(self->uid);
    const gboolean too_large = vgpu_worker_cgroup_remove(self->pid);
    self->pid = 0;
    g_clear_handle_id(&self->stuck_source, g_source_remove);
    /* Now it does nothing on the device any more. */
    g_clear_pointer(&self->tenant, vgpu_tenant_free);
    if (self->ended == NULL) {
        vgpu_worker_process_free(self);
        return;
    }
    const VgpuWorkerKill kill = self->fenced ? VGPU_WORKER_FENCED
                                : too_large  ? VGPU_WORKER_TOO_LARGE
                                             : VGPU_WORKER_NOT_KILLED;
    g_autofree char *key = g_steal_pointer(&self->device_key);
    g_auto(VgpuWorkerEnd) end = vgpu_worker_end(g_subprocess_get_status(process), kill, key);
    self->ended(&end, self->user_data); /* frees self */
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

static gboolean hand_over_all(GSubprocessLauncher *launcher, const int *fds, guint count,
                              int target, GError **error)
{
    for (guint i = 0; i < count; i++)
        if (!hand_over(launcher, fds[i], target + (int)i, error))
            return FALSE;
    return TRUE;
}

static GSubprocess *spawn(const VgpuSession *session, const VgpuShare *share, const Extras *extras,
                          char **arguments, int channel, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);

    if (!hand_over(launcher, channel, CHANNEL_FD, error) ||
        !hand_over(launcher, session->page_fd, PAGE_FD, error) ||
        (share != NULL && !hand_over_all(launcher, vgpu_share_descriptors(share),
                                         1 + 2 * vgpu_share_queues(share), SHM_FD, error)) ||
        (extras->tenant != NULL && !hand_over_all(launcher, vgpu_tenant_descriptors(extras->tenant),
                                                  VGPU_TENANT_FDS, LEASE_FD, error)) ||
        (extras->trace >= 0 && !hand_over(launcher, extras->trace, TRACE_FD, error)))
        return NULL;
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
    return FALSE;
}

/* How the pools say that it is shared. */
static VgpuSchedulerSettings scheduling_of(const VgpuSession *session, const VgpuSettings *settings)
{
    const VgpuPool *pool = vgpu_pools_get(settings->pools, session->pool);
    VgpuSchedulerSettings scheduling = VGPU_SCHEDULER_DEFAULTS;

    if (pool != NULL && pool->rules.scheduler.recall_ns > 0)
        scheduling = pool->rules.scheduler;
    return scheduling;
}

static guint weight_of(const VgpuLimits *limits)
{
    const guint weight = limits->value[VGPU_LIMIT_WEIGHT];

    return weight != 0 ? weight : VGPU_SCHEDULER_WEIGHT;
}

static gboolean join(VgpuWorkerProcess *self, const VgpuSession *session,
                     const VgpuSettings *settings, VgpuDispatcher *dispatcher, GError **error)
{
    const VgpuSchedulerSettings scheduling = scheduling_of(session, settings);

    self->device_key = vgpu_member_device_key(session->member);
    if (dispatcher == NULL)
        return TRUE;
    self->tenant = vgpu_tenant_new(dispatcher, self->device_key, &scheduling, session->priority,
                                   weight_of(&session->limits), on_fence, self, error);
    if (self->tenant == NULL)
        return FALSE;
    vgpu_tenant_set_share(self->tenant, session->limits.value[VGPU_LIMIT_DEVICE_TIME]);
    return TRUE;
}

/* The first line, before the worker can write one. */
static void write_device(const VgpuSession *session, int fd)
{
    g_autofree char *key = vgpu_member_device_key(session->member);

    /* One that cannot be written is missing, as those of the worker. */
    dprintf(fd, "%" G_GINT64_FORMAT "000 device %s\n", g_get_monotonic_time(),
            g_strdelimit(key, "\r\n", ' '));
}

/* Under a name that is not complete before the worker's number is known. NULL: there is none. */
static char *open_trace(const VgpuSession *session, const VgpuSettings *settings, int *fd)
{
    const char *folder = settings->trace_dir;

    *fd = -1;
    if (folder == NULL)
        return NULL;
    g_autofree char *path = g_strdup_printf("%s/.%u.trace", folder, session->vm_id);
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd >= 0) {
        write_device(session, *fd);
        return g_steal_pointer(&path);
    }
    g_warning("no trace of domain '%s': %s: %s", session->name, path, g_strerror(errno));
    return NULL;
}

static void name_trace(const char *path, const VgpuSession *session, pid_t pid)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_strdup_printf("%s.%d.trace", session->name, (int)pid);
    g_autofree char *full = g_build_filename(folder, g_strdelimit(name, "/", '_'), NULL);

    if (g_rename(path, full) < 0)
        g_warning("cannot rename %s to %s: %s", path, full, g_strerror(errno));
}

/* Starts what has joined. */
static gboolean start(VgpuWorkerProcess *self, const VgpuSession *session,
                      const VgpuSettings *settings, const VgpuShare *share, int channel,
                      GError **error)
{
    const uid_t uid = self->uid = settings->worker_uid_base + session->vm_id;
    g_autofree char *cache_dir = make_cache_dir(session, settings, uid, error);
    Extras extras = {.tenant = self->tenant};

    if (cache_dir == NULL)
        return FALSE;
    /* What outlived a former vgpud. */
    vgpu_worker_sweep(uid);
    g_autofree char *trace = open_trace(session, settings, &extras.trace);
    g_auto(GStrv) arguments = make_arguments(session, settings, share, &extras, cache_dir, uid);
    self->process = spawn(session, share, &extras, arguments, channel, error);
    if (extras.trace >= 0)
        close(extras.trace);
    if (self->process == NULL)
        return FALSE;
    self->pid = pid_of(self->process);
    if (trace != NULL)
        name_trace(trace, session, self->pid);
    /* From now on it is ended as any other. */
    g_subprocess_wait_async(self->process, NULL, on_process_end, self);
    return confine(self->process, settings, error);
}

VgpuWorkerProcess *vgpu_worker_process_new(const VgpuSession *session, const VgpuSettings *settings,
                                           VgpuDispatcher *dispatcher, const VgpuShare *share,
                                           int *channel, VgpuWorkerEnded ended, gpointer user_data,
                                           GError **error)
{
    g_autoptr(VgpuWorkerProcess) self = g_new0(VgpuWorkerProcess, 1);
    int pair[2];

    self->ended = ended;
    self->user_data = user_data;
    if (!join(self, session, settings, dispatcher, error))
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        fail(error, "cannot make a channel");
        return NULL;
    }
    const gboolean started = start(self, session, settings, share, pair[1], error);
    close(pair[1]);
    if (!started) {
        close(pair[0]);
        return NULL;
    }
    *channel = pair[0];
    return g_steal_pointer(&self);
}

pid_t vgpu_worker_process_pid(const VgpuWorkerProcess *self)
{
    return self->pid;
}

void vgpu_worker_process_set_priority(VgpuWorkerProcess *self, enum vgpu_priority priority)
{
    if (self->tenant != NULL)
        vgpu_tenant_set_priority(self->tenant, priority);
}

void vgpu_worker_process_set_limits(VgpuWorkerProcess *self, const VgpuLimits *limits)
{
    if (self->tenant == NULL)
        return;
    vgpu_tenant_set_weight(self->tenant, weight_of(limits));
    vgpu_tenant_set_share(self->tenant, limits->value[VGPU_LIMIT_DEVICE_TIME]);
}

void vgpu_worker_process_free(VgpuWorkerProcess *self)
{
    self->ended = NULL;
    if (self->pid != 0) {
        kill_all(self); /* on_process_end() goes on */
        return;
    }
    g_clear_pointer(&self->tenant, vgpu_tenant_free);
    g_clear_object(&self->process);
    g_free(self->device_key);
    g_free(self);
}
