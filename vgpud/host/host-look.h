/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker thread looks at a domain: reads what libvirt knows, brings its definition in order,
 * tells the main thread about a running one. Whatever the reason for a look was, all of it is done:
 * events are late, merged and lost, libvirt's present answer is not.
 */
#pragma once

#include "host-libvirt.h"
#include "host-shared.h"
#include "reconcile.h"

typedef struct {
    VgpuHostShared *shared;
    virConnectPtr connection; /* NULL: there is none */
    VgpuReconciler *reconciler;
    GHashTable *running; /* the set of UUIDs that the main thread believes to run with our device */
    GHashTable *notes;   /* UUID -> what was last said about it as a running domain */
    GHashTable *runs;    /* vgpu_host_running_table_new() */
    GThreadPool *plugs;  /* hot-plugs under way */
    GThreadPool *orders; /* vgpu_host_order_pool_new() */
} VgpuHostLook;

void vgpu_host_look_init(VgpuHostLook *self, VgpuHostShared *shared);
void vgpu_host_look_clear(VgpuHostLook *self);

/*
 * Looks at @domain, whose work has begun. @may_number as in vgpu_reconciler_plan(); a domain that
 * must wait for its number is added to the work again. Returns FALSE when its definition is not as
 * it should be.
 */
gboolean vgpu_host_look_at(VgpuHostLook *self, virDomainPtr domain, gboolean may_number);

/* The same for a UUID that may be gone. */
void vgpu_host_look_at_uuid(VgpuHostLook *self, const char *uuid);

/* A call failed: the connection is gone, or the domain, or something is wrong with the domain. */
void vgpu_host_look_failed(VgpuHostLook *self, const char *uuid, const char *name,
                           const char *doing);

/*
 * Looks at all domains; forgets those that are gone. *left, unless NULL, is how many definitions
 * are not as they should be after it. Returns FALSE when the connection was lost, or libvirt could
 * not list them.
 */
gboolean vgpu_host_look_at_all(VgpuHostLook *self, guint *left);
