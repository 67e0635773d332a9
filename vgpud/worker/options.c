/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "lease.h"
#include "vgpu-link.h"
#include "vgpu-queue.h"

#define DEFAULT_TIMEOUT_MS      5000
#define DEFAULT_HANDLES         65536 /* sixteen queues full of them */
#define DEFAULT_OUTSTANDING     256
#define DEFAULT_WINDOW          64
#define DEFAULT_FAULT_WINDOW_S  60
#define MAX_FAULT_WINDOW_S      86400
#define MAX_WINDOW              1024        /* VgpuSchedulerSettings.window */
#define NO_ID                   G_MAXUINT32 /* -1 as a user or group means "as it is" */
#define DEFAULT_OPEN_TIMEOUT_MS 60000       /* the first build of a kernel on a busy host */

static gboolean fail(GError **error, const char *text)
{
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, text);
    return FALSE;
}

static gboolean check_range(const char *option, gint64 value, gint64 least, gint64 most,
                            GError **error)
{
    if (value >= least && value <= most)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "%s is required and lies between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT
                ", not %" G_GINT64_FORMAT,
                option, least, most, value);
    return FALSE;
}

static gboolean parse_groups(VgpuOptions *options, GError **error)
{
    g_auto(GStrv) words = g_strsplit(options->groups != NULL ? options->groups : "", ",", -1);

    for (gsize i = 0; words[i] != NULL; i++) {
        guint64 number;

        if (!g_ascii_string_to_unsigned(words[i], 10, 1, NO_ID - 1, &number, NULL))
            return fail(error, "--groups takes numbers from 1, separated by commas");
        gid_t group = (gid_t)number;
        g_array_append_val(options->group_ids, group);
    }
    return TRUE;
}

static gboolean check_channel(int fd, GError **error)
{
    int type = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
        return fail(error, "--channel-fd is not a seqpacket socket");
    return TRUE;
}

static gboolean check_queues(const VgpuOptions *options, GError **error)
{
    const int last = G_MAXINT - 2 * (int)VGPU_QUEUE_MAX;
    struct stat status;

    if (!check_range("--queues", options->queues, 0, VGPU_QUEUE_MAX, error))
        return FALSE;
    if (options->queues == 0)
        return TRUE;
    if (!check_range("--shm-fd", options->shm_fd, STDERR_FILENO + 1, G_MAXINT - 1, error) ||
        !check_range("--queue-fds", options->queue_fds, STDERR_FILENO + 1, last, error))
        return FALSE;
    if (options->shm_size < 0 ||
        !vgpu_queue_shm_fits((guint64)options->shm_size, (guint32)options->queues))
        return fail(error,
                    "--shm-size is required with --queues: a power of two with room for all");
    if (fstat(options->shm_fd, &status) < 0 || status.st_size != options->shm_size)
        return fail(error, "--shm-fd is not a file of --shm-size bytes");
    for (int i = 0; i < 2 * options->queues; i++) {
        if (fcntl(options->queue_fds + i, F_GETFD) < 0)
            return fail(error, "--queue-fds is not the first of two open descriptors per queue");
    }
    return TRUE;
}

static gboolean check_lease(const VgpuOptions *options, GError **error)
{
    struct stat status;

    if (!check_range("--window", options->window, 1, MAX_WINDOW, error))
        return FALSE;
    if (options->trace_fd != -1 && fcntl(options->trace_fd, F_GETFD) < 0)
        return fail(error, "--trace-fd is not an open descriptor");
    if (options->lease_fd == -1)
        return TRUE;
    if (options->lease_fd <= STDERR_FILENO || options->lease_fd > G_MAXINT - 3 ||
        fstat(options->lease_fd, &status) < 0 || status.st_size < (off_t)sizeof(VgpuLease))
        return fail(error, "--lease-fd is not a lease's memory");
    if (fcntl(options->lease_fd + 1, F_GETFD) < 0 || fcntl(options->lease_fd + 2, F_GETFD) < 0)
        return fail(error, "--lease-fd is not the first of a lease's three descriptors");
    return TRUE;
}

