/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "reconcile.h"

#define UUID_A "11111111-1111-4111-8111-111111111111"
#define UUID_B "22222222-2222-4222-8222-222222222222"
#define UUID_C "33333333-3333-4333-8333-333333333333"

#define ELEMENT_A                                                                                  \
    "  <metadata>\n"                                                                               \
    "    <vgpu:vgpu xmlns:vgpu='https://vgpud.org/xmlns/domain/1.0' pool='A' priority='high'/>\n"  \
    "  </metadata>\n"

static int setup(void **state)
{
    *state = vgpu_reconciler_new("/opt/vgpu/qemu", "/run/vgpud");
    return 0;
}

static int teardown(void **state)
{
    vgpu_reconciler_free(*state);
    return 0;
}

static char *domain_xml(const char *uuid, const char *metadata)
{
    return g_strdup_printf("<domain type='qemu'>\n"
                           "  <name>vm</name>\n"
                           "  <uuid>%s</uuid>\n"
                           "%s"
                           "  <memory unit='KiB'>131072</memory>\n"
                           "  <os>\n"
                           "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n"
                           "  </os>\n"
                           "  <devices>\n"
                           "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
                           "  </devices>\n"
                           "</domain>\n",
                           uuid, metadata);
}

static char *replaced(const char *text, const char *from, const char *to)
{
    g_auto(GStrv) parts = g_strsplit(text, from, -1);

    assert_int_not_equal(g_strv_length(parts), 1);
    return g_strjoinv(to, parts);
}

/* What the definition becomes; fails unless it is to be changed. */
static char *planned(VgpuReconciler *self, const char *uuid, const char *xml, const char *done)
{
    g_auto(VgpuReconcilePlan) plan = {0};
    g_autoptr(GError) error = NULL;

    assert_int_equal(vgpu_reconciler_plan(self, uuid, xml, TRUE, &plan, &error),
                     VGPU_RECONCILE_DEFINE);
    assert_null(error);
    assert_string_equal(plan.done, done);
    return g_steal_pointer(&plan.xml);
}

static void expect_right(VgpuReconciler *self, const char *uuid, const char *xml)
{
    g_auto(VgpuReconcilePlan) plan = {0};
    g_autoptr(GError) error = NULL;

    assert_int_equal(vgpu_reconciler_plan(self, uuid, xml, FALSE, &plan, &error),
                     VGPU_RECONCILE_RIGHT);
    assert_null(error);
    assert_null(plan.xml);
}

static void expect_later(VgpuReconciler *self, const char *uuid, const char *xml)
{
    g_auto(VgpuReconcilePlan) plan = {0};

    assert_int_equal(vgpu_reconciler_plan(self, uuid, xml, FALSE, &plan, NULL),
                     VGPU_RECONCILE_LATER);
}

static char *failure(VgpuReconciler *self, const char *uuid, const char *xml)
{
    g_auto(VgpuReconcilePlan) plan = {0};
    g_autoptr(GError) error = NULL;

    assert_int_equal(vgpu_reconciler_plan(self, uuid, xml, TRUE, &plan, &error),
                     VGPU_RECONCILE_FAILED);
    assert_null(plan.xml);
    return g_strdup(error->message);
}

