/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is kept out and let back, with a VM that only notes what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "custody.h"

#define GUARD_MS 60000 /* a test that waits this long has failed */

typedef struct {
    VgpuSettings *settings;
    VgpuSession *session;
    VgpuCustodies *all;
    VgpuCustody *custody;
    GString *told;       /* what came, each with a blank behind it */
    VgpuQuarantine kept; /* as recall() gives it and note() took it */
} Fixture;

static void on_recall(VgpuSession *session, gpointer data)
{
    vgpu_quarantine_copy(&session->quarantine, &((Fixture *)data)->kept);
}

static void on_note(const VgpuSession *session, gpointer data)
{
    vgpu_quarantine_copy(&((Fixture *)data)->kept, &session->quarantine);
}

static void on_blame(const VgpuSession *session G_GNUC_UNUSED, const char *device_key,
                     gpointer data)
{
    g_string_append_printf(((Fixture *)data)->told, "blame-%s ", device_key);
}

static void shut(gpointer vm)
{
    Fixture *fixture = vm;

    vgpu_session_set_state(fixture->session, VGPU_SESSION_QUARANTINED);
    g_string_append(fixture->told, "shut ");
}

static void open_again(gpointer vm)
{
    Fixture *fixture = vm;

    vgpu_session_set_state(fixture->session, VGPU_SESSION_RESERVED);
    g_string_append(fixture->told, "open ");
}

static void begin(Fixture *fixture, const char *settings)
{
    static const VgpuCustodyHandlers handlers = {on_recall, on_note, on_blame};
    static const VgpuCustodyWays ways = {shut, open_again};
    g_autofree char *text = g_strconcat("[vgpud]\n", settings, NULL);

    fixture->settings = vgpu_settings_parse(text, strlen(text), "test", NULL);
    assert_non_null(fixture->settings);
    fixture->all = vgpu_custodies_new(fixture->settings, &handlers, fixture);
    fixture->custody = vgpu_custody_new(fixture->all, fixture->session, &ways, fixture);
    assert_ptr_equal(vgpu_custodies_find(fixture->all, fixture->session), fixture->custody);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->session = vgpu_session_new("0b4c2a7e-1111-4222-8333-123456789abc", "web", 7, 'A',
                                        VGPU_PRIORITY_HIGH, NULL, NULL);
    fixture->told = g_string_new(NULL);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    vgpu_custody_free(fixture->custody);
    assert_null(vgpu_custodies_find(fixture->all, fixture->session));
    vgpu_custodies_free(fixture->all);
    vgpu_session_unref(fixture->session);
    vgpu_settings_free(fixture->settings);
    vgpu_quarantine_clear(&fixture->kept);
    g_string_free(fixture->told, TRUE);
    g_free(fixture);
    return 0;
}

static void assert_told(Fixture *fixture, const char *told)
{
    assert_string_equal(fixture->told->str, told);
    g_string_truncate(fixture->told, 0);
}

static gboolean on_guard(gpointer data G_GNUC_UNUSED)
{
    g_error("nothing happened for %d ms", GUARD_MS);
    return G_SOURCE_REMOVE;
}

static void wait_until_open(Fixture *fixture)
{
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);

    while (fixture->session->state == VGPU_SESSION_QUARANTINED)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
    assert_told(fixture, "open ");
}

static gboolean count(Fixture *fixture, VgpuFault fault)
{
    char how[] = "exit status 3";

    return vgpu_custody_count(fixture->custody, &(VgpuWorkerEnd){.fault = fault, .how = how});
}

static gint64 rest_s(const Fixture *fixture)
{
    /* Rounded: it has just begun. */
    return (fixture->session->quarantine.until_us - g_get_monotonic_time() + G_USEC_PER_SEC - 1) /
           G_USEC_PER_SEC;
}

static void test_past_the_budget(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault-budget=2\nquarantine-s=1\n");
    assert_false(count(fixture, VGPU_FAULT_CRASH));
    assert_false(count(fixture, VGPU_FAULT_DEADLINE));
    assert_told(fixture, "");
    assert_true(count(fixture, VGPU_FAULT_DEADLINE));
    assert_told(fixture, "shut ");
    assert_string_equal(fixture->session->quarantine.reason,
                        "its worker died more than 2 times in 60 s, last by a deadline: "
                        "exit status 3");
    assert_string_equal(fixture->kept.reason, fixture->session->quarantine.reason);
    assert_int_equal(fixture->session->fault_counts[VGPU_FAULT_CRASH], 1);
    assert_int_equal(fixture->session->fault_counts[VGPU_FAULT_DEADLINE], 2);
    wait_until_open(fixture);
    assert_int_equal(fixture->kept.until_us, 0);
    assert_null(fixture->session->quarantine.reason);
    /* With a whole budget, but a longer quarantine behind it. */
    assert_false(count(fixture, VGPU_FAULT_CRASH));
    assert_false(count(fixture, VGPU_FAULT_CRASH));
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 2);
}

