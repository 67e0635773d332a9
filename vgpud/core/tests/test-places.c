/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "places.h"

#define NOW (100 * G_USEC_PER_SEC)

typedef struct {
    VgpuPools *pools;
    VgpuSessions *sessions;
    VgpuPlaces places;
    GString *log; /* "NAME>MEMBER " for each put */
    guint count;
} Fixture;

static void put(VgpuSession *session, VgpuMember *member, gpointer data)
{
    Fixture *f = data;

    vgpu_session_set_member(session, member);
    g_string_append_printf(f->log, "%s>%s ", session->name, member->name);
}

static void add_pool(Fixture *f, const char *text)
{
    g_autoptr(GError) error = NULL;

    vgpu_pools_add(f->pools, text, strlen(text), "x.conf", &error);
    g_assert_no_error(error);
}

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->pools = vgpu_pools_new();
    f->sessions = vgpu_sessions_new();
    f->log = g_string_new(NULL);
    f->places = (VgpuPlaces){f->pools, f->sessions, put, f};
    add_pool(f, "[pool]\nname=A\nadmission=wait\n[member x]\nslots=2\n[member y]\nslots=2\n");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    vgpu_sessions_free(f->sessions);
    vgpu_pools_free(f->pools);
    g_string_free(f->log, TRUE);
    g_free(f);
    return 0;
}

/* A VM on the member of that name; NULL: one that waits, longer than those that come later. */
static VgpuSession *add(Fixture *f, const char *name, enum vgpu_priority priority,
                        const char *member)
{
    VgpuMember *place = member != NULL ? vgpu_pools_place_on(f->pools, 'A', member, NULL) : NULL;
    g_autofree char *uuid = g_uuid_string_random();
    g_autoptr(VgpuSession) session =
        vgpu_session_new(uuid, name, ++f->count, 'A', priority, place, NULL);

    assert_true(member == NULL || place != NULL);
    if (member == NULL)
        session->waiting_us = f->count;
    vgpu_sessions_add(f->sessions, session);
    return session; /* the registry has it */
}

/* Gives it a worker that says that it is at work, or not. */
static void work(VgpuSession *session, gboolean busy)
{
    session->worker_pid = 1;
    atomic_store(&session->page->state, VGPU_PAGE_READY);
    atomic_store(&session->page->used[VGPU_QUOTA_SHARED], busy ? 1 : 0);
}

static void assert_log(Fixture *f, const char *expected)
{
    assert_string_equal(f->log->str, expected);
    g_string_truncate(f->log, 0);
}

static void test_waiting_by_priority_then_by_arrival(void **state)
{
    Fixture *f = *state;

    add(f, "z-low-first", VGPU_PRIORITY_LOW, NULL);
    add(f, "y-medium-first", VGPU_PRIORITY_MEDIUM, NULL);
    add(f, "a-medium-second", VGPU_PRIORITY_MEDIUM, NULL);
    add(f, "b-low-second", VGPU_PRIORITY_LOW, NULL);
    add(f, "c-high", VGPU_PRIORITY_HIGH, NULL);
    assert_int_equal(vgpu_places_fill(&f->places), 4);
    assert_log(f, "c-high>x y-medium-first>y a-medium-second>x z-low-first>y ");
    assert_int_equal(vgpu_places_fill(&f->places), 0);
}

static void test_a_legacy_vm_does_not_wait(void **state)
{
    Fixture *f = *state;

    f->count = VGPU_VM_ID_MAX;
    VgpuSession *legacy = add(f, "legacy:x", VGPU_PRIORITY_HIGH, NULL);
    assert_false(vgpu_session_is_waiting(legacy));
    assert_int_equal(vgpu_places_fill(&f->places), 0);
    VgpuMember *x = vgpu_places_find(&f->places, "A/x", NULL);
    vgpu_session_set_member(legacy, vgpu_pools_place_on(f->pools, 'A', "x", NULL));
    x->draining = TRUE;
    assert_false(vgpu_places_drain(&f->places, NOW));
    assert_log(f, "");
}

static void test_idle_leave_at_once_busy_when_idle(void **state)
{
    Fixture *f = *state;
    VgpuSession *idle = add(f, "idle", VGPU_PRIORITY_LOW, "x");
    VgpuSession *busy = add(f, "busy", VGPU_PRIORITY_HIGH, "x");

    work(idle, FALSE);
    work(busy, TRUE);
    assert_false(vgpu_places_drain(&f->places, NOW)); /* nothing drains */
    vgpu_places_find(&f->places, "A/x", NULL)->draining = TRUE;
    assert_true(vgpu_places_drain(&f->places, NOW));
    assert_log(f, "idle>y ");
    assert_true(vgpu_places_drain(&f->places, NOW));
    assert_log(f, "");
    work(busy, FALSE);
    assert_false(vgpu_places_drain(&f->places, NOW));
    assert_log(f, "busy>y ");
}

