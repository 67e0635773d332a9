/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt, for the rest of vgpud: keeps our device in the XML of every domain that wants it, and
 * says which domains with it run.
 *
 * Everything here is called in, and every callback comes from, the thread that runs the default
 * GMainContext. None of it waits for libvirt: one worker thread of its own makes all the calls, and
 * how long libvirtd takes for one (a hook that runs, a hung daemon) is nobody else's time.
 *
 * Never let the answer to a hook wait for a callback of this room: libvirt may be waiting for that
 * hook before it answers the call that the callback comes from.
 */
#pragma once

#include <glib.h>

#include "vgpu-domain.h"

typedef struct VgpuHost VgpuHost;

typedef struct {
    const char *uri;      /* libvirt URI, qemu:///system for example */
    const char *emulator; /* absolute path of the QEMU with vgpu-stub, put into the domains */
    const char *run_dir;  /* absolute path; device sockets are RUN_DIR/vm/UUID.sock */
} VgpuHostOptions;

/* Each may be NULL. None comes before vgpu_host_start() has returned or after vgpu_host_free(). */
typedef struct {
    /*
     * The connection to libvirt came up, or is lost, or cannot be made; the latter once per reason.
     * @detail is one line for a person: vgpu_host_describe(), or the reason. Tried again by itself.
     */
    void (*connected)(gboolean connected, const char *detail, gpointer user_data);

    /*
     * A domain runs and has our device, or is just getting it by hot-plug (live->device is set, as
     * are live->uuid and live->name).
     * live->config is what its live metadata asks for now: NULL when the element was taken out of
     * it, or is wrong (live->config_error). Comes for every such domain between connected(TRUE) and
     * scanned(), or soon after it for a hot-plugged one, and later whenever a running one may have
     * changed; also when nothing has. @live is the callee's only during the call.
     */
    void (*running)(const VgpuDomain *live, gpointer user_data);

    /*
     * All domains have been looked at once since connected(TRUE): one with our device that did not
     * come up in running() does not run, unless it is held.
     */
    void (*scanned)(gpointer user_data);

    /*
     * A domain that came up in running() no longer runs, after a lost connection also. Advice: it
     * comes late while libvirt is busy, and not at all for one that is running again by then.
     */
    void (*stopped)(const char *uuid, gpointer user_data);

    /*
     * A domain that came up in running() goes on without our device: it was taken out because the
     * element left the live metadata, or could not be put in, or the guest does not give it back.
     */
    void (*unplugged)(const char *uuid, gpointer user_data);
} VgpuHostListener;

/*
 * vgpu_host_new:
 * Copies @options and @listener; touches nothing yet but what is per process: libvirt's event
 * loop and error handler, and SIGPIPE, which is ignored from now on (libvirt wants it). Given back
 * with vgpu_host_free().
 */
VgpuHost *vgpu_host_new(const VgpuHostOptions *options, const VgpuHostListener *listener,
                        gpointer user_data);

/* Starts the worker thread, which connects and looks at every domain. Once. */
void vgpu_host_start(VgpuHost *host);

/*
 * Ends it: no callback comes any more. Waits for a libvirt call that is under way 2 seconds at
 * most; one that takes longer finishes, or not, behind our back, and then frees what is left. NULL
 * is allowed.
 */
void vgpu_host_free(VgpuHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuHost, vgpu_host_free)

/*
 * vgpu_host_hold:
 * Leave this domain alone: its hook `prepare` runs, and until libvirt's STARTED event, or the hook
 * `release` of a start that failed, a call about it would block, and a define would freeze all of
 * libvirt. What happens to it meanwhile is looked at on resume. Holding twice is holding once. A
 * lost connection ends all holds: the starts that they were for are over.
 */
void vgpu_host_hold(VgpuHost *host, const char *uuid);

gboolean vgpu_host_is_held(const VgpuHost *host, const char *uuid);

/* Ends a hold. libvirt's STARTED event does so by itself; not held: nothing happens. */
void vgpu_host_resume(VgpuHost *host, const char *uuid);

/*
 * What an operator asks for. Each is carried out in the worker thread, and its @done, which may be
 * NULL, is called once, later, in the main thread: @error NULL: it is done. Without a connection it
 * is an error at once. None is called after vgpu_host_free().
 */
#define VGPU_HOST_ERROR (vgpu_host_error_quark())
GQuark vgpu_host_error_quark(void);
typedef enum {
    VGPU_HOST_ERROR_NOT_CONNECTED, /* there is no connection to libvirt, or it was lost meanwhile */
    VGPU_HOST_ERROR_NO_DOMAIN,     /* libvirt knows no such domain */
    VGPU_HOST_ERROR_BUSY,          /* the domain is just starting */
    VGPU_HOST_ERROR_FAILED,        /* libvirt refused */
} VgpuHostError;

typedef void (*VgpuHostDone)(const GError *error, gpointer user_data);

/*
 * vgpu_host_set_element:
 * Writes @config as the vgpu element of @domain, a name or a UUID, in place of the one that it has;
 * NULL takes it out. In the persistent definition, and in the running domain when it runs. What
 * follows from it follows as from 'virsh metadata'; @done does not wait for that.
 */
void vgpu_host_set_element(VgpuHost *host, const char *domain, const VgpuConfig *config,
                           VgpuHostDone done, gpointer user_data);

/*
 * vgpu_host_detach_all:
 * Takes our device out of every definition: emulator, arguments, state element. The administrator's
 * element stays; the definition is otherwise as it was before vgpud. Running VMs keep the device
 * and are served. Until vgpu_host_attach_all(), or the next start of vgpud, a definition that still
 * has, or again gets, something of ours loses it. An error also names how many could not be
 * changed; those that were starting follow by themselves.
 */
void vgpu_host_detach_all(VgpuHost *host, VgpuHostDone done, gpointer user_data);

/* Ends vgpu_host_detach_all(): puts our device into every definition that asks for it. */
void vgpu_host_attach_all(VgpuHost *host, VgpuHostDone done, gpointer user_data);

/* Whether detach_all, not attach_all, was carried out last. */
gboolean vgpu_host_is_detached(const VgpuHost *host);

gboolean vgpu_host_is_connected(const VgpuHost *host);

/*
 * One line for a person: "qemu:///system, libvirt 9.0.0, QEMU 7.2.22"; while there is no connection
 * the URI and why. Owned by @host, good until it next turns to the main loop.
 */
const char *vgpu_host_describe(const VgpuHost *host);
