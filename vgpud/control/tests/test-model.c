/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operators see, for given sessions and pools, and for what a hostile worker writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "example-model.h"

/* Looks up @key, which must be there; the type is checked by the caller's format. */
#define GET(dict, key, format, where) assert_true(g_variant_lookup(dict, key, format, where))

static void assert_string(GVariant *dict, const char *key, const char *expected)
{
    const char *value = NULL;

    GET(dict, key, "&s", &value);
    assert_string_equal(value, expected);
}

static void assert_uint(GVariant *dict, const char *key, guint expected)
{
    guint32 value = ~expected;

    GET(dict, key, "u", &value);
    assert_int_equal(value, expected);
}

static void assert_count(GVariant *dict, const char *key, guint64 expected)
{
    guint64 value = ~expected;

    GET(dict, key, "t", &value);
    assert_int_equal(value, expected);
}

static int set_up(void **state)
{
    *state = example_model_new();
    return 0;
}

static int tear_down(void **state)
{
    example_model_free(*state);
    return 0;
}

static GVariant *get_vm(ExampleModel *example, const char *which)
{
    const VgpuSession *session = vgpu_model_find(&example->model, which);
    return session == NULL ? NULL : g_variant_ref_sink(vgpu_model_vm(session));
}

static void test_status(void **state)
{
    ExampleModel *example = *state;
    g_autoptr(GVariant) status = g_variant_ref_sink(
        vgpu_model_status(&example->model, example->model.started_mono_us + 90 * G_USEC_PER_SEC));

    assert_string(status, "version", VGPU_VERSION);
    assert_string(status, "protocol", "1.0");
    assert_count(status, "uptime-us", 90 * G_USEC_PER_SEC);
    assert_string(status, "libvirt-uri", "qemu:///system");
    gboolean connected = FALSE;
    GET(status, "libvirt-connected", "b", &connected);
    assert_true(connected);
    assert_string(status, "libvirt-detail", "qemu:///system, libvirt 9.0.0, QEMU 7.2.22");
    assert_uint(status, "pool-count", 2);
    assert_uint(status, "vm-count", 2);

    g_autoptr(GVariant) states = NULL;
    GET(status, "vms-by-state", "@a{su}", &states);
    guint serving = 0, ended = 7;
    GET(states, "serving", "u", &serving);
    GET(states, "ended", "u", &ended);
    assert_int_equal(serving, 1);
    assert_int_equal(ended, 0);
}

static void test_pools(void **state)
{
    ExampleModel *example = *state;
    g_autoptr(GVariant) pools = g_variant_ref_sink(vgpu_model_pools(&example->model));

    assert_int_equal(g_variant_n_children(pools), 2);
    g_autoptr(GVariant) pool = g_variant_get_child_value(pools, 0);
    assert_string(pool, "name", "A");
    assert_string(pool, "description", "fast GPUs");
    assert_uint(pool, "requests-per-second", 100);
    assert_uint(pool, "burst", 10);
    assert_uint(pool, "used", 1);

    g_autoptr(GVariant) members = NULL;
    GET(pool, "members", "@aa{sv}", &members);
    assert_int_equal(g_variant_n_children(members), 2);
    g_autoptr(GVariant) first = g_variant_get_child_value(members, 0);
    g_autoptr(GVariant) second = g_variant_get_child_value(members, 1);
    assert_string(first, "name", "gpu0");
    assert_string(first, "backend", "opencl");
    assert_string(first, "device", "0:0");
    assert_string(first, "drain-reason", "");
    assert_uint(first, "slots", 4);
    assert_uint(first, "used", 1);
    assert_string(second, "name", "gpu1");

    g_autofree const char **names = NULL;
    GET(first, "device-names", "^a&s", &names);
    assert_string_equal(names[0], "Example GPU");
    assert_null(names[1]);
    g_autofree const char **none = NULL;
    GET(second, "device-names", "^a&s", &none);
    assert_null(none[0]);
}

static void test_device_names_are_listed_once(void **state)
{
    ExampleModel *example = *state;
    VgpuMember *member = example->serving->member;
    g_autoptr(VgpuSession) twin = vgpu_session_new("33333333-3333-3333-3333-333333333333", "twin",
                                                   44, 'A', VGPU_PRIORITY_LOW, member, NULL);
    member->used++;
    vgpu_sessions_add(example->sessions, twin);

    for (guint i = 0; i < 2; i++) {
        vgpu_page_set_text(twin->page->device_name, i == 0 ? "Example GPU" : "Other GPU");
        atomic_store(&twin->page->state, VGPU_PAGE_READY);
        g_autoptr(GVariant) pools = g_variant_ref_sink(vgpu_model_pools(&example->model));
        g_autoptr(GVariant) pool = g_variant_get_child_value(pools, 0);
        g_autoptr(GVariant) members = NULL;
        GET(pool, "members", "@aa{sv}", &members);
        g_autoptr(GVariant) first = g_variant_get_child_value(members, 0);
        g_auto(GStrv) names = NULL;
        GET(first, "device-names", "^as", &names);
        assert_int_equal(g_strv_length(names), i + 1);
    }
}

