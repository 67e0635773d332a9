/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "session.h"
#include "vm-ids.h"

static void lowest_free_number(void **state)
{
    g_autoptr(VgpuVmIds) ids = vgpu_vm_ids_new();

    (void)state;
    assert_int_equal(vgpu_vm_ids_get(ids, "a"), 0);
    assert_int_equal(vgpu_vm_ids_assign(ids, "a"), 1);
    assert_int_equal(vgpu_vm_ids_assign(ids, "b"), 2);
    assert_int_equal(vgpu_vm_ids_assign(ids, "c"), 3);
    assert_int_equal(vgpu_vm_ids_assign(ids, "b"), 2);
    vgpu_vm_ids_forget(ids, "b");
    assert_int_equal(vgpu_vm_ids_get(ids, "b"), 0);
    assert_int_equal(vgpu_vm_ids_assign(ids, "d"), 2);
    assert_int_equal(vgpu_vm_ids_assign(ids, "b"), 4);
}

static void claims(void **state)
{
    g_autoptr(VgpuVmIds) ids = vgpu_vm_ids_new();

    (void)state;
    assert_true(vgpu_vm_ids_claim(ids, "a", 2));
    assert_true(vgpu_vm_ids_claim(ids, "a", 2));
    assert_false(vgpu_vm_ids_claim(ids, "b", 2));
    assert_int_equal(vgpu_vm_ids_get(ids, "b"), 0);
    assert_int_equal(vgpu_vm_ids_assign(ids, "b"), 1);
    assert_int_equal(vgpu_vm_ids_assign(ids, "c"), 3);

    /* A claim gives the number before it back. */
    assert_true(vgpu_vm_ids_claim(ids, "a", 7));
    assert_int_equal(vgpu_vm_ids_get(ids, "a"), 7);
    assert_true(vgpu_vm_ids_claim(ids, "d", 2));

    /* A refused claim changes nothing. */
    assert_false(vgpu_vm_ids_claim(ids, "a", 3));
    assert_int_equal(vgpu_vm_ids_get(ids, "a"), 7);
}

static void range(void **state)
{
    g_autoptr(VgpuVmIds) ids = vgpu_vm_ids_new();

    (void)state;
    assert_false(vgpu_vm_ids_claim(ids, "a", 0));
    assert_false(vgpu_vm_ids_claim(ids, "a", VGPU_VM_ID_MAX + 1));
    assert_false(vgpu_vm_ids_claim(ids, "a", G_MAXUINT32));
    assert_true(vgpu_vm_ids_claim(ids, "a", VGPU_VM_ID_MAX));
    assert_int_equal(vgpu_vm_ids_assign(ids, "b"), 1);
}

static void retains_only_those_present(void **state)
{
    g_autoptr(VgpuVmIds) ids = vgpu_vm_ids_new();
    g_autoptr(GHashTable) present = g_hash_table_new(g_str_hash, g_str_equal);

    (void)state;
    vgpu_vm_ids_assign(ids, "a");
    vgpu_vm_ids_assign(ids, "b");
    g_hash_table_add(present, "b");
    vgpu_vm_ids_retain(ids, present);
    assert_int_equal(vgpu_vm_ids_get(ids, "a"), 0);
    assert_int_equal(vgpu_vm_ids_get(ids, "b"), 2);
    assert_int_equal(vgpu_vm_ids_assign(ids, "c"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_free_number),
        cmocka_unit_test(claims),
        cmocka_unit_test(range),
        cmocka_unit_test(retains_only_those_present),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
