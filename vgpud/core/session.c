/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <string.h>
#include <unistd.h>

#define IDLE_US G_USEC_PER_SEC

static const char *const state_names[] = {
    [VGPU_SESSION_RESERVED] = "reserved", [VGPU_SESSION_LINKED] = "linked",
    [VGPU_SESSION_SERVING] = "serving",   [VGPU_SESSION_QUARANTINED] = "quarantined",
    [VGPU_SESSION_ENDED] = "ended",
};

/* What may follow what. A QEMU that disconnects without ending takes its session back to RESERVED.
 */
#define TO(state) (1u << VGPU_SESSION_##state)
static const guint allowed[] = {
    [VGPU_SESSION_RESERVED] = TO(LINKED) | TO(QUARANTINED) | TO(ENDED),
    [VGPU_SESSION_LINKED] = TO(SERVING) | TO(RESERVED) | TO(QUARANTINED) | TO(ENDED),
    [VGPU_SESSION_SERVING] = TO(LINKED) | TO(RESERVED) | TO(QUARANTINED) | TO(ENDED),
    [VGPU_SESSION_QUARANTINED] = TO(LINKED) | TO(RESERVED) | TO(ENDED),
    [VGPU_SESSION_ENDED] = 0,
};

VgpuSession *vgpu_session_new(const char *uuid, const char *name, guint32 vm_id, char pool,
                              enum vgpu_priority priority, VgpuMember *member, GError **error)
{
    int fd = -1;
    VgpuPage *page = vgpu_page_create(&fd, error);
    if (page == NULL)
        return NULL;

    VgpuSession *session = g_new0(VgpuSession, 1);
    g_atomic_ref_count_init(&session->references);
    session->uuid = g_strdup(uuid);
    session->name = g_strdup(name);
    session->vm_id = vm_id;
    session->pool = pool;
    session->priority = priority;
    session->state = VGPU_SESSION_RESERVED;
    session->member = member;
    session->waiting_us = member == NULL ? g_get_monotonic_time() : 0;
    session->since_us = g_get_real_time();
    session->page = page;
    session->page_fd = fd;
    session->looked_ns = (guint64)g_get_monotonic_time() * 1000;
    return session;
}

void vgpu_session_limit(VgpuSession *session, const VgpuLimits *wish, const VgpuPool *pool)
{
    session->wish = *wish;
    session->limits = vgpu_limits_within(wish, pool != NULL ? &pool->limits : NULL);
    vgpu_page_set_limits(session->page, &session->limits, pool != NULL && pool->limits.waits);
}

void vgpu_session_look(VgpuSession *session, guint64 now_ns)
{
    VgpuAccounts *total = NULL;

    if (session->sessions != NULL && g_ascii_isupper(session->pool))
        total = &session->sessions->pools[session->pool - 'A'];
    if (now_ns <= session->looked_ns)
        return;
    vgpu_accounts_look(&session->accounts, session->page, now_ns - session->looked_ns, total);
    session->looked_ns = now_ns;
}

void vgpu_session_set_pool(VgpuSession *session, char pool, guint64 now_ns)
{
    vgpu_session_look(session, now_ns);
    session->pool = pool;
}

guint64 vgpu_session_used(const VgpuSession *session, VgpuQuotaKind kind)
{
    if (session->worker_pid == 0)
        return 0;
    return MIN(atomic_load(&session->page->used[kind]), (guint64)G_MAXINT64);
}

VgpuSession *vgpu_session_ref(VgpuSession *session)
{
    g_atomic_ref_count_inc(&session->references);
    return session;
}

static void give_place_back(VgpuSession *session)
{
    if (session->member != NULL)
        vgpu_member_leave(g_steal_pointer(&session->member));
}

void vgpu_session_unref(VgpuSession *session)
{
    if (!g_atomic_ref_count_dec(&session->references))
        return;
    give_place_back(session);
    vgpu_page_unmap(session->page);
    close(session->page_fd);
    vgpu_faults_clear(&session->faults);
    vgpu_quarantine_clear(&session->quarantine);
    g_free(session->uuid);
    g_free(session->name);
    g_free(session);
}

static void tell(const VgpuSessions *sessions, VgpuSession *session, VgpuSessionNews news)
{
    if (sessions != NULL && sessions->watcher != NULL)
        sessions->watcher(session, news, sessions->watcher_data);
}

void vgpu_session_changed(VgpuSession *session)
{
    tell(session->sessions, session, VGPU_SESSION_NEWS_CHANGED);
}