static void put_in_and_taken_out(void **state)
{
    VgpuReconciler *self = *state;
    g_autofree char *plain = domain_xml(UUID_A, "");
    g_autofree char *with = domain_xml(UUID_A, ELEMENT_A);

    expect_right(self, UUID_A, plain);
    g_autofree char *in G_GNUC_UNUSED = planned(
        self, UUID_A, with, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    assert_non_null(strstr(in, "/run/vgpud/vm/" UUID_A ".sock"));
    assert_non_null(strstr(in, "/opt/vgpu/qemu"));
    expect_right(self, UUID_A, in);

    g_autofree char *changed = replaced(in, "priority='high'", "priority='low'");
    g_autofree char *again =
        planned(self, UUID_A, changed,
                "vgpu-stub brought up to date in its definition (pool A, priority low, vm-id 1)");
    expect_right(self, UUID_A, again);

    g_autofree char *without = replaced(
        in, "<vgpu:vgpu xmlns:vgpu='https://vgpud.org/xmlns/domain/1.0' pool='A' priority='high'/>",
        "");
    g_autofree char *out = planned(self, UUID_A, without, "vgpu-stub taken out of its definition");
    assert_null(strstr(out, "vgpu"));
    expect_right(self, UUID_A, out);
}

static void detached_all_is_taken_out_and_put_in_again(void **state)
{
    VgpuReconciler *self = *state;
    g_autofree char *with = domain_xml(UUID_A, ELEMENT_A);
    g_autofree char *bad = replaced(with, "pool='A'", "pool='a'");
    g_autofree char *in = planned(
        self, UUID_A, with, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    g_autofree char *spoilt = replaced(in, "pool='A'", "pool='a'");

    vgpu_reconciler_set_detached(self, TRUE);
    assert_true(vgpu_reconciler_is_detached(self));
    g_autofree char *out = planned(self, UUID_A, in, "vgpu-stub taken out of its definition");
    assert_string_equal(out, with);
    expect_right(self, UUID_A, with);
    /* Also where the administrator's element has gone bad since. */
    g_autofree char *bad_out =
        planned(self, UUID_A, spoilt, "vgpu-stub taken out of its definition");
    assert_string_equal(bad_out, bad);

    vgpu_reconciler_set_detached(self, FALSE);
    g_autofree char *again = planned(
        self, UUID_A, with, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    assert_string_equal(again, in);
}

static void a_hot_plugged_vm_gets_a_number(void **state)
{
    VgpuReconciler *self = *state;

    assert_int_equal(vgpu_reconciler_number(self, UUID_A, FALSE), 0);
    vgpu_reconciler_seen_running(self, UUID_B, 1);
    assert_int_equal(vgpu_reconciler_number(self, UUID_A, TRUE), 2);
    assert_int_equal(vgpu_reconciler_number(self, UUID_A, FALSE), 2);
}

static void redefined_from_an_old_file_keeps_its_number(void **state)
{
    VgpuReconciler *self = *state;
    g_autofree char *a = domain_xml(UUID_A, ELEMENT_A);
    g_autofree char *b = domain_xml(UUID_B, ELEMENT_A);
    g_autofree char *in_a G_GNUC_UNUSED = planned(
        self, UUID_A, a, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    g_autofree char *in_b G_GNUC_UNUSED = planned(
        self, UUID_B, b, "vgpu-stub put into its definition (pool A, priority high, vm-id 2)");

    vgpu_reconciler_forget(self, UUID_A);
    g_autofree char *again_b = planned(
        self, UUID_B, b, "vgpu-stub put into its definition (pool A, priority high, vm-id 2)");
    assert_string_equal(again_b, in_b);
}

static void after_a_restart_numbers_come_from_the_definitions(void **state)
{
    VgpuReconciler *self = *state;
    g_autoptr(VgpuReconciler) before = vgpu_reconciler_new("/opt/vgpu/qemu", "/run/vgpud");
    g_autofree char *a = domain_xml(UUID_A, ELEMENT_A);
    g_autofree char *b = domain_xml(UUID_B, ELEMENT_A);
    g_autofree char *in_a G_GNUC_UNUSED = planned(
        before, UUID_A, a, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    g_autofree char *in_b G_GNUC_UNUSED = planned(
        before, UUID_B, b, "vgpu-stub put into its definition (pool A, priority high, vm-id 2)");

    /* C has none yet: it waits until all numbers have been seen. */
    g_autofree char *c = domain_xml(UUID_C, ELEMENT_A);
    expect_later(self, UUID_C, c);
    expect_right(self, UUID_B, in_b);
    expect_right(self, UUID_A, in_a);
    g_autofree char *in_c G_GNUC_UNUSED = planned(
        self, UUID_C, c, "vgpu-stub put into its definition (pool A, priority high, vm-id 3)");
}

static void a_clone_gets_its_own_number_and_socket(void **state)
{
    VgpuReconciler *self = *state;
    g_autoptr(VgpuReconciler) restarted = vgpu_reconciler_new("/opt/vgpu/qemu", "/run/vgpud");
    g_autofree char *a = domain_xml(UUID_A, ELEMENT_A);
    g_autofree char *in_a G_GNUC_UNUSED = planned(
        self, UUID_A, a, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    g_autofree char *clone = replaced(in_a, "<uuid>" UUID_A, "<uuid>" UUID_B);
    g_autofree char *in_clone =
        planned(self, UUID_B, clone,
                "vgpu-stub brought up to date in its definition (pool A, priority high, vm-id 2)");

    assert_non_null(strstr(in_clone, UUID_B ".sock"));
    assert_null(strstr(in_clone, UUID_A));
    expect_right(self, UUID_B, in_clone);

    /* Seen before its origin, it does not take the origin's number either. */
    expect_later(restarted, UUID_B, clone);
    expect_right(restarted, UUID_A, in_a);
}

static void a_running_vm_keeps_its_number(void **state)
{
    VgpuReconciler *self = *state;
    g_autofree char *a = domain_xml(UUID_A, ELEMENT_A);

    vgpu_reconciler_seen_running(self, UUID_A, 9);
    g_autofree char *in G_GNUC_UNUSED = planned(
        self, UUID_A, a, "vgpu-stub put into its definition (pool A, priority high, vm-id 9)");
    vgpu_reconciler_seen_running(self, UUID_B, 9);
    g_autofree char *b = domain_xml(UUID_B, ELEMENT_A);
    g_autofree char *in_b G_GNUC_UNUSED = planned(
        self, UUID_B, b, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
}

static void a_bad_element_is_named_and_left_alone(void **state)
{
    VgpuReconciler *self = *state;
    g_autofree char *right = domain_xml(UUID_A, ELEMENT_A);
    g_autofree char *bad = replaced(right, "priority='high'", "priority='urgent'");
    g_autofree char *text = failure(self, UUID_A, bad);

    assert_non_null(strstr(text, "line "));
    assert_non_null(strstr(text, "priority"));
    assert_non_null(strstr(text, "medium"));

    assert_true(vgpu_reconciler_is_news(self, UUID_A, text));
    assert_false(vgpu_reconciler_is_news(self, UUID_A, text));
    assert_true(vgpu_reconciler_is_news(self, UUID_B, text));
    assert_true(vgpu_reconciler_is_news(self, UUID_A, "something else"));

    /* Made right and wrong again, it is said again. */
    g_autofree char *in G_GNUC_UNUSED = planned(
        self, UUID_A, right, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    expect_right(self, UUID_A, in);
    assert_true(vgpu_reconciler_is_news(self, UUID_A, "something else"));
}

static void gives_up_until_the_definition_changes(void **state)
{
    VgpuReconciler *self = *state;
    g_autofree char *xml = domain_xml(UUID_A, ELEMENT_A);
    g_autofree char *other = replaced(xml, "pool='A'", "pool='B'");
    g_autofree char *in G_GNUC_UNUSED = planned(
        self, UUID_A, xml, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    g_autoptr(GError) error = NULL;

    vgpu_reconciler_give_up(self, UUID_A, xml, &error);
    assert_true(g_error_matches(error, VGPU_RECONCILE_ERROR, VGPU_RECONCILE_ERROR_UNSTABLE));
    g_autofree char *text = failure(self, UUID_A, xml);
    assert_string_equal(text, error->message);

    g_autofree char *in_other = planned(
        self, UUID_A, other, "vgpu-stub put into its definition (pool B, priority high, vm-id 1)");
    expect_right(self, UUID_A, in_other);
    g_autofree char *again = planned(
        self, UUID_A, xml, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
    assert_string_equal(again, in);
}

static void retains_only_those_present(void **state)
{
    VgpuReconciler *self = *state;
    g_autoptr(GHashTable) present = g_hash_table_new(g_str_hash, g_str_equal);

    vgpu_reconciler_seen_running(self, UUID_A, 1);
    vgpu_reconciler_seen_running(self, UUID_B, 2);
    vgpu_reconciler_is_news(self, UUID_A, "text");
    vgpu_reconciler_is_news(self, UUID_B, "text");
    g_hash_table_add(present, UUID_B);
    vgpu_reconciler_retain(self, present);
    assert_true(vgpu_reconciler_is_news(self, UUID_A, "text"));
    assert_false(vgpu_reconciler_is_news(self, UUID_B, "text"));

    g_autofree char *c = domain_xml(UUID_C, ELEMENT_A);
    g_autofree char *in G_GNUC_UNUSED = planned(
        self, UUID_C, c, "vgpu-stub put into its definition (pool A, priority high, vm-id 1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_in_and_taken_out, setup, teardown),
        cmocka_unit_test_setup_teardown(detached_all_is_taken_out_and_put_in_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_hot_plugged_vm_gets_a_number, setup, teardown),
        cmocka_unit_test_setup_teardown(redefined_from_an_old_file_keeps_its_number, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(after_a_restart_numbers_come_from_the_definitions, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_clone_gets_its_own_number_and_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(a_running_vm_keeps_its_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_element_is_named_and_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_up_until_the_definition_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(retains_only_those_present, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
