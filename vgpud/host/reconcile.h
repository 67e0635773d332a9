/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which definition a domain should have: the decisions, without libvirt. It keeps the VMs' numbers
 * and remembers what has been complained about, so that a wrong domain does not fill the log.
 */
#pragma once

#include <glib.h>

#include "vgpu-domain.h"
#include "vm-ids.h"

#define VGPU_RECONCILE_ERROR (vgpu_reconcile_error_quark())
GQuark vgpu_reconcile_error_quark(void);
typedef enum {
    VGPU_RECONCILE_ERROR_FULL,     /* there are VGPU_VM_ID_MAX VMs with a number */
    VGPU_RECONCILE_ERROR_UNSTABLE, /* libvirt does not keep what we put in */
} VgpuReconcileError;

typedef struct VgpuReconciler VgpuReconciler;

/* @emulator and @run_dir as in VgpuHostOptions; copied. */
VgpuReconciler *vgpu_reconciler_new(const char *emulator, const char *run_dir);
void vgpu_reconciler_free(VgpuReconciler *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuReconciler, vgpu_reconciler_free)

typedef enum {
    VGPU_RECONCILE_RIGHT,  /* the definition is as it should be, or none of our business */
    VGPU_RECONCILE_DEFINE, /* it should be plan.xml */
    VGPU_RECONCILE_LATER,  /* it needs a new number, and @may_number is FALSE */
    VGPU_RECONCILE_FAILED, /* error is set; the definition is to be left alone */
} VgpuReconcileVerdict;

typedef struct {
    char *xml;  /* the wanted definition */
    char *done; /* what defining it does, for the log: "vgpu-stub put into its definition (...)" */
} VgpuReconcilePlan;

void vgpu_reconcile_plan_clear(VgpuReconcilePlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VgpuReconcilePlan, vgpu_reconcile_plan_clear)

/* While TRUE no definition is to have anything of ours but the administrator's element. */
void vgpu_reconciler_set_detached(VgpuReconciler *self, gboolean detached);
gboolean vgpu_reconciler_is_detached(const VgpuReconciler *self);

/*
 * Judges @xml, the persistent definition of @uuid with its secrets. @may_number FALSE: give out no
 * new number, because not all domains that have one have been seen yet. Fills @plan for DEFINE.
 */
VgpuReconcileVerdict vgpu_reconciler_plan(VgpuReconciler *self, const char *uuid, const char *xml,
                                          gboolean may_number, VgpuReconcilePlan *plan,
                                          GError **error);

/*
 * Several tries did not make @xml right: says so in @error, and from now on plan() answers FAILED
 * with the same words for as long as the definition is exactly this.
 */
void vgpu_reconciler_give_up(VgpuReconciler *self, const char *uuid, const char *xml,
                             GError **error);

/*
 * The number of @uuid, which has our element; a new one when it has none yet and @may_number. 0: it
 * must wait for it, or all are taken.
 */
guint32 vgpu_reconciler_number(VgpuReconciler *self, const char *uuid, gboolean may_number);

/* A running domain has this number: it keeps it. Without effect when the number is another's. */
void vgpu_reconciler_seen_running(VgpuReconciler *self, const char *uuid, guint32 vm_id);

/* TRUE when @complaint is not what was last complained about @uuid since it was last right. */
gboolean vgpu_reconciler_is_news(VgpuReconciler *self, const char *uuid, const char *complaint);

/* There is no such domain any more, or nothing of ours in it. */
void vgpu_reconciler_forget(VgpuReconciler *self, const char *uuid);

/* Forgets all domains but the keys of @uuids. */
void vgpu_reconciler_retain(VgpuReconciler *self, GHashTable *uuids);
