/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "loads.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static VgpuSession *add(VgpuSessions *sessions, VgpuPools *pools, const char *member, guint number)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autoptr(VgpuSession) session =
        vgpu_session_new(uuid, "vm", number, 'A', VGPU_PRIORITY_LOW,
                         vgpu_pools_place_on(pools, 'A', member, NULL), NULL);

    vgpu_sessions_add(sessions, session);
    return session; /* the registry has it */
}

static void test_by_device(void **state)
{
    (void)state;
    g_autoptr(VgpuPools) pools = vgpu_pools_new();
    g_autoptr(VgpuSessions) sessions = vgpu_sessions_new();
    g_autoptr(VgpuLoads) loads = vgpu_loads_new();
    const char *a = "[pool]\nname=A\n[member x]\ndevice=one\n[member y]\ndevice=two\n",
               *b = "[pool]\nname=B\n[member z]\ndevice=one\n";
    assert_true(vgpu_pools_add(pools, a, strlen(a), "a", NULL));
    assert_true(vgpu_pools_add(pools, b, strlen(b), "b", NULL));
    VgpuMember *x = vgpu_pool_member(vgpu_pools_get(pools, 'A'), "x");
    VgpuMember *y = vgpu_pool_member(vgpu_pools_get(pools, 'A'), "y");
    VgpuMember *z = vgpu_pool_member(vgpu_pools_get(pools, 'B'), "z");
    VgpuSession *first = add(sessions, pools, "x", 1), *second = add(sessions, pools, "x", 2);

    add(sessions, pools, "y", 3);
    for (guint i = 1; i < 100; i++) {
        atomic_fetch_add(&first->page->device_ns, SECOND);
        atomic_fetch_add(&second->page->device_ns, SECOND / 2);
        vgpu_loads_sample(loads, sessions, pools, 5 * i * SECOND);
    }
    assert_int_equal(x->load, 300);
    assert_int_equal(z->load, 300); /* the same device */
    assert_int_equal(y->load, 0);

    /* No more than there can be, whatever a worker says. */
    atomic_store(&first->page->device_ns, G_MAXUINT64);
    for (guint i = 100; i < 102; i++)
        vgpu_loads_sample(loads, sessions, pools, 5 * i * SECOND);
    assert_in_range(x->load, 300, 540);
    atomic_store(&first->page->device_ns, 0);
    vgpu_loads_sample(loads, sessions, pools, 102 * 5 * SECOND);
    assert_in_range(x->load, 200, 540);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_device)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
