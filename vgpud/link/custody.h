/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is kept out: counts the faults of a VM, quarantines it past its budget, for longer each time
 * (quarantine.h), and lets it back. One for each VM, of whichever kind; all of them together are
 * what operators and the daemon see. What being kept out means to a VM is done by the VM itself.
 */
#pragma once

#include <glib.h>

#include "session.h"
#include "settings.h"
#include "worker-end.h"

typedef struct VgpuCustodies VgpuCustodies;
typedef struct VgpuCustody VgpuCustody;

/* None may end or move a VM: they come in the middle of things. */
typedef struct {
    /* Puts into session->quarantine what a vgpud before this one knew. */
    void (*recall)(VgpuSession *session, gpointer user_data);

    /* session->quarantine is another one. */
    void (*note)(const VgpuSession *session, gpointer user_data);

    /* The VM's worker has ended, and its device may be at fault. */
    void (*blame)(const VgpuSession *session, const char *device_key, gpointer user_data);
} VgpuCustodyHandlers;

/* @settings and @handlers must stay valid. */
VgpuCustodies *vgpu_custodies_new(const VgpuSettings *settings, const VgpuCustodyHandlers *handlers,
                                  gpointer user_data);

/* To be called when none is left. */
void vgpu_custodies_free(VgpuCustodies *all);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuCustodies, vgpu_custodies_free)

/* That of @session's VM; borrowed. NULL: it has none. */
VgpuCustody *vgpu_custodies_find(const VgpuCustodies *all, const VgpuSession *session);

/* What a VM does; @vm is the one that vgpu_custody_new() was given. */
typedef struct {
    /* It is kept out: to end its worker, to be in the state QUARANTINED, and to tell its guest. May
     * come again while it is. session->quarantine says why. */
    void (*shut)(gpointer vm);

    /* No longer: to leave the state. */
    void (*open)(gpointer vm);
} VgpuCustodyWays;

/*
 * vgpu_custody_new:
 * Keeps a reference of @session, whose budget begins now; @ways must stay valid. There is one for
 * each UUID at most.
 */
VgpuCustody *vgpu_custody_new(VgpuCustodies *all, VgpuSession *session, const VgpuCustodyWays *ways,
                              gpointer vm);
void vgpu_custody_free(VgpuCustody *custody);

/* Goes on with a quarantine that a vgpud before this one began. To be called once, when the session
 * is in its registry. */
void vgpu_custody_recall(VgpuCustody *custody);

/*
 * vgpu_custody_count:
 * The VM's worker has ended, or could not be started. TRUE: that was one fault too many, and the VM
 * has been shut out; FALSE: it may have another worker.
 */
gboolean vgpu_custody_count(VgpuCustody *custody, const VgpuWorkerEnd *end);

/* By hand: for @seconds, up to VGPU_QUARANTINE_MAX_S; 0: until it is released. */
void vgpu_custody_order(VgpuCustody *custody, guint seconds);

/* Ends the quarantine, if it is in one, and forgives all of its faults: its budget begins anew, and
 * its next quarantine is a first one. */
void vgpu_custody_release(VgpuCustody *custody);
