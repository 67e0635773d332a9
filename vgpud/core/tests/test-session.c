/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session.h"

#define UUID_1 "11111111-1111-1111-1111-111111111111"
#define UUID_2 "22222222-2222-2222-2222-222222222222"

static VgpuSession *make(const char *uuid, const char *name, guint32 vm_id, VgpuMember *member)
{
    g_autoptr(GError) error = NULL;
    VgpuSession *session =
        vgpu_session_new(uuid, name, vm_id, 'A', VGPU_PRIORITY_HIGH, member, &error);

    assert_non_null(session);
    return session;
}

static void test_life(void **state)
{
    (void)state;
    VgpuMember member = {.used = 1};
    g_autoptr(VgpuSession) session = make(UUID_1, "web", 1, &member);

    assert_string_equal(vgpu_session_state_name(session->state), "reserved");
    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    vgpu_session_set_state(session, VGPU_SESSION_SERVING);
    vgpu_session_set_state(session, VGPU_SESSION_LINKED); /* the worker died */
    vgpu_session_set_state(session, VGPU_SESSION_SERVING);
    vgpu_session_set_state(session, VGPU_SESSION_QUARANTINED);
    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    vgpu_session_set_state(session, VGPU_SESSION_RESERVED); /* QEMU's link dropped */
    assert_int_equal(member.used, 1);
    vgpu_session_set_state(session, VGPU_SESSION_ENDED);
    assert_int_equal(member.used, 0);
    assert_null(session->member);
}

static void test_a_lost_reference_gives_the_place_back(void **state)
{
    (void)state;
    VgpuMember member = {.used = 1};

    vgpu_session_unref(make(UUID_1, "web", 1, &member));
    assert_int_equal(member.used, 0);
}

static void test_the_limit_reaches_the_page(void **state)
{
    (void)state;
    VgpuMember member = {.used = 1};
    g_autoptr(VgpuSession) session = make(UUID_1, "web", 1, &member);
    const VgpuPool pool = {.limits = {.ceiling = {{100, 10}}, .waits = TRUE}};
    const VgpuLimits none = {{0}}, wish = {{5, 2}};

    vgpu_session_limit(session, &none, &pool);
    assert_int_equal(atomic_load(&session->page->limits[VGPU_LIMIT_RATE]), 100);
    assert_int_equal(atomic_load(&session->page->limits_wait), 1);
    vgpu_session_limit(session, &wish, &pool);
    assert_int_equal(atomic_load(&session->page->limits[VGPU_LIMIT_RATE]), 5);
    assert_int_equal(session->limits.value[VGPU_LIMIT_BURST], 2);
    assert_int_equal(session->wish.value[VGPU_LIMIT_RATE], 5);
    vgpu_session_limit(session, &none, NULL);
    assert_int_equal(session->limits.value[VGPU_LIMIT_RATE], 0);
    assert_int_equal(atomic_load(&session->page->limits_wait), 0);
}

/* A pool's sum keeps what sessions had that have moved away or ended. */
static void test_accounts_of_pools(void **state)
{
    (void)state;
    const guint64 second = G_GUINT64_CONSTANT(1000000000);
    g_autoptr(VgpuSessions) sessions = vgpu_sessions_new();
    g_autoptr(VgpuSession) web = make(UUID_1, "web", 7, NULL);
    g_autoptr(VgpuSession) db = make(UUID_2, "db", 8, NULL);
    guint64 now = web->looked_ns + second;

    vgpu_sessions_add(sessions, web);
    vgpu_sessions_add(sessions, db);
    const char from = web->pool;
    atomic_store(&web->page->requests, 100);
    atomic_store(&db->page->requests, 10);
    assert_int_equal(vgpu_sessions_accounts(sessions, from, now)->count[VGPU_ACCOUNT_REQUESTS],
                     110);

    atomic_store(&web->page->requests, 150);
    vgpu_session_set_pool(web, 'Z', now += second);
    atomic_store(&web->page->requests, 157);
    assert_int_equal(
        vgpu_sessions_accounts(sessions, 'Z', now += second)->count[VGPU_ACCOUNT_REQUESTS], 7);
    assert_int_equal(vgpu_sessions_accounts(sessions, from, now)->count[VGPU_ACCOUNT_REQUESTS],
                     160);
    assert_int_equal(web->accounts.count[VGPU_ACCOUNT_REQUESTS], 157);

    db->looked_ns = 0; /* the removal's time is the real one */
    atomic_store(&db->page->requests, 11);
    vgpu_sessions_remove(sessions, UUID_2);
    assert_int_equal(vgpu_sessions_accounts(sessions, from, now)->count[VGPU_ACCOUNT_REQUESTS],
                     161);
}

