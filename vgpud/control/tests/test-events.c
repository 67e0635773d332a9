/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of a session's changes, and what is remembered of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "events.h"
#include "example-model.h"

typedef struct {
    ExampleModel *example;
    VgpuEvents *events;
    GString *told; /* kinds, each with a blank behind it */
} Fixture;

static void on_event(const char *kind, const char *uuid, GVariant *details, gpointer user_data)
{
    Fixture *fixture = user_data;
    const char *text = NULL;

    g_string_append_printf(fixture->told, "%s ", kind);
    assert_true(g_variant_lookup(details, "kind", "&s", &text));
    assert_string_equal(text, kind);
    assert_true(g_variant_lookup(details, "uuid", "&s", &text));
    assert_string_equal(text, uuid);
}

static void on_news(VgpuSession *session, VgpuSessionNews news, gpointer user_data)
{
    Fixture *fixture = user_data;

    vgpu_events_look(fixture->events, session, news);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->example = example_model_new();
    fixture->events = vgpu_events_new(on_event, fixture);
    fixture->told = g_string_new(NULL);
    vgpu_sessions_watch(fixture->example->sessions, on_news, fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    example_model_free(fixture->example);
    vgpu_events_free(fixture->events);
    g_string_free(fixture->told, TRUE);
    g_free(fixture);
    return 0;
}

static void assert_told(Fixture *fixture, const char *kinds)
{
    assert_string_equal(fixture->told->str, kinds);
    g_string_truncate(fixture->told, 0);
}

static VgpuSession *start(Fixture *fixture)
{
    VgpuSession *session = vgpu_session_new("33333333-3333-3333-3333-333333333333", "new", 5, 'B',
                                            VGPU_PRIORITY_LOW, NULL, NULL);

    vgpu_sessions_add(fixture->example->sessions, session);
    assert_told(fixture, "started ");
    return session;
}

static void test_a_life(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(VgpuSession) session = start(fixture);

    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    assert_told(fixture, "connected ");
    vgpu_session_changed(session); /* nothing has */
    assert_told(fixture, "");
    vgpu_session_set_state(session, VGPU_SESSION_SERVING);
    assert_told(fixture, "serving ");
    vgpu_session_set_state(session, VGPU_SESSION_RESERVED);
    assert_told(fixture, "disconnected ");
    vgpu_session_set_state(session, VGPU_SESSION_ENDED);
    assert_told(fixture, ""); /* it is still there */
    vgpu_sessions_remove(fixture->example->sessions, session->uuid);
    assert_told(fixture, "ended ");
    vgpu_sessions_add(fixture->example->sessions, session);
    assert_told(fixture, "started "); /* of its first life nothing is left */
}

static void test_faults(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(VgpuSession) session = start(fixture);

    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    vgpu_session_set_state(session, VGPU_SESSION_SERVING);
    assert_told(fixture, "connected serving ");
    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    session->faults.total += 2;
    vgpu_session_changed(session);
    assert_told(fixture, "worker-died worker-died ");
    vgpu_session_set_state(session, VGPU_SESSION_QUARANTINED);
    assert_told(fixture, "quarantined ");
    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    assert_told(fixture, "released ");
}

static GVariant *last_event(Fixture *fixture)
{
    g_autoptr(GVariant) list = g_variant_ref_sink(vgpu_events_list(fixture->events));

    return g_variant_get_child_value(list, g_variant_n_children(list) - 1);
}

static void test_why(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(VgpuSession) session = start(fixture);
    const char *text = NULL;
    gint64 until_us = 0;

    vgpu_quarantine_order(&session->quarantine, g_get_monotonic_time() + 5000000, "too \xff much");
    vgpu_session_set_state(session, VGPU_SESSION_QUARANTINED);
    assert_told(fixture, "quarantined ");
    g_autoptr(GVariant) event = last_event(fixture);
    assert_true(g_variant_lookup(event, "quarantine-reason", "&s", &text));
    assert_string_equal(text, "too \xef\xbf\xbd much");
    assert_true(g_variant_lookup(event, "quarantined-until-us", "x", &until_us));
    assert_in_range(until_us - g_get_real_time(), 1, 5000000);

    vgpu_quarantine_order(&session->quarantine, VGPU_QUARANTINE_FOREVER, "for good");
    vgpu_session_changed(session);
    assert_told(fixture, "quarantined ");
    g_autoptr(GVariant) next = last_event(fixture);
    assert_true(g_variant_lookup(next, "quarantined-until-us", "x", &until_us));
    assert_int_equal(until_us, VGPU_QUARANTINE_FOREVER);
    vgpu_session_changed(session);
    assert_told(fixture, "");

    vgpu_quarantine_end(&session->quarantine, FALSE);
    vgpu_session_set_state(session, VGPU_SESSION_RESERVED);
    assert_told(fixture, "released ");
}

static void test_a_device(void **state)
{
    Fixture *fixture = *state;
    const char *const members[] = {"A/gpu0", "B/gpu0", NULL};
    const char *text = NULL;
    g_auto(GStrv) names = NULL;

    vgpu_events_device_drained(fixture->events, "opencl:0:0", members, "it failed");
    assert_told(fixture, "device-drained ");
    g_autoptr(GVariant) event = last_event(fixture);
    assert_true(g_variant_lookup(event, "device-key", "&s", &text));
    assert_string_equal(text, "opencl:0:0");
    assert_true(g_variant_lookup(event, "reason", "&s", &text));
    assert_string_equal(text, "it failed");
    assert_true(g_variant_lookup(event, "members", "^as", &names));
    assert_string_equal(names[1], "B/gpu0");
}

static void test_changes(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(VgpuSession) session = start(fixture);
    VgpuMember *member = vgpu_pools_place(fixture->example->pools, 'A', NULL);

    session->priority = VGPU_PRIORITY_HIGH;
    vgpu_session_changed(session);
    assert_told(fixture, "changed ");
    session->pool = 'A';
    vgpu_session_changed(session);
    assert_told(fixture, "changed ");
    session->member = member;
    vgpu_session_changed(session);
    assert_told(fixture, "changed ");
    vgpu_session_set_state(session, VGPU_SESSION_ENDED); /* gives the place back */
    assert_told(fixture, "");
}

/* The remembered ones are numbered, the last one is the newest, and there is an end to it. */
static void test_memory(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(VgpuSession) session = start(fixture);
    guint64 serial = 0;
    const char *text = NULL;

    for (guint i = 0; i < VGPU_EVENTS_REMEMBERED; i++) {
        session->priority = i % 2 == 0 ? VGPU_PRIORITY_HIGH : VGPU_PRIORITY_LOW;
        vgpu_session_changed(session);
    }
    g_autoptr(GVariant) list = g_variant_ref_sink(vgpu_events_list(fixture->events));
    assert_int_equal(g_variant_n_children(list), VGPU_EVENTS_REMEMBERED);
    for (guint i = 0; i < VGPU_EVENTS_REMEMBERED; i++) {
        g_autoptr(GVariant) event = g_variant_get_child_value(list, i);
        assert_true(g_variant_lookup(event, "serial", "t", &serial));
        assert_int_equal(serial, i + 2);
    }
    g_autoptr(GVariant) last = g_variant_get_child_value(list, VGPU_EVENTS_REMEMBERED - 1);
    assert_true(g_variant_lookup(last, "priority", "&s", &text));
    assert_string_equal(text, "low");
    assert_true(g_variant_lookup(last, "name", "&s", &text));
    assert_string_equal(text, "new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