static void test_what_the_worker_has_counted(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault-budget=64\nerror-budget=50\nbackend-fault-budget=5\nfault-window-s=7\n");
    assert_true(count(fixture, VGPU_FAULT_INVALID));
    assert_string_equal(fixture->session->quarantine.reason,
                        "more than 50 invalid requests in 7 s");
    vgpu_custody_release(fixture->custody);
    assert_true(count(fixture, VGPU_FAULT_BACKEND));
    assert_string_equal(fixture->session->quarantine.reason,
                        "more than 5 requests failed on its device in 7 s");
    assert_told(fixture, "shut open shut ");
}

static void test_back_off_and_release(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault-budget=0\nquarantine-s=100\nquarantine-max-s=350\n");
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 100);
    /* Over by itself; as if the time had passed. */
    vgpu_quarantine_end(&fixture->session->quarantine, FALSE);
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 200);
    vgpu_quarantine_end(&fixture->session->quarantine, FALSE);
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 350);
    vgpu_custody_release(fixture->custody);
    assert_int_equal(fixture->session->state, VGPU_SESSION_RESERVED);
    assert_int_equal(fixture->kept.level, 0);
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 100);
    assert_int_equal(fixture->session->quarantine.total, 4);
}

/* Also one that is not kept out is forgiven. */
static void test_release_forgives(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault-budget=1\n");
    assert_false(count(fixture, VGPU_FAULT_CRASH));
    vgpu_custody_release(fixture->custody);
    assert_told(fixture, "");
    assert_false(count(fixture, VGPU_FAULT_CRASH));
    assert_true(count(fixture, VGPU_FAULT_CRASH));
}

static void test_by_hand(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault-budget=0\nquarantine-s=100\n");
    vgpu_custody_order(fixture->custody, 0);
    assert_told(fixture, "shut ");
    assert_int_equal(fixture->kept.until_us, VGPU_QUARANTINE_FOREVER);
    assert_string_equal(fixture->kept.reason, "by an operator");
    vgpu_custody_order(fixture->custody, 1);
    assert_told(fixture, "shut ");
    wait_until_open(fixture);
    /* It was no fault of the VM's. */
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 100);
    vgpu_custody_order(fixture->custody, VGPU_QUARANTINE_MAX_S);
    assert_int_equal(rest_s(fixture), VGPU_QUARANTINE_MAX_S);
}

static void test_goes_on(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "");
    vgpu_quarantine_order(&fixture->kept, g_get_monotonic_time() + G_USEC_PER_SEC, "before");
    vgpu_custody_recall(fixture->custody);
    assert_told(fixture, "shut ");
    assert_string_equal(fixture->session->quarantine.reason, "before");
    wait_until_open(fixture);
}

static void test_over_meanwhile(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault-budget=0\nquarantine-s=100\n");
    const gint64 long_ago_us = g_get_monotonic_time() - 110 * G_USEC_PER_SEC;
    vgpu_quarantine_begin(&fixture->kept, 100, 3600, "before", long_ago_us);
    vgpu_custody_recall(fixture->custody);
    assert_told(fixture, "");
    assert_int_equal(fixture->session->quarantine.until_us, 0);
    assert_null(fixture->session->quarantine.reason);
    assert_true(count(fixture, VGPU_FAULT_CRASH));
    assert_int_equal(rest_s(fixture), 200);
}

static void test_blames_the_device(void **state)
{
    Fixture *fixture = *state;
    char how[] = "killed";
    const VgpuWorkerEnd end = {.fault = VGPU_FAULT_CRASH, .how = how, .device_key = "opencl:0"};

    begin(fixture, "fault-budget=1\n");
    assert_false(vgpu_custody_count(fixture->custody, &end));
    assert_told(fixture, "blame-opencl:0 ");
    assert_true(vgpu_custody_count(fixture->custody, &end));
    assert_told(fixture, "blame-opencl:0 shut ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_past_the_budget),
        TEST(test_what_the_worker_has_counted),
        TEST(test_back_off_and_release),
        TEST(test_release_forgives),
        TEST(test_by_hand),
        TEST(test_goes_on),
        TEST(test_over_meanwhile),
        TEST(test_blames_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
