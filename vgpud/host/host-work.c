/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-work.h"

#include "host-order.h"

struct VgpuHostWork {
    GMutex lock;
    GCond changed;
    GQueue order;        /* char *: UUIDs to look at, each once; owned by `waiting` */
    GHashTable *waiting; /* char * -> its link in `order` */
    GQueue orders;       /* VgpuHostOrder * */
    GHashTable *held;    /* char * -> TRUE when something came up meanwhile */
    char *loss;          /* why the connection is lost; NULL: it is not */
    gboolean quit;
    gboolean finished;
};

VgpuHostWork *vgpu_host_work_new(void)
{
    VgpuHostWork *work = g_new0(VgpuHostWork, 1);

    g_mutex_init(&work->lock);
    g_cond_init(&work->changed);
    g_queue_init(&work->order);
    g_queue_init(&work->orders);
    work->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    work->held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return work;
}

void vgpu_host_work_free(VgpuHostWork *work)
{
    g_queue_clear(&work->order);
    g_queue_clear_full(&work->orders, (GDestroyNotify)vgpu_host_order_free);
    g_hash_table_unref(work->waiting);
    g_hash_table_unref(work->held);
    g_free(work->loss);
    g_cond_clear(&work->changed);
    g_mutex_clear(&work->lock);
    g_free(work);
}

/* The ones below that end in _locked want the lock held. */
static void add_locked(VgpuHostWork *work, const char *uuid)
{
    if (g_hash_table_contains(work->held, uuid)) {
        g_hash_table_insert(work->held, g_strdup(uuid), GINT_TO_POINTER(TRUE));
        return;
    }
    if (g_hash_table_contains(work->waiting, uuid))
        return;

    char *own = g_strdup(uuid);
    g_queue_push_tail(&work->order, own);
    g_hash_table_insert(work->waiting, own, g_queue_peek_tail_link(&work->order));
    g_cond_broadcast(&work->changed);
}

/* Returns whether the domain was waiting. */
static gboolean drop_locked(VgpuHostWork *work, const char *uuid)
{
    GList *link = g_hash_table_lookup(work->waiting, uuid);

    if (link == NULL)
        return FALSE;
    g_queue_delete_link(&work->order, link);
    return g_hash_table_remove(work->waiting, uuid);
}

void vgpu_host_work_add(VgpuHostWork *work, const char *uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    add_locked(work, uuid);
}

void vgpu_host_work_hold(VgpuHostWork *work, const char *uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    if (g_hash_table_contains(work->held, uuid))
        return;
    g_hash_table_insert(work->held, g_strdup(uuid), GINT_TO_POINTER(drop_locked(work, uuid)));
}

void vgpu_host_work_resume(VgpuHostWork *work, const char *uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);
    gboolean noted = GPOINTER_TO_INT(g_hash_table_lookup(work->held, uuid));

    g_hash_table_remove(work->held, uuid);
    if (noted)
        add_locked(work, uuid);
}

gboolean vgpu_host_work_is_held(VgpuHostWork *work, const char *uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    return g_hash_table_contains(work->held, uuid);
}

gboolean vgpu_host_work_begin(VgpuHostWork *work, const char *uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    if (g_hash_table_contains(work->held, uuid)) {
        add_locked(work, uuid);
        return FALSE;
    }
    drop_locked(work, uuid);
    return TRUE;
}

void vgpu_host_work_renew(VgpuHostWork *work)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    g_queue_clear(&work->order);
    g_hash_table_remove_all(work->waiting);
    g_clear_pointer(&work->loss, g_free);
}

void vgpu_host_work_lose(VgpuHostWork *work, const char *reason)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    g_hash_table_remove_all(work->held);
    if (work->loss == NULL)
        work->loss = g_strdup(reason);
    g_cond_broadcast(&work->changed);
}

char *vgpu_host_work_loss(VgpuHostWork *work)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    return g_strdup(work->loss);
}

static VgpuHostTask next_locked(VgpuHostWork *work, char **uuid)
{
    if (work->quit)
        return VGPU_HOST_TASK_QUIT;
    if (work->loss != NULL)
        return VGPU_HOST_TASK_LOST;
    if (!g_queue_is_empty(&work->orders))
        return VGPU_HOST_TASK_ORDER;
    if (g_queue_is_empty(&work->order))
        return VGPU_HOST_TASK_NONE;

    *uuid = g_strdup(g_queue_peek_head(&work->order));
    drop_locked(work, *uuid);
    return VGPU_HOST_TASK_LOOK;
}

VgpuHostTask vgpu_host_work_take(VgpuHostWork *work, gboolean wait, char **uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);
    VgpuHostTask task;

    *uuid = NULL;
    while ((task = next_locked(work, uuid)) == VGPU_HOST_TASK_NONE && wait)
        g_cond_wait(&work->changed, &work->lock);
    return task;
}

void vgpu_host_work_order(VgpuHostWork *work, VgpuHostOrder *order)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    g_queue_push_tail(&work->orders, order);
    g_cond_broadcast(&work->changed);
}

VgpuHostOrder *vgpu_host_work_take_order(VgpuHostWork *work)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    return g_queue_pop_head(&work->orders);
}

gboolean vgpu_host_work_is_over(VgpuHostWork *work)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    return work->quit || work->loss != NULL;
}

/* Waits for *flag to be set, until @milliseconds are over. Returns it. */
static gboolean wait_locked(VgpuHostWork *work, const gboolean *flag, guint milliseconds)
{
    gint64 end = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;

    while (!*flag && g_cond_wait_until(&work->changed, &work->lock, end))
        ;
    return *flag;
}

gboolean vgpu_host_work_sleep(VgpuHostWork *work, guint milliseconds)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    return !wait_locked(work, &work->quit, milliseconds);
}

void vgpu_host_work_quit(VgpuHostWork *work)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    work->quit = TRUE;
    g_cond_broadcast(&work->changed);
}

void vgpu_host_work_finish(VgpuHostWork *work)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    work->finished = TRUE;
    g_cond_broadcast(&work->changed);
}

gboolean vgpu_host_work_join(VgpuHostWork *work, guint milliseconds)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&work->lock);

    return wait_locked(work, &work->finished, milliseconds);
}