static void test_vm(void **state)
{
    ExampleModel *example = *state;
    g_autoptr(GVariant) vm = get_vm(example, "web");

    assert_string(vm, "name", "web");
    assert_string(vm, "uuid", EXAMPLE_UUID);
    assert_uint(vm, "vm-id", 3);
    assert_string(vm, "pool", "A");
    assert_string(vm, "member", "gpu0");
    assert_string(vm, "priority", "high");
    assert_string(vm, "state", "serving");
    assert_uint(vm, "qemu-pid", 1234);
    assert_uint(vm, "worker-pid", 1250);
    assert_string(vm, "backend-state", "ready");
    assert_string(vm, "device", "Example GPU");
    assert_string(vm, "failure", "");
    assert_count(vm, "requests", 1000);
    assert_count(vm, "bytes-in", 40000);
    assert_count(vm, "bytes-out", 36000);
    assert_count(vm, "device-ns", 5000000);
    assert_count(vm, "service-ns", 20000000);
    assert_count(vm, "mean-service-ns", 20000);
    assert_count(vm, "worker-faults", 2);
    assert_count(vm, "quarantines", 0);
    assert_string(vm, "quarantine-reason", "");
    g_autoptr(GVariant) faults = NULL;
    GET(vm, "faults", "@a{st}", &faults);
    assert_int_equal(g_variant_n_children(faults), VGPU_FAULT_KINDS);
    assert_count(faults, "deadline", 2);
    assert_count(faults, "backend-faults", 0);

    g_autoptr(GVariant) errors = NULL;
    GET(vm, "errors", "@a{st}", &errors);
    assert_int_equal(g_variant_n_children(errors), VGPU_ERROR_COUNT - 1);
    assert_count(errors, "timeout", 2);
    assert_count(errors, "quarantined", 0);
}

static void test_vm_that_waits(void **state)
{
    ExampleModel *example = *state;
    g_autoptr(GVariant) vm = get_vm(example, "9");

    assert_string(vm, "name", "db");
    assert_string(vm, "state", "reserved");
    assert_string(vm, "member", ""); /* runs without a place */
    assert_string(vm, "backend-state", "starting");
    assert_string(vm, "device", "");
    assert_count(vm, "mean-service-ns", 0);
    gint64 last = -1;
    GET(vm, "last-us", "x", &last);
    assert_int_equal(last, 0);
}

static void test_finds_by(void **state)
{
    ExampleModel *example = *state;
    static const struct {
        const char *which;
        const char *name;
    } cases[] = {
        {"web", "web"}, {EXAMPLE_UUID, "web"}, {"3", "web"}, {"db", "db"},
        {"9", "db"},    {"WEB", NULL},         {"", NULL},   {"4", NULL},
        {"-3", NULL},   {" 3", NULL},          {"3x", NULL}, {"0x3", NULL},
        {"we", NULL},   {"4294967299", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) vm = get_vm(example, cases[i].which);
        if (cases[i].name == NULL)
            assert_null(vm);
        else
            assert_string(vm, "name", cases[i].name);
    }
    g_autofree char *upper = g_ascii_strup(EXAMPLE_UUID, -1);
    g_autoptr(GVariant) by_upper = get_vm(example, upper);
    assert_non_null(by_upper);

    /* A name goes before a number. */
    g_autoptr(VgpuSession) three = vgpu_session_new("33333333-3333-3333-3333-333333333333", "3", 44,
                                                    'B', VGPU_PRIORITY_LOW, NULL, NULL);
    vgpu_sessions_add(example->sessions, three);
    g_autoptr(GVariant) vm = get_vm(example, "3");
    assert_uint(vm, "vm-id", 44);
}

/* The page belongs to a process that a guest may have taken over. */
static void test_hostile_page(void **state)
{
    ExampleModel *example = *state;
    VgpuPage *page = example->serving->page;

    memset((char *)page + sizeof(page->version), 0xff, sizeof(*page) - sizeof(page->version));
    g_autoptr(GVariant) vm = get_vm(example, "web");
    assert_string(vm, "backend-state", "unknown");
    assert_string(vm, "device", "");
    assert_count(vm, "requests", G_MAXINT64);
    assert_count(vm, "bytes-in", G_MAXINT64);
    assert_count(vm, "mean-service-ns", 1);
    g_autoptr(GVariant) errors = NULL;
    GET(vm, "errors", "@a{st}", &errors);
    assert_count(errors, "timeout", G_MAXINT64);
    gint64 last = -1;
    GET(vm, "last-us", "x", &last);
    assert_int_equal(last, 0);

    atomic_store(&page->state, VGPU_PAGE_READY);
    g_autoptr(GVariant) ready = get_vm(example, "web");
    const char *device = NULL;
    GET(ready, "device", "&s", &device);
    assert_true(g_utf8_validate(device, -1, NULL));
    assert_true(g_variant_is_normal_form(ready));

    atomic_store(&page->state, VGPU_PAGE_FAILED);
    g_strlcpy(page->failure, "no\nplatform", VGPU_PAGE_TEXT_BYTES);
    g_autoptr(GVariant) failed = get_vm(example, "web");
    assert_string(failed, "backend-state", "failed");
    assert_string(failed, "failure", "no platform");
    assert_string(failed, "device", "");
}

static void test_list_is_sorted(void **state)
{
    ExampleModel *example = *state;
    g_autoptr(GVariant) vms = g_variant_ref_sink(vgpu_model_vms(&example->model));

    assert_int_equal(g_variant_n_children(vms), 2);
    g_autoptr(GVariant) first = g_variant_get_child_value(vms, 0);
    assert_string(first, "name", "db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pools, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_device_names_are_listed_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vm_that_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finds_by, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_is_sorted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
