/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the main thread leaves for the worker thread: which domains to look at, which to leave
 * alone. A set, not a list: however often a domain changes while the worker is busy, it is looked
 * at once. Any thread may call anything; nothing but take, sleep and join ever waits.
 */
#pragma once

#include <glib.h>

typedef struct VgpuHostWork VgpuHostWork;
typedef struct VgpuHostOrder VgpuHostOrder;

typedef enum {
    VGPU_HOST_TASK_NONE,  /* nothing to do, and it was not asked to wait */
    VGPU_HOST_TASK_LOOK,  /* look at one domain */
    VGPU_HOST_TASK_ORDER, /* an order waits */
    VGPU_HOST_TASK_LOST,  /* the connection is gone */
    VGPU_HOST_TASK_QUIT,  /* end the thread */
} VgpuHostTask;

VgpuHostWork *vgpu_host_work_new(void);
void vgpu_host_work_free(VgpuHostWork *work);

/* A domain may have changed. While it is held this is kept for later. */
void vgpu_host_work_add(VgpuHostWork *work, const char *uuid);

void vgpu_host_work_hold(VgpuHostWork *work, const char *uuid);
void vgpu_host_work_resume(VgpuHostWork *work, const char *uuid);
gboolean vgpu_host_work_is_held(VgpuHostWork *work, const char *uuid);

/*
 * The worker turns to this domain now: what was added until here is settled by it. Returns FALSE
 * when the domain is held; it then comes up again on resume.
 */
gboolean vgpu_host_work_begin(VgpuHostWork *work, const char *uuid);

/* A new connection: what was added before is void, a scan comes. Holds stay. */
void vgpu_host_work_renew(VgpuHostWork *work);

/* The connection is lost, for @reason (the first one counts). All holds end. */
void vgpu_host_work_lose(VgpuHostWork *work, const char *reason);

/* Why the connection was lost; owned by the caller; NULL: it was not. */
char *vgpu_host_work_loss(VgpuHostWork *work);

/*
 * What to do next: QUIT before LOST before ORDER before LOOK, the domain that waits longest first.
 * For LOOK, *uuid is the caller's, and the domain has begun. @wait: sleep until there is something.
 */
VgpuHostTask vgpu_host_work_take(VgpuHostWork *work, gboolean wait, char **uuid);

/* Leaves an order, which the work then owns. */
void vgpu_host_work_order(VgpuHostWork *work, VgpuHostOrder *order);

/* The order that waits longest, the caller's then; NULL: none does. */
VgpuHostOrder *vgpu_host_work_take_order(VgpuHostWork *work);

/* TRUE when a long piece of work should be broken off: QUIT or LOST is waiting. */
gboolean vgpu_host_work_is_over(VgpuHostWork *work);

/* Sleeps @milliseconds. Returns FALSE, and at once, when the thread should end. */
gboolean vgpu_host_work_sleep(VgpuHostWork *work, guint milliseconds);

/* Tells the worker to end. */
void vgpu_host_work_quit(VgpuHostWork *work);

/* The worker's last word. */
void vgpu_host_work_finish(VgpuHostWork *work);

/* Waits for it, @milliseconds at most. Returns FALSE when it did not come. */
gboolean vgpu_host_work_join(VgpuHostWork *work, guint milliseconds);
