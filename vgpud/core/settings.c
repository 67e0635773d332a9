/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"
#include "faults.h"
#include "keyfile.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define GROUP  "vgpud"
#define LEGACY "legacy"

/*
 * Worker uids start outside every range that systemd's "Users, Groups, UIDs and GIDs on systemd
 * Systems" hands out: above the containers' (..1879048191), below the sign bit.
 */
#define DEFAULT_UID_BASE 1900000000u
#define MAX_UID_BASE     2000000000u

#define MAX_FAULT_BUDGET 64 /* a worker's start is dear */

#define MAX_MEMORY_MIB (16u << 20) /* more than any host has */

/* A pool that needs no file: whatever OpenCL finds first. The legacy clients know A and B. */
static const char *const default_pools[] = {
    "[pool]\nname=A\ndescription=first OpenCL device\n[member default]\nbackend=opencl\n",
    "[pool]\nname=B\ndescription=first OpenCL device\n[member default]\nbackend=opencl\n",
};

G_DEFINE_QUARK(vgpu_settings_error, vgpu_settings_error)

static VgpuSettings *defaults(void)
{
    VgpuSettings *settings = g_new0(VgpuSettings, 1);

    settings->connect = g_strdup("qemu:///system");
    settings->bus = g_strdup("system");
    settings->run_dir = g_strdup("/run/vgpud");
    settings->cache_dir = g_strdup("/var/cache/vgpud");
    settings->libvirt_run_dir = g_strdup("/run/libvirt/qemu");
    settings->emulator = g_strdup(VGPU_LIBEXEC_DIR "/qemu/bin/qemu-system-x86_64");
    settings->worker = g_strdup(VGPU_LIBEXEC_DIR "/vgpu-worker");
    settings->pools_dir = g_strdup(VGPU_CONFIG_DIR "/pools.d");
    settings->worker_uid_base = DEFAULT_UID_BASE;
    settings->worker_groups = g_strsplit("video,render", ",", -1);
    settings->worker_memory_mib = 4096;
    settings->request_timeout_ms = 5000;
    settings->fault_budget = 10;
    settings->error_budget = 1000;
    settings->backend_fault_budget = 100;
    settings->fault_window_s = 60;
    settings->quarantine_s = 30;
    settings->quarantine_max_s = 3600;
    settings->breaker_vms = 3;
    settings->legacy_idle_s = 60;
    return settings;
}

void vgpu_settings_free(VgpuSettings *settings)
{
    g_free(settings->connect);
    g_free(settings->bus);
    g_free(settings->run_dir);
    g_free(settings->cache_dir);
    g_free(settings->libvirt_run_dir);
    g_free(settings->emulator);
    g_free(settings->worker);
    g_free(settings->socket_group);
    g_free(settings->pools_dir);
    g_free(settings->trace_dir);
    g_free(settings->legacy_dir);
    g_strfreev(settings->worker_groups);
    g_clear_pointer(&settings->pools, vgpu_pools_free);
    g_free(settings);
}

static gboolean read_path(const VgpuKeyFile *file, const char *key, char **value, GError **error)
{
    if (!vgpu_key_file_string(file, GROUP, key, value, error))
        return FALSE;
    if (!g_path_is_absolute(*value))
        return vgpu_key_file_fail(file, error, GROUP, key, "'%s' is not an absolute path", *value);
    return TRUE;
}

/* Better now than at the first start of a VM: the device sockets in it must have names that fit. */
static gboolean read_run_dir(const VgpuKeyFile *file, VgpuSettings *settings, GError **error)
{
    static const char longest[] = "/vm/01234567-89ab-cdef-0123-456789abcdef.sock";
    const gsize room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(longest);

    if (!read_path(file, "run-dir", &settings->run_dir, error))
        return FALSE;
    if (strlen(settings->run_dir) > room)
        return vgpu_key_file_fail(file, error, GROUP, "run-dir",
                                  "'%s' is longer than %" G_GSIZE_FORMAT " bytes, and the paths of "
                                  "sockets in it would be longer than the kernel allows",
                                  settings->run_dir, room);
    return TRUE;
}