static void test_registry(void **state)
{
    (void)state;
    VgpuMember member = {.used = 2};
    g_autoptr(VgpuSessions) sessions = vgpu_sessions_new();
    g_autoptr(VgpuSession) web = make(UUID_1, "web", 7, &member);
    g_autoptr(VgpuSession) db = make(UUID_2, "db", 8, &member);

    vgpu_sessions_add(sessions, web);
    vgpu_sessions_add(sessions, db);
    assert_ptr_equal(vgpu_sessions_by_uuid(sessions, UUID_1), web);
    assert_ptr_equal(vgpu_sessions_by_vm_id(sessions, 8), db);
    assert_null(vgpu_sessions_by_vm_id(sessions, 9));

    g_autoptr(GPtrArray) list = vgpu_sessions_list(sessions);
    assert_int_equal(list->len, 2);
    assert_ptr_equal(g_ptr_array_index(list, 0), db); /* by name */

    vgpu_sessions_remove(sessions, UUID_1);
    assert_null(vgpu_sessions_by_uuid(sessions, UUID_1));
    assert_string_equal(web->name, "web"); /* our reference holds it */
}

typedef struct {
    guint added, changed, removed;
    VgpuSessionState state; /* when it was last told */
} Seen;

static void on_news(VgpuSession *session, VgpuSessionNews news, gpointer user_data)
{
    Seen *seen = user_data;

    seen->added += news == VGPU_SESSION_NEWS_ADDED;
    seen->changed += news == VGPU_SESSION_NEWS_CHANGED;
    seen->removed += news == VGPU_SESSION_NEWS_REMOVED;
    seen->state = session->state;
}

static void test_watcher(void **state)
{
    (void)state;
    VgpuMember member = {.used = 1};
    VgpuSessions *sessions = vgpu_sessions_new();
    g_autoptr(VgpuSession) web = make(UUID_1, "web", 7, &member);
    Seen seen = {0};

    vgpu_session_set_state(web, VGPU_SESSION_LINKED); /* nobody's yet */
    vgpu_sessions_watch(sessions, on_news, &seen);
    vgpu_sessions_add(sessions, web);
    assert_int_equal(seen.added, 1);
    assert_int_equal(seen.changed, 0);
    vgpu_session_set_state(web, VGPU_SESSION_LINKED); /* is that already */
    assert_int_equal(seen.changed, 0);
    vgpu_session_set_state(web, VGPU_SESSION_SERVING);
    assert_int_equal(seen.changed, 1);
    assert_int_equal(seen.state, VGPU_SESSION_SERVING);
    vgpu_session_changed(web);
    assert_int_equal(seen.changed, 2);

    vgpu_sessions_remove(sessions, UUID_2);
    assert_int_equal(seen.removed, 0);
    vgpu_sessions_remove(sessions, UUID_1);
    assert_int_equal(seen.removed, 1);
    vgpu_session_changed(web);
    assert_int_equal(seen.changed, 2);

    vgpu_sessions_add(sessions, web);
    vgpu_sessions_watch(sessions, NULL, NULL);
    vgpu_session_changed(web);
    assert_int_equal(seen.changed, 2);
    vgpu_sessions_free(sessions);
    vgpu_session_changed(web); /* our reference outlives the registry */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_a_lost_reference_gives_the_place_back),
        cmocka_unit_test(test_the_limit_reaches_the_page),
        cmocka_unit_test(test_accounts_of_pools),
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_watcher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
