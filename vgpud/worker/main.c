/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vgpu-worker: the process that computes for one VM. docs/man/vgpu-worker.8 describes it. */

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "memory-limit.h"
#include "options.h"
#include "sandbox.h"
#include "service.h"
#include "vgpu-codec.h"

#define NS_PER_MS     G_GUINT64_CONSTANT(1000000)
#define RETRY_MS      10000 /* at least so long a worker without a device goes on without one */
#define PROGRAM_BYTES (G_GUINT64_CONSTANT(256) << 20) /* of all programs' sources and binaries */

static void set_failed(VgpuPage *page, const char *text)
{
    vgpu_page_set_text(page->failure, text);
    atomic_store(&page->state, VGPU_PAGE_FAILED);
}

/* What the worker needs besides what it has mapped; none of it is inherited by what it starts. */
static GArray *kept_descriptors(const VgpuOptions *options)
{
    GArray *keep = g_array_new(FALSE, FALSE, sizeof(int));

    g_array_append_val(keep, options->channel_fd);
    if (options->trace_fd >= 0)
        g_array_append_val(keep, options->trace_fd);
    for (int i = 0; i < 2 * options->queues; i++) {
        const int fd = options->queue_fds + i;
        g_array_append_val(keep, fd);
    }
    for (int i = 1; options->lease_fd >= 0 && i <= 2; i++) {
        const int fd = options->lease_fd + i;
        g_array_append_val(keep, fd);
    }
    for (guint i = 0; i < keep->len; i++)
        fcntl(g_array_index(keep, int, i), F_SETFD, FD_CLOEXEC);
    return keep;
}

static gboolean give_up_privileges(const VgpuOptions *options, pid_t parent, GError **error)
{
    g_autoptr(GArray) keep = kept_descriptors(options);
    const VgpuSandbox sandbox = {
        .uid = (uid_t)options->uid,
        .gid = (gid_t)options->gid,
        .groups = (const gid_t *)(gpointer)options->group_ids->data,
        .n_groups = options->group_ids->len,
        .cache_dir = options->cache_dir,
        .keep = (const int *)(gpointer)keep->data,
        .n_keep = keep->len,
        .parent = parent,
    };

    if (options->no_sandbox) { /* keeps all of them */
        g_warning("NO SANDBOX: whatever runs here has all of this user's rights");
        return TRUE;
    }
    return vgpu_sandbox_enter(&sandbox, error);
}

typedef struct {
    const VgpuOptions *options;
    VgpuPage *page;
} Opening;

/* In the deadline's thread, while the main thread is stuck in the driver. */
static void open_expired(gpointer data)
{
    const Opening *opening = data;
    g_autofree char *text = g_strdup_printf("opening the device took longer than %d ms",
                                            opening->options->open_timeout_ms);

    shutdown(opening->options->channel_fd, SHUT_RDWR);
    set_failed(opening->page, text);
    g_critical("%s: the driver hangs, this worker ends", text);
    _exit(VGPU_WORKER_EXIT_OPEN);
}

/* Opens the device and says on the page how that went. NULL: the worker serves without one. */
static VgpuBackend *open_backend(const VgpuOptions *options, VgpuPage *page, VgpuDeadline *deadline)
{
    g_autoptr(GError) error = NULL;
    Opening opening = {options, page};

    vgpu_deadline_arm(deadline, vgpu_deadline_now() + (guint64)options->open_timeout_ms * NS_PER_MS,
                      open_expired, &opening);
    VgpuBackend *backend = vgpu_backend_open(options->backend, options->device, &error);
    vgpu_deadline_disarm(deadline);

    if (backend == NULL) {
        g_critical("no device: %s", error->message);
        set_failed(page, error->message);
        return NULL;
    }
    g_message("serving VM %" G_GINT64_FORMAT " on \"%s\"", options->vm_id, backend->info.name);
    vgpu_page_set_text(page->device_name, backend->info.name);
    atomic_store(&page->state, VGPU_PAGE_READY);
    return backend;
}

/* From now on the guest may begin sessions: each queue's old number must have been read. */
static void say_ready(int channel)
{
    const struct vgpu_channel_header header = {.type = VGPU_CHANNEL_READY};
    guint8 packet[sizeof(header)];

    vgpu_channel_encode(&header, packet);
    /* A device that is gone is found so when the channel is read. */
    send(channel, packet, sizeof(packet), MSG_NOSIGNAL);
}

/* Before the sandbox is closed around it; the descriptor is not needed any more. */
static gboolean map_queues(const VgpuOptions *options, void **memory, GError **error)
{
    *memory = NULL;
    if (options->queues == 0)
        return TRUE;
    *memory = mmap(NULL, (size_t)options->shm_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                   options->shm_fd, 0);
    if (*memory == MAP_FAILED) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved),
                    "cannot map the queues' memory: %s", g_strerror(saved));
        return FALSE;
    }
    close(options->shm_fd);
    return TRUE;
}