static gboolean check(VgpuOptions *options, GError **error)
{
    if (options->name == NULL || options->backend == NULL)
        return fail(error, "--name and --backend are required");
    if (options->cache_dir != NULL && !g_path_is_absolute(options->cache_dir))
        return fail(error, "--cache-dir takes an absolute path");
    if (!options->no_sandbox && (!check_range("--uid", options->uid, 1, NO_ID - 1, error) ||
                                 !check_range("--gid", options->gid, 1, NO_ID - 1, error)))
        return FALSE;

    const int longest = VGPU_LINK_MAX_TIMEOUT_MS;
    return check_range("--vm-id", options->vm_id, 0, G_MAXUINT32, error) &&
           check_range("--timeout-ms", options->timeout_ms, 1, longest, error) &&
           check_range("--open-timeout-ms", options->open_timeout_ms, 1, longest, error) &&
           check_range("--channel-fd", options->channel_fd, STDERR_FILENO + 1, G_MAXINT - 1,
                       error) &&
           check_range("--page-fd", options->page_fd, STDERR_FILENO + 1, G_MAXINT - 1, error) &&
           check_range("--max-memory-mib", options->max_memory_mib, 0, G_MAXINT32, error) &&
           check_range("--max-data-mib", options->max_data_mib, 0, G_MAXINT32, error) &&
           check_range("--max-handles", options->max_handles, 1, G_MAXINT32, error) &&
           check_range("--max-outstanding", options->max_outstanding, 1, G_MAXINT32, error) &&
           check_range("--error-budget", options->error_budget, 0, VGPU_FAULTS_MAX_BUDGET, error) &&
           check_range("--backend-fault-budget", options->backend_fault_budget, 0,
                       VGPU_FAULTS_MAX_BUDGET, error) &&
           check_range("--fault-window-s", options->fault_window_s, 1, MAX_FAULT_WINDOW_S, error) &&
           parse_groups(options, error) && check_channel(options->channel_fd, error) &&
           check_queues(options, error) && check_lease(options, error);
}

static VgpuOptions *options_new(void)
{
    VgpuOptions *options = g_new0(VgpuOptions, 1);

    options->vm_id = options->uid = options->gid = -1; /* required, and so out of range */
    options->channel_fd = options->page_fd = -1;
    options->shm_fd = options->queue_fds = -1;
    options->lease_fd = options->trace_fd = -1;
    options->window = DEFAULT_WINDOW;
    options->timeout_ms = DEFAULT_TIMEOUT_MS;
    options->open_timeout_ms = DEFAULT_OPEN_TIMEOUT_MS;
    options->max_handles = DEFAULT_HANDLES;
    options->max_outstanding = DEFAULT_OUTSTANDING;
    options->fault_window_s = DEFAULT_FAULT_WINDOW_S;
    options->group_ids = g_array_new(FALSE, FALSE, sizeof(gid_t));
    return options;
}

