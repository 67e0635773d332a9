/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The owner of one queue, for as long as its session lasts: its handles, its queue on the device,
 * and what the device has not ended yet, the window.
 *
 * The window holds one event for each command that was given to the device, in order. What is
 * released while something runs may have a part in it: it is freed, and uncharged, only when all
 * that was given before it has ended. So a limit holds for what the device really keeps.
 */
#pragma once

#include <glib.h>

#include "backend.h"
#include "handles.h"
#include "pace.h"
#include "quota.h"

/* Commands of one owner that the device may have at once. */
#define VGPU_OWNER_WINDOW VGPU_PACE_MOST

/* One command that the device was given. */
typedef struct {
    VgpuBackendEvent *event;
    guint32 tag;         /* the guest's */
    gboolean measured;   /* its time counts as time on the device */
    gboolean notified;   /* its end will be told */
    VgpuObject *kernel;  /* what was launched; NULL: it is no launch */
    guint64 items;       /* over so many work-items */
    guint64 expected_ns; /* of its pace */
    GSList *garbage;     /* of VgpuObject: to be freed when it has ended */
} VgpuOwnerWork;

typedef struct {
    VgpuBackend *backend;    /* borrowed; NULL: there is no device */
    VgpuQuota *quota;        /* borrowed; the VM's */
    VgpuPace *pace;          /* the same */
    VgpuBackendQueue *queue; /* NULL until it is needed */
    VgpuHandles *handles;
    VgpuOwnerWork window[VGPU_OWNER_WINDOW]; /* a ring */
    guint oldest;                            /* index of the first */
    guint count;
    guint64 oldest_ns;       /* when the first became that, vgpu_deadline_now() */
    enum vgpu_result failed; /* of the first command that failed behind its completion; 0 */
    guint32 failed_tag;
    guint64 device_ns; /* time on the device of what was collected */
} VgpuOwner;

VgpuOwner *vgpu_owner_new(VgpuBackend *backend, VgpuQuota *quota, VgpuPace *pace);

/* Frees all that the owner has; the window must be empty. */
void vgpu_owner_free(VgpuOwner *owner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuOwner, vgpu_owner_free)

/*
 * vgpu_owner_drop:
 * Frees @object, at once or when nothing runs any more that it may have a part in. A program of
 * which there are kernels stays with them, as drivers have it: what it holds is charged until then.
 */
void vgpu_owner_drop(VgpuOwner *owner, VgpuObject *object);

/*
 * vgpu_owner_put:
 * Adds a command, without garbage, to the window, which has room; its event is owned by it from now
 * on, and one VGPU_QUOTA_OUTSTANDING has been charged for it.
 */
void vgpu_owner_put(VgpuOwner *owner, const VgpuOwnerWork *work);

/* Takes what has ended out of the window. TRUE when there was something. */
gboolean vgpu_owner_collect(VgpuOwner *owner);

/* TRUE when vgpu_owner_collect() would find something: for spinning. */
gboolean vgpu_owner_has_ended(const VgpuOwner *owner);

/*
 * vgpu_owner_notify:
 * Has the eventfd @fd written when @all that is in the window has ended, or about half of it.
 * FALSE: the device cannot tell, and has to be asked. Without effect when that has been done
 * already.
 */
gboolean vgpu_owner_notify(VgpuOwner *owner, gboolean all, int fd);
