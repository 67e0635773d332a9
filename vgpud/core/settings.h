/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpud's configuration: vgpud.conf and one key file per pool in pools.d.
 *
 * Pure data. A key, a group or a value that is not known is an error that names the file, the group
 * and the key: a misspelt limit must not silently be no limit. docs/man/vgpud.conf.5 describes
 * every key.
 */
#pragma once

#include <glib.h>

#include "pool.h"

#define VGPU_SETTINGS_ERROR (vgpu_settings_error_quark())
GQuark vgpu_settings_error_quark(void);
typedef enum {
    VGPU_SETTINGS_ERROR_INVALID, /* a key, group or value is wrong; unreadable files give
                                    G_FILE_ERROR */
} VgpuSettingsError;

typedef struct {
    char *connect;         /* libvirt URI */
    char *bus;             /* "system", "session" or a D-Bus address */
    char *run_dir;         /* sockets; made by vgpud */
    char *cache_dir;       /* one folder per VM for its worker's compiled kernels; made by vgpud */
    char *libvirt_run_dir; /* where libvirt keeps NAME.pid of its QEMUs */
    char *emulator;        /* QEMU with vgpu-stub, put into the domains */
    char *worker;          /* vgpu-worker */
    char *socket_group; /* group that QEMU runs in: owner of the device sockets; NULL: found out */
    char *pools_dir;    /* *.conf, one per pool */
    char *trace_dir;    /* where each worker's trace of jobs goes; NULL: there are none */
    guint worker_uid_base;   /* a worker runs as this plus its VM's number */
    char **worker_groups;    /* supplementary groups of a worker: who may open the GPU's nodes */
    guint worker_memory_mib; /* what a worker may take of the host's memory; 0: no limit */
    guint request_timeout_ms;
    guint fault_budget;         /* ends of workers within fault_window_s that are put up with */
    guint error_budget;         /* the same of invalid requests; 0: any number */
    guint backend_fault_budget; /* the same of requests that fail on the device */
    guint fault_window_s;
    guint quarantine_s;     /* how long a VM past a budget is kept out at first */
    guint quarantine_max_s; /* and at most, unless quarantine_s is more */
    guint breaker_vms;      /* VMs for which a device fails within fault_window_s; 0: any number */

    char *legacy_dir;    /* one directory in it for each legacy VM; NULL: there are none */
    guint legacy_idle_s; /* a legacy VM's worker ends after so long without a request */

    VgpuPools *pools;
} VgpuSettings;

/*
 * vgpu_settings_load:
 * Reads @path and the pools. @path NULL: the defaults, and the pools of the default folder. Without
 * any pool file there are the pools A and B, each on the first OpenCL device.
 */
VgpuSettings *vgpu_settings_load(const char *path, GError **error);

/*
 * vgpu_settings_parse:
 * The same from memory, without pools. @name stands in the messages for the file.
 */
VgpuSettings *vgpu_settings_parse(const char *text, gsize length, const char *name, GError **error);

void vgpu_settings_free(VgpuSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuSettings, vgpu_settings_free)