/* An empty one is none. */
static gboolean read_trace_dir(const VgpuKeyFile *file, VgpuSettings *settings, GError **error)
{
    if (!vgpu_key_file_string(file, GROUP, "trace-dir", &settings->trace_dir, error))
        return FALSE;
    if (settings->trace_dir != NULL && settings->trace_dir[0] == '\0')
        g_clear_pointer(&settings->trace_dir, g_free);
    return settings->trace_dir == NULL || g_path_is_absolute(settings->trace_dir) ||
           vgpu_key_file_fail(file, error, GROUP, "trace-dir", "'%s' is not an absolute path",
                              settings->trace_dir);
}

static gboolean read_groups(const VgpuKeyFile *file, VgpuSettings *settings, GError **error)
{
    g_autofree char *text = NULL;

    if (!vgpu_key_file_string(file, GROUP, "worker-groups", &text, error))
        return FALSE;
    if (text == NULL)
        return TRUE;
    g_strfreev(settings->worker_groups);
    settings->worker_groups = g_strsplit(text, ",", -1);
    for (char **group = settings->worker_groups; *group != NULL; group++)
        g_strstrip(*group);
    return TRUE;
}

static gboolean read_faults(const VgpuKeyFile *file, VgpuSettings *s, GError **error)
{
    if (!vgpu_key_file_number(file, GROUP, "fault-budget", 0, MAX_FAULT_BUDGET, &s->fault_budget,
                              error) ||
        !vgpu_key_file_number(file, GROUP, "error-budget", 0, VGPU_FAULTS_MAX_BUDGET,
                              &s->error_budget, error) ||
        !vgpu_key_file_number(file, GROUP, "backend-fault-budget", 0, VGPU_FAULTS_MAX_BUDGET,
                              &s->backend_fault_budget, error) ||
        !vgpu_key_file_number(file, GROUP, "fault-window-s", 1, 86400, &s->fault_window_s, error) ||
        !vgpu_key_file_number(file, GROUP, "quarantine-s", 1, 86400, &s->quarantine_s, error) ||
        !vgpu_key_file_number(file, GROUP, "quarantine-max-s", 1, 86400, &s->quarantine_max_s,
                              error) ||
        !vgpu_key_file_number(file, GROUP, "breaker-vms", 0, 1000, &s->breaker_vms, error))
        return FALSE;
    /* By itself a VM must never take a device from the others. */
    return s->breaker_vms != 1 || vgpu_key_file_fail(file, error, GROUP, "breaker-vms",
                                                     "one VM is too few; 0 switches it off");
}

static gboolean read_keys(const VgpuKeyFile *file, VgpuSettings *s, GError **error)
{
    static const char *const known[] = {"connect",
                                        "bus",
                                        "run-dir",
                                        "cache-dir",
                                        "libvirt-run-dir",
                                        "emulator",
                                        "worker",
                                        "socket-group",
                                        "pools-dir",
                                        "worker-uid-base",
                                        "worker-groups",
                                        "fault-budget",
                                        "error-budget",
                                        "backend-fault-budget",
                                        "quarantine-s",
                                        "quarantine-max-s",
                                        "breaker-vms",
                                        "request-timeout-ms",
                                        "fault-window-s",
                                        "trace-dir",
                                        "worker-memory-mib",
                                        NULL};

    return vgpu_key_file_check(file, GROUP, known, error) &&
           vgpu_key_file_string(file, GROUP, "connect", &s->connect, error) &&
           vgpu_key_file_string(file, GROUP, "bus", &s->bus, error) &&
           vgpu_key_file_string(file, GROUP, "socket-group", &s->socket_group, error) &&
           read_run_dir(file, s, error) && read_path(file, "cache-dir", &s->cache_dir, error) &&
           read_path(file, "libvirt-run-dir", &s->libvirt_run_dir, error) &&
           read_path(file, "emulator", &s->emulator, error) &&
           read_path(file, "worker", &s->worker, error) &&
           read_path(file, "pools-dir", &s->pools_dir, error) && read_groups(file, s, error) &&
           read_trace_dir(file, s, error) &&
           vgpu_key_file_number(file, GROUP, "worker-uid-base", 1000, MAX_UID_BASE,
                                &s->worker_uid_base, error) &&
           vgpu_key_file_number(file, GROUP, "worker-memory-mib", 0, MAX_MEMORY_MIB,
                                &s->worker_memory_mib, error) &&
           vgpu_key_file_number(file, GROUP, "request-timeout-ms", 10, 600000,
                                &s->request_timeout_ms, error) &&
           read_faults(file, s, error);
}