VgpuOptions *vgpu_options_parse(int argc, char **argv, GError **error)
{
    g_autoptr(VgpuOptions) o = options_new();
    const GOptionEntry entries[] = {
        {"name", 0, 0, G_OPTION_ARG_STRING, &o->name, "the VM's name, for the log", "NAME"},
        {"vm-id", 0, 0, G_OPTION_ARG_INT64, &o->vm_id, "the VM's number", "N"},
        {"backend", 0, 0, G_OPTION_ARG_STRING, &o->backend, "opencl, null or fault", "NAME"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &o->device, "the backend's device [first]",
         "SELECTOR"},
        {"timeout-ms", 0, 0, G_OPTION_ARG_INT, &o->timeout_ms, "deadline of a request [5000]", "N"},
        {"open-timeout-ms", 0, 0, G_OPTION_ARG_INT, &o->open_timeout_ms,
         "deadline of opening the device [60000]", "N"},
        {"uid", 0, 0, G_OPTION_ARG_INT64, &o->uid, "user to become", "U"},
        {"gid", 0, 0, G_OPTION_ARG_INT64, &o->gid, "group to become", "G"},
        {"groups", 0, 0, G_OPTION_ARG_STRING, &o->groups, "groups that may open the GPU", "G,G"},
        {"cache-dir", 0, 0, G_OPTION_ARG_FILENAME, &o->cache_dir, "the one writable folder", "DIR"},
        {"channel-fd", 0, 0, G_OPTION_ARG_INT, &o->channel_fd, "the worker's end of the channel",
         "N"},
        {"page-fd", 0, 0, G_OPTION_ARG_INT, &o->page_fd, "the accounting page", "N"},
        {"queues", 0, 0, G_OPTION_ARG_INT, &o->queues, "queues of the device [0]", "N"},
        {"shm-size", 0, 0, G_OPTION_ARG_INT64, &o->shm_size, "size of their memory", "BYTES"},
        {"shm-fd", 0, 0, G_OPTION_ARG_INT, &o->shm_fd, "the queues' memory", "N"},
        {"queue-fds", 0, 0, G_OPTION_ARG_INT, &o->queue_fds,
         "the first of each queue's doorbell and completion", "N"},
        {"max-memory-mib", 0, 0, G_OPTION_ARG_INT64, &o->max_memory_mib,
         "device memory that the VM may have in buffers, 0: all [0]", "N"},
        {"max-data-mib", 0, 0, G_OPTION_ARG_INT64, &o->max_data_mib,
         "memory of its own where it computes on the CPU, 0: any [0]", "N"},
        {"max-handles", 0, 0, G_OPTION_ARG_INT, &o->max_handles,
         "handles that the VM may have [65536]", "N"},
        {"max-outstanding", 0, 0, G_OPTION_ARG_INT, &o->max_outstanding,
         "commands of the VM that the device may have at once [256]", "N"},
        {"error-budget", 0, 0, G_OPTION_ARG_INT, &o->error_budget,
         "invalid requests within the window that are put up with, 0: any [0]", "N"},
        {"backend-fault-budget", 0, 0, G_OPTION_ARG_INT, &o->backend_fault_budget,
         "the same of requests that fail on the device [0]", "N"},
        {"fault-window-s", 0, 0, G_OPTION_ARG_INT, &o->fault_window_s, "that window [60]", "S"},
        {"lease-fd", 0, 0, G_OPTION_ARG_INT, &o->lease_fd,
         "the first of the lease's memory, eventfd and pipe; without: the device is nobody else's",
         "N"},
        {"window", 0, 0, G_OPTION_ARG_INT, &o->window, "jobs that the device may have at once [64]",
         "N"},
        {"trace-fd", 0, 0, G_OPTION_ARG_INT, &o->trace_fd, "a file for the trace of jobs", "N"},
        {"no-sandbox", 0, 0, G_OPTION_ARG_NONE, &o->no_sandbox,
         "keep all privileges: for development only", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &o->show_version, "print the version", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- the worker of one VM");

    g_option_context_set_summary(context, "Started by vgpud, one for each VM; see vgpu-worker(8).");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return NULL;
    if (argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                    "\"%s\" is not understood; vgpu-worker takes options only", argv[1]);
        return NULL;
    }
    if (o->device == NULL)
        o->device = g_strdup("");
    if (!o->show_version && !check(o, error))
        return NULL;
    return g_steal_pointer(&o);
}

void vgpu_options_free(VgpuOptions *options)
{
    g_free(options->name);
    g_free(options->backend);
    g_free(options->device);
    g_free(options->groups);
    g_array_unref(options->group_ids);
    g_free(options->cache_dir);
    g_free(options);
}
