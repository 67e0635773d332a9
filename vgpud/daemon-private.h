/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the daemon, for its own files: daemon.c, admission.c, residents.c, reload.c,
 * quarantine.c. */
#pragma once

#include "breaker.h"
#include "custody.h"
#include "daemon.h"
#include "dbus-service.h"
#include "dispatcher.h"
#include "hook-server.h"
#include "host.h"
#include "legacy.h"
#include "loads.h"
#include "operator.h"
#include "places.h"
#include "session.h"
#include "state-file.h"
#include "vgpu-domain.h"
#include "vm.h"

struct VgpuDaemon {
    char *config;  /* path of vgpud.conf; NULL: there is none */
    char *connect; /* libvirt URI of the command line; NULL: the configured one */
    VgpuSettings *settings;
    VgpuSessions *sessions;
    GHashTable *vms; /* uuid -> VgpuVm; one for each session */
    VgpuPlaces places;
    VgpuDispatcher *dispatcher; /* the devices, and who computes */
    VgpuLoads *loads;
    guint loads_source;       /* 0: nobody is there */
    guint drain_source;       /* 0: nobody is to leave a member */
    VgpuCustodies *custodies; /* of all VMs, legacy ones among them */
    VgpuBreaker *breaker;
    VgpuHookServer *hooks;
    VgpuStateFile *state;
    VgpuHost *host;
    VgpuLegacy *legacy; /* NULL: nobody is served so */
    VgpuModel model;
    char *libvirt_detail; /* for the model */
    VgpuOperator for_operators;
    VgpuActions actions;
    VgpuDBusService *dbus;
};

/* --- admission.c: may a domain start? --- */

/* What libvirt's hook asks; user data: the daemon. */
gboolean vgpu_daemon_on_hook(const VgpuHookRequest *request, GError **error, gpointer daemon);

/* --- residents.c: the VMs that are there, and their places --- */

/* Sets places up. */
void vgpu_daemon_init_places(VgpuDaemon *self);

/*
 * vgpu_daemon_begin_session:
 * Makes the session of @domain, which has a device, for the pool and priority of @config. @member
 * is its place, which it takes over, also on failure; NULL: it waits for one.
 */
VgpuVm *vgpu_daemon_begin_session(VgpuDaemon *self, const VgpuDomain *domain,
                                  const VgpuConfig *config, VgpuMember *member, GError **error);

/* The VM's session ends, if it has one. */
void vgpu_daemon_end_session(VgpuDaemon *self, const char *uuid);

/* A domain with our device runs: it gets its session, or what it is to be has changed. */
void vgpu_daemon_on_running(const VgpuDomain *live, gpointer daemon);

/*
 * vgpu_daemon_settle:
 * Places, or members, have changed: VMs that wait get places, those on members that are to be empty
 * leave them, now and as soon as they are idle; what is empty and removed goes.
 */
void vgpu_daemon_settle(VgpuDaemon *self);

/* The same, as soon as what is under way has ended: from where no VM may be moved. */
void vgpu_daemon_settle_soon(VgpuDaemon *self);

/* --- quarantine.c: who is kept out, and which devices are --- */

/* Sets custodies and breaker up; the state file is there. */
void vgpu_daemon_init_quarantine(VgpuDaemon *self);

/* For VgpuActions; user data: the daemon. */
gboolean vgpu_daemon_quarantine(VgpuSession *session, guint seconds, GError **error,
                                gpointer daemon);
gboolean vgpu_daemon_release(VgpuSession *session, GError **error, gpointer daemon);

/* --- reload.c: what operators change of pools; for VgpuActions --- */

/* Members are draining as the state file says. */
void vgpu_daemon_restore_draining(VgpuDaemon *self);

gboolean vgpu_daemon_drain(const char *member, gboolean drain, GError **error, gpointer daemon);
gboolean vgpu_daemon_move(VgpuSession *session, const char *member, gboolean force, GError **error,
                          gpointer daemon);
gboolean vgpu_daemon_on_reload(GError **error, gpointer daemon);
