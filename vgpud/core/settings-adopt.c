/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings-adopt.h"

static void note(GString *list, const char *key, gboolean differs)
{
    if (differs)
        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", key);
}

static void note_text(GString *list, const char *key, const char *a, const char *b)
{
    note(list, key, g_strcmp0(a, b) != 0);
}

/* What others have borrowed for as long as vgpud runs. */
static char *keys_for_later(const VgpuSettings *a, const VgpuSettings *b)
{
    GString *list = g_string_new(NULL);

    note_text(list, "connect", a->connect, b->connect);
    note_text(list, "bus", a->bus, b->bus);
    note_text(list, "run-dir", a->run_dir, b->run_dir);
    note_text(list, "cache-dir", a->cache_dir, b->cache_dir);
    note_text(list, "libvirt-run-dir", a->libvirt_run_dir, b->libvirt_run_dir);
    note_text(list, "emulator", a->emulator, b->emulator);
    note_text(list, "worker", a->worker, b->worker);
    note_text(list, "socket-group", a->socket_group, b->socket_group);
    note_text(list, "trace-dir", a->trace_dir, b->trace_dir);
    note(list, "worker-uid-base", a->worker_uid_base != b->worker_uid_base);
    note(list, "worker-groups",
         !g_strv_equal((const char *const *)a->worker_groups,
                       (const char *const *)b->worker_groups));
    note(list, "fault-budget", a->fault_budget != b->fault_budget);
    note(list, "error-budget", a->error_budget != b->error_budget);
    note(list, "backend-fault-budget", a->backend_fault_budget != b->backend_fault_budget);
    note(list, "fault-window-s", a->fault_window_s != b->fault_window_s);
    note_text(list, "[legacy] directory", a->legacy_dir, b->legacy_dir);
    note(list, "[legacy] idle-s", a->legacy_idle_s != b->legacy_idle_s);
    return g_string_free(list, list->len == 0);
}

char *vgpu_settings_adopt(VgpuSettings *settings, VgpuSettings *next)
{
    settings->request_timeout_ms = next->request_timeout_ms;
    settings->quarantine_s = next->quarantine_s;
    settings->worker_memory_mib = next->worker_memory_mib;
    settings->quarantine_max_s = next->quarantine_max_s;
    settings->breaker_vms = next->breaker_vms;
    g_free(settings->pools_dir);
    settings->pools_dir = g_strdup(next->pools_dir);
    vgpu_pools_merge(settings->pools, next->pools);
    return keys_for_later(settings, next);
}