static void test_one_leaves(void **state)
{
    Fixture *f = *state;
    VgpuSession *vm = add(f, "vm", VGPU_PRIORITY_LOW, "x");
    VgpuSession *other = add(f, "other", VGPU_PRIORITY_LOW, "x");

    work(vm, FALSE);
    work(other, FALSE);
    assert_true(vgpu_places_leave(&f->places, vm, NOW)); /* it may stay */
    vgpu_places_find(&f->places, "A/x", NULL)->draining = TRUE;
    work(vm, TRUE);
    assert_false(vgpu_places_leave(&f->places, vm, NOW));
    vm->worker_pid = 0; /* its worker has died */
    assert_true(vgpu_places_leave(&f->places, vm, NOW));
    assert_log(f, "vm>y ");
}

static void test_without_room_they_stay(void **state)
{
    Fixture *f = *state;

    add(f, "a", VGPU_PRIORITY_LOW, "x");
    add(f, "b", VGPU_PRIORITY_LOW, "y");
    VgpuSession *c = add(f, "c", VGPU_PRIORITY_LOW, "y");
    vgpu_places_find(&f->places, "A/x", NULL)->draining = TRUE;
    assert_false(vgpu_places_drain(&f->places, NOW)); /* nothing to look for by the clock */
    assert_log(f, "");
    vgpu_sessions_remove(f->sessions, c->uuid);
    assert_false(vgpu_places_drain(&f->places, NOW));
    assert_log(f, "a>y ");
}

static void test_what_idle_is(void **state)
{
    Fixture *f = *state;
    VgpuSession *session = add(f, "a", VGPU_PRIORITY_LOW, "x");
    VgpuPage *page = session->page;

    assert_true(vgpu_session_is_idle(session, NOW)); /* no worker */
    session->worker_pid = 1;
    assert_false(vgpu_session_is_idle(session, NOW)); /* it opens its device */
    atomic_store(&page->state, VGPU_PAGE_FAILED);
    assert_true(vgpu_session_is_idle(session, NOW));
    for (guint i = 0; i < VGPU_QUOTA_COUNT; i++) {
        atomic_store(&page->used[i], 1);
        assert_false(vgpu_session_is_idle(session, NOW));
        atomic_store(&page->used[i], 0);
    }
    atomic_store(&page->last_us, NOW - G_USEC_PER_SEC + 1);
    assert_false(vgpu_session_is_idle(session, NOW));
    atomic_store(&page->last_us, NOW - G_USEC_PER_SEC);
    assert_true(vgpu_session_is_idle(session, NOW));
    atomic_store(&page->last_us, G_MININT64); /* whatever a worker writes */
    assert_true(vgpu_session_is_idle(session, NOW));
    atomic_store(&page->last_us, G_MAXINT64);
    assert_true(vgpu_session_is_idle(session, NOW));
}

static void test_an_operator_moves(void **state)
{
    Fixture *f = *state;
    VgpuSession *session = add(f, "a", VGPU_PRIORITY_LOW, "x");
    g_autoptr(GError) error = NULL;

    work(session, TRUE);
    assert_false(vgpu_places_move(&f->places, session, "y", FALSE, NOW, &error));
    assert_non_null(strstr(error->message, "\"a\" is busy"));
    g_clear_error(&error);
    assert_true(vgpu_places_move(&f->places, session, "y", TRUE, NOW, NULL));
    work(session, FALSE);
    assert_false(vgpu_places_move(&f->places, session, "y", FALSE, NOW, &error));
    assert_string_equal(error->message, "\"a\" is on A/y already");
    g_clear_error(&error);
    assert_true(vgpu_places_move(&f->places, session, "", FALSE, NOW, NULL));
    assert_log(f, "a>y a>x ");
    assert_int_equal(vgpu_pool_used(vgpu_pools_get(f->pools, 'A')), 1);
    assert_false(session->member->draining);

    add(f, "b", VGPU_PRIORITY_LOW, "y");
    add(f, "c", VGPU_PRIORITY_LOW, "y");
    assert_false(vgpu_places_move(&f->places, session, "", FALSE, NOW, &error));
    assert_string_equal(error->message, "there is no free slot on another member of pool A");
    g_clear_error(&error);
    assert_false(vgpu_places_move(&f->places, session, "y", FALSE, NOW, &error));
    assert_true(g_error_matches(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_FULL));
    g_clear_error(&error);
    assert_false(vgpu_places_move(&f->places, session, "q", FALSE, NOW, &error));
    assert_true(g_error_matches(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_UNKNOWN));
}

static void test_members_by_name(void **state)
{
    Fixture *f = *state;
    static const char *const wrong[] = {"", "A", "A/", "A/z", "B/x", "/x", "AA/x", "a/x"};

    assert_string_equal(vgpu_places_find(&f->places, "A/y", NULL)->name, "y");
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        assert_null(vgpu_places_find(&f->places, wrong[i], NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waiting_by_priority_then_by_arrival, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_legacy_vm_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle_leave_at_once_busy_when_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_room_they_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_idle_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_operator_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_members_by_name, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