/* An empty directory is none. */
static gboolean read_legacy(const VgpuKeyFile *file, VgpuSettings *settings, GError **error)
{
    static const char *const known[] = {"directory", "idle-s", NULL};

    if (!g_key_file_has_group(file->keys, LEGACY))
        return TRUE;
    if (!vgpu_key_file_check(file, LEGACY, known, error) ||
        !vgpu_key_file_string(file, LEGACY, "directory", &settings->legacy_dir, error) ||
        !vgpu_key_file_number(file, LEGACY, "idle-s", 1, 86400, &settings->legacy_idle_s, error))
        return FALSE;
    if (settings->legacy_dir != NULL && settings->legacy_dir[0] == '\0')
        g_clear_pointer(&settings->legacy_dir, g_free);
    if (settings->legacy_dir != NULL && !g_path_is_absolute(settings->legacy_dir))
        return vgpu_key_file_fail(file, error, LEGACY, "directory", "'%s' is not an absolute path",
                                  settings->legacy_dir);
    return TRUE;
}

VgpuSettings *vgpu_settings_parse(const char *text, gsize length, const char *name, GError **error)
{
    g_autoptr(VgpuSettings) settings = defaults();
    VgpuKeyFile file = {
        .name = name, .domain = VGPU_SETTINGS_ERROR, .code = VGPU_SETTINGS_ERROR_INVALID};

    if (!vgpu_key_file_parse(&file, text, length, error))
        return NULL;

    g_autoptr(GKeyFile) keys = file.keys;
    g_auto(GStrv) groups = g_key_file_get_groups(keys, NULL);
    for (char **group = groups; *group != NULL; group++) {
        if (!g_str_equal(*group, GROUP) && !g_str_equal(*group, LEGACY)) {
            vgpu_key_file_fail(&file, error, *group, NULL,
                               "there is no such group; known: [vgpud], [legacy]");
            return NULL;
        }
    }
    if (!read_keys(&file, settings, error) || !read_legacy(&file, settings, error))
        return NULL;
    return g_steal_pointer(&settings);
}

static gboolean add_pool_file(VgpuPools *pools, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;

    return g_file_get_contents(path, &text, &length, error) &&
           vgpu_pools_add(pools, text, length, path, error);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The paths of the folder's *.conf, sorted; empty when there is no such folder. */
static GPtrArray *list_pool_files(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) failure = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &failure);
    const char *name;

    if (dir == NULL && !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(paths, compare_names);
    return g_steal_pointer(&paths);
}

static gboolean load_pools(VgpuSettings *settings, GError **error)
{
    g_autoptr(GPtrArray) paths = list_pool_files(settings->pools_dir, error);

    if (paths == NULL)
        return FALSE;
    settings->pools = vgpu_pools_new();
    for (guint i = 0; i < paths->len; i++)
        if (!add_pool_file(settings->pools, g_ptr_array_index(paths, i), error))
            return FALSE;
    for (guint i = 0; paths->len == 0 && i < G_N_ELEMENTS(default_pools); i++)
        if (!vgpu_pools_add(settings->pools, default_pools[i], strlen(default_pools[i]),
                            "built-in pool", error))
            return FALSE;
    return vgpu_pools_finish(settings->pools, settings->request_timeout_ms, error);
}

VgpuSettings *vgpu_settings_load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;

    if (path != NULL && !g_file_get_contents(path, &text, &length, error))
        return NULL;

    g_autoptr(VgpuSettings) settings =
        vgpu_settings_parse(text, length, path != NULL ? path : "defaults", error);
    if (settings == NULL || !load_pools(settings, error))
        return NULL;
    return g_steal_pointer(&settings);
}