/* As map_queues(). *lease NULL: there is none. */
static gboolean map_lease(const VgpuOptions *options, VgpuLease **lease, GError **error)
{
    *lease = NULL;
    if (options->lease_fd < 0)
        return TRUE;
    void *memory =
        mmap(NULL, sizeof(VgpuLease), PROT_READ | PROT_WRITE, MAP_SHARED, options->lease_fd, 0);
    if (memory == MAP_FAILED) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot map the lease: %s",
                    g_strerror(saved));
        return FALSE;
    }
    *lease = memory;
    close(options->lease_fd);
    return TRUE;
}

static VgpuCharge limits_of(const VgpuOptions *options, const VgpuBackend *backend)
{
    const guint64 memory = vgpu_memory_limit_buffers(backend, (guint64)options->max_data_mib);

    return (VgpuCharge){
        .amount = {
            [VGPU_QUOTA_MEMORY] = options->max_memory_mib > 0
                                      ? MIN((guint64)options->max_memory_mib << 20, memory)
                                      : memory,
            [VGPU_QUOTA_PROGRAMS] = PROGRAM_BYTES,
            [VGPU_QUOTA_HANDLES] = (guint64)options->max_handles,
            [VGPU_QUOTA_OUTSTANDING] = (guint64)options->max_outstanding,
            [VGPU_QUOTA_SHARED] = VGPU_QUOTA_UNLIMITED,
        }};
}

static VgpuWorkerExit serve(const VgpuOptions *options, VgpuPage *page, VgpuDeadline *deadline,
                            void *memory, VgpuLease *lease)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VgpuBackend) backend = open_backend(options, page, deadline);
    VgpuService service = {
        .channel = options->channel_fd,
        .page = page,
        .backend = backend,
        .deadline = deadline,
        .pace = {.window = (guint)options->window},
        .timeout_ns = (guint64)options->timeout_ms * NS_PER_MS,
        .build_ns = (guint64)MAX(options->timeout_ms, options->open_timeout_ms) * NS_PER_MS,
        .retry_ns = vgpu_deadline_now() + RETRY_MS * NS_PER_MS,
    };
    const gboolean shared = lease != NULL;
    VgpuLoop loop;

    service.trace.fd = options->trace_fd;
    vgpu_turn_init(&service.turn, lease, options->lease_fd + 1, &service.trace);
    if (!vgpu_memory_limit_set(backend, (guint64)options->max_data_mib, &error)) {
        g_critical("%s", error->message);
        return VGPU_WORKER_EXIT_FAILURE;
    }
    vgpu_gate_init(&service.gate, page, limits_of(options, backend));
    vgpu_strikes_init(&service.strikes, (guint)options->error_budget,
                      (guint)options->backend_fault_budget, (guint)options->fault_window_s);
    if (!vgpu_loop_init(&loop, &service, memory, (gsize)options->shm_size, (guint)options->queues,
                        options->queue_fds, shared ? options->lease_fd + 2 : -1, &error)) {
        g_critical("%s", error->message);
        return VGPU_WORKER_EXIT_FAILURE;
    }
    if (options->queues > 0)
        say_ready(options->channel_fd);
    VgpuWorkerExit result = vgpu_loop_run(&loop);
    /*
     * A sandboxed worker leaves at once, without closing the device and without exit handlers: the
     * kernel takes everything back, while GPU drivers are known to hang there; and LeakSanitizer's
     * handler traces the process, which the sandbox forbids. Nor is anything closed under what
     * runs.
     */
    if (!options->no_sandbox || vgpu_loop_is_busy(&loop))
        _exit(result);
    vgpu_loop_clear(&loop);
    vgpu_strikes_clear(&service.strikes);
    return result;
}

static VgpuWorkerExit run(const VgpuOptions *options, pid_t parent)
{
    g_autoptr(GError) error = NULL;

    VgpuPage *page = vgpu_page_map(options->page_fd, &error);
    if (page == NULL) {
        g_critical("%s", error->message);
        return VGPU_WORKER_EXIT_FAILURE;
    }
    close(options->page_fd);
    atomic_store(&page->state, VGPU_PAGE_STARTING);
    /* What the worker before held went with it. */
    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        atomic_store(&page->used[i], 0);

    VgpuDeadline *deadline = NULL;
    VgpuLease *lease;
    void *memory;
    if (map_queues(options, &memory, &error) && map_lease(options, &lease, &error) &&
        give_up_privileges(options, parent, &error)) {
        vgpu_sandbox_clean_environment(options->cache_dir);
        deadline = vgpu_deadline_new(&error);
    }
    if (deadline == NULL) {
        g_critical("%s", error->message);
        set_failed(page, error->message);
        return VGPU_WORKER_EXIT_FAILURE;
    }
    return serve(options, page, deadline, memory, lease);
}

int main(int argc, char **argv)
{
    const pid_t parent = getppid();
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    g_autoptr(VgpuOptions) options = vgpu_options_parse(argc, argv, &error);
    if (options == NULL) {
        g_printerr("vgpu-worker: %s\n", error->message);
        return VGPU_WORKER_EXIT_FAILURE;
    }
    if (options->show_version) {
        g_print("vgpu-worker " VGPU_VERSION "\n");
        return VGPU_WORKER_EXIT_CLOSED;
    }

    g_autofree char *prefix = g_strdup_printf("vgpu-worker[%s]", options->name);
    vgpu_log_init(prefix);
    return run(options, parent);
}
