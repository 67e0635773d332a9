/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vgpu-worker is started with; docs/man/vgpu-worker.8 describes every option. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    gboolean show_version;
    gboolean no_sandbox;
    char *name;   /* the VM's, for the log */
    gint64 vm_id; /* the protocol's, 32 bits */
    char *backend;
    char *device;
    int timeout_ms;
    int open_timeout_ms;
    gint64 uid;
    gint64 gid;
    char *groups;      /* as given: numbers separated by commas */
    GArray *group_ids; /* of gid_t */
    char *cache_dir;   /* NULL: none */
    int channel_fd;
    int page_fd;

    /* Protocol 2. All of it is there when queues is not 0: the size fits (vgpu_queue_shm_fits()),
     * the file has it, and the descriptors are open. */
    int queues;
    gint64 shm_size; /* bytes of BAR2 */
    int shm_fd;      /* the memfd behind it: to be mapped shared */
    int queue_fds;   /* the first of 2 * queues eventfds: queue i's doorbell, to be waited for, is
                        queue_fds + 2 * i, and its completion, to be written to, the next one */

    /*
     * Sharing the device. lease_fd is the memory of the lease (lease.h), the next one the eventfd
     * that wakes vgpud, the one after that the end of a pipe by which vgpud says that something has
     * been granted. -1: there is no lease, the device is nobody else's.
     */
    int lease_fd;
    int window;   /* jobs that the device may have at once */
    int trace_fd; /* where to write the trace of jobs; -1: nowhere */

    /* What the VM may hold by them: see VgpuQuotaKind. */
    gint64 max_memory_mib; /* 0: as much as the device has */
    gint64 max_data_mib;   /* of the process, on a CPU; 0: any amount */
    int max_handles;
    int max_outstanding;

    /* What may go wrong within a window (strikes.h); 0: anything. */
    int error_budget;
    int backend_fault_budget;
    int fault_window_s;
} VgpuOptions;

/*
 * vgpu_options_parse:
 * Takes the command line apart and checks each value, the descriptors among them. With
 * show_version nothing else is checked. NULL with @error set to one line for a person.
 */
VgpuOptions *vgpu_options_parse(int argc, char **argv, GError **error);

void vgpu_options_free(VgpuOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuOptions, vgpu_options_free)
