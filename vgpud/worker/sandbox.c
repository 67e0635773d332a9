/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"
#include "sandbox-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

gboolean vgpu_sandbox_step(int result, const char *what, GError **error)
{
    int saved = errno;

    if (result >= 0)
        return TRUE;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "sandbox: %s: %s", what,
                g_strerror(saved));
    return FALSE;
}

/* Closes what lies from @first up to, not including, @end. */
static gboolean close_between(unsigned int first, unsigned int end, GError **error)
{
    return first >= end ||
           vgpu_sandbox_step(close_range(first, end - 1, 0), "closing descriptors", error);
}

static gint compare_numbers(gconstpointer a, gconstpointer b)
{
    return *(const int *)a - *(const int *)b; /* none is negative */
}

static gboolean close_descriptors(const VgpuSandbox *sandbox, GError **error)
{
    g_autoptr(GArray) keep = g_array_new(FALSE, FALSE, sizeof(int));
    unsigned int next = STDERR_FILENO + 1;

    g_array_append_vals(keep, sandbox->keep, (guint)sandbox->n_keep);
    g_array_sort(keep, compare_numbers);
    for (guint i = 0; i < keep->len; i++) {
        const unsigned int fd = (unsigned int)g_array_index(keep, int, i);

        if (!close_between(next, fd, error))
            return FALSE;
        next = MAX(next, fd + 1);
    }
    return vgpu_sandbox_step(close_range(next, ~0u, 0), "closing descriptors", error);
}

/* No limit on address space: drivers and sanitizers reserve far more than they use. */
static gboolean set_limits(GError **error)
{
    static const struct {
        int resource;
        rlim_t most;
        const char *what;
    } limits[] = {
        {RLIMIT_CORE, 0, "limiting core dumps"}, /* guest data is in them */
        {RLIMIT_NOFILE, 4096, "limiting descriptors"},
        {RLIMIT_NPROC, 4096, "limiting threads"},         /* PoCL: one per core */
        {RLIMIT_FSIZE, 256 << 20, "limiting file sizes"}, /* compiled kernels: well below 1 MiB */
        {RLIMIT_MSGQUEUE, 0, "limiting message queues"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
        const struct rlimit limit = {limits[i].most, limits[i].most};

        if (!vgpu_sandbox_step(setrlimit(limits[i].resource, &limit), limits[i].what, error))
            return FALSE;
    }
    return TRUE;
}

/*
 * The first to go when the host has no memory left: before QEMU, vgpud and other VMs' workers can
 * be chosen, since how much a driver's compiler or a kernel on a CPU takes is up to the guest.
 */
static gboolean go_first(GError **error)
{
    static const char most[] = "1000"; /* OOM_SCORE_ADJ_MAX */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : (int)write(fd, most, strlen(most));
    const gboolean done = vgpu_sandbox_step(result, "offering itself to the OOM killer", error);

    if (fd >= 0)
        close(fd);
    return done;
}

/* While it is still root, which may. The kernel may know more of them than our headers do. */
static gboolean drop_bounding_set(GError **error)
{
    int capability = 0;

    while (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
        capability++;
    return vgpu_sandbox_step(errno == EINVAL && capability > 0 ? 0 : -1,
                             "dropping the capability bounding set", error);
}

static gboolean drop_capabilities(GError **error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    return vgpu_sandbox_step(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0),
                             "dropping ambient capabilities", error) &&
           vgpu_sandbox_step((int)syscall(SYS_capset, &header, none), "dropping capabilities",
                             error);
}

static gboolean change_ids(const VgpuSandbox *sandbox, GError **error)
{
    return drop_bounding_set(error) &&
           vgpu_sandbox_step(setgroups(sandbox->n_groups, sandbox->groups), "setting groups",
                             error) &&
           vgpu_sandbox_step(setresgid(sandbox->gid, sandbox->gid, sandbox->gid),
                             "setting the group", error) &&
           vgpu_sandbox_step(setresuid(sandbox->uid, sandbox->uid, sandbox->uid),
                             "setting the user", error) &&
           drop_capabilities(error);
}

/* After the change of user, which resets the first two. */
static gboolean seal_process(pid_t parent, GError **error)
{
    if (!vgpu_sandbox_step(prctl(PR_SET_PDEATHSIG, SIGKILL), "binding to the parent", error) ||
        !vgpu_sandbox_step(prctl(PR_SET_DUMPABLE, 0), "forbidding traces", error) ||
        !vgpu_sandbox_step(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbidding new privileges",
                           error))
        return FALSE;
    errno = ESRCH; /* it went before it could take us with it */
    return vgpu_sandbox_step(getppid() == parent ? 0 : -1, "binding to the parent", error);
}

gboolean vgpu_sandbox_enter(const VgpuSandbox *sandbox, GError **error)
{
    g_assert(sandbox->uid != 0 && sandbox->gid != 0);
    if (geteuid() != 0) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                            "sandbox: a worker is started as root, by vgpud, and gives that up by "
                            "itself");
        return FALSE;
    }
    /* It needs /proc as it was. */
    if (!go_first(error) || !vgpu_sandbox_enter_namespaces(sandbox->cache_dir, error) ||
        !close_descriptors(sandbox, error) || !set_limits(error) || !change_ids(sandbox, error) ||
        !seal_process(sandbox->parent, error))
        return FALSE;
    umask(077);
    return vgpu_sandbox_load_filter(error);
}

/* Name, or with a '_' at its end the beginning of names. */
static const char *const kept_variables[] = {
    "LANG", "LC_ALL", "TZ", "OCL_ICD_", "POCL_", "CUDA_", "ASAN_OPTIONS", "UBSAN_OPTIONS",
};

static gboolean is_kept(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kept_variables); i++)
        if (g_str_equal(name, kept_variables[i]) ||
            (g_str_has_suffix(kept_variables[i], "_") && g_str_has_prefix(name, kept_variables[i])))
            return TRUE;
    return FALSE;
}

void vgpu_sandbox_clean_environment(const char *cache_dir)
{
    static const char *const cache_variables[] = {"HOME", "TMPDIR", "XDG_CACHE_HOME",
                                                  "POCL_CACHE_DIR", "CUDA_CACHE_PATH"};
    g_auto(GStrv) names = g_listenv();

    for (gsize i = 0; names[i] != NULL; i++)
        if (!is_kept(names[i]))
            unsetenv(names[i]);
    setenv("PATH", "/usr/bin:/bin", TRUE);
    if (cache_dir != NULL)
        for (gsize i = 0; i < G_N_ELEMENTS(cache_variables); i++)
            setenv(cache_variables[i], cache_dir, TRUE);
}