void vgpu_session_set_state(VgpuSession *session, VgpuSessionState state)
{
    if (session->state == state)
        return;
    g_assert(allowed[session->state] & (1u << state));
    session->state = state;
    if (state == VGPU_SESSION_ENDED)
        give_place_back(session);
    vgpu_session_changed(session);
}

void vgpu_session_set_member(VgpuSession *session, VgpuMember *member)
{
    give_place_back(session);
    session->member = member;
    if (member != NULL)
        session->waiting_us = 0;
    else if (session->waiting_us == 0)
        session->waiting_us = g_get_monotonic_time();
}

gboolean vgpu_session_is_waiting(const VgpuSession *session)
{
    return session->member == NULL && session->vm_id <= VGPU_VM_ID_MAX &&
           session->state != VGPU_SESSION_ENDED;
}

gboolean vgpu_session_is_idle(const VgpuSession *session, gint64 now_us)
{
    const VgpuPage *page = session->page;

    if (session->worker_pid == 0)
        return TRUE;
    if (atomic_load(&page->state) == VGPU_PAGE_STARTING)
        return FALSE; /* what it was started for may wait */
    for (guint i = 0; i < VGPU_QUOTA_COUNT; i++)
        if (atomic_load(&page->used[i]) != 0)
            return FALSE;
    /* Also when the clock was set back. */
    return ABS(now_us - CLAMP(atomic_load(&page->last_us), 0, G_MAXINT64)) >= IDLE_US;
}

const char *vgpu_session_state_name(VgpuSessionState state)
{
    return state_names[state];
}

VgpuSessions *vgpu_sessions_new(void)
{
    VgpuSessions *sessions = g_new0(VgpuSessions, 1);
    sessions->by_uuid =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)vgpu_session_unref);
    return sessions;
}

/* Nobody is told: the registry itself goes. */
static void leave(gpointer key G_GNUC_UNUSED, gpointer value, gpointer data G_GNUC_UNUSED)
{
    VgpuSession *session = value;

    session->sessions = NULL;
}

void vgpu_sessions_free(VgpuSessions *sessions)
{
    g_hash_table_foreach(sessions->by_uuid, leave, NULL);
    g_hash_table_unref(sessions->by_uuid);
    g_free(sessions);
}

void vgpu_sessions_add(VgpuSessions *sessions, VgpuSession *session)
{
    gboolean added =
        g_hash_table_insert(sessions->by_uuid, session->uuid, vgpu_session_ref(session));
    g_assert(added);
    session->sessions = sessions;
    tell(sessions, session, VGPU_SESSION_NEWS_ADDED);
}

void vgpu_sessions_remove(VgpuSessions *sessions, const char *uuid)
{
    g_autoptr(VgpuSession) session = NULL;

    if (!g_hash_table_steal_extended(sessions->by_uuid, uuid, NULL, (gpointer *)&session))
        return;
    vgpu_session_look(session, (guint64)g_get_monotonic_time() * 1000);
    session->sessions = NULL;
    tell(sessions, session, VGPU_SESSION_NEWS_REMOVED);
}

void vgpu_sessions_watch(VgpuSessions *sessions, VgpuSessionWatcher watcher, gpointer user_data)
{
    sessions->watcher = watcher;
    sessions->watcher_data = user_data;
}

const VgpuAccounts *vgpu_sessions_accounts(VgpuSessions *sessions, char pool, guint64 now_ns)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, sessions->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        vgpu_session_look(value, now_ns);
    return &sessions->pools[pool - 'A'];
}

VgpuSession *vgpu_sessions_by_uuid(const VgpuSessions *sessions, const char *uuid)
{
    return g_hash_table_lookup(sessions->by_uuid, uuid);
}

VgpuSession *vgpu_sessions_by_vm_id(const VgpuSessions *sessions, guint32 vm_id)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, sessions->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        VgpuSession *session = value;
        if (session->vm_id == vm_id)
            return session;
    }
    return NULL;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    const VgpuSession *left = *(VgpuSession *const *)a;
    const VgpuSession *right = *(VgpuSession *const *)b;
    return strcmp(left->name, right->name);
}

GPtrArray *vgpu_sessions_list(const VgpuSessions *sessions)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)vgpu_session_unref);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, sessions->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(list, vgpu_session_ref(value));
    g_ptr_array_sort(list, compare_names);
    return list;
}
