/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "legacy-queue.h"

static const char a[] = "a", b[] = "b", c[] = "c", d[] = "d", e[] = "e";

static void push(VgpuLegacyQueue *queue, const char *item, enum vgpu_priority priority,
                 gint64 written_ns)
{
    vgpu_legacy_queue_push(queue, (gpointer)item, priority, written_ns);
}

#define EXPECT(queue, item) assert_ptr_equal(vgpu_legacy_queue_pop(queue), item)

static void test_empty(void **state G_GNUC_UNUSED)
{
    g_autoptr(VgpuLegacyQueue) queue = vgpu_legacy_queue_new();

    EXPECT(queue, NULL);
    vgpu_legacy_queue_remove(queue, a);
    push(queue, a, VGPU_PRIORITY_LOW, 0);
    EXPECT(queue, a);
    EXPECT(queue, NULL);
}

static void test_priority_comes_first(void **state G_GNUC_UNUSED)
{
    g_autoptr(VgpuLegacyQueue) queue = vgpu_legacy_queue_new();

    push(queue, a, VGPU_PRIORITY_LOW, 1);
    push(queue, b, VGPU_PRIORITY_HIGH, 5);
    push(queue, c, VGPU_PRIORITY_MEDIUM, 2);
    push(queue, d, VGPU_PRIORITY_HIGH, 4);
    push(queue, e, VGPU_PRIORITY_LOW, 0);
    EXPECT(queue, d);
    EXPECT(queue, b);
    EXPECT(queue, c);
    EXPECT(queue, e);
    EXPECT(queue, a);
    EXPECT(queue, NULL);
}

static void test_equals_keep_their_order(void **state G_GNUC_UNUSED)
{
    g_autoptr(VgpuLegacyQueue) queue = vgpu_legacy_queue_new();

    push(queue, a, VGPU_PRIORITY_MEDIUM, 7);
    push(queue, b, VGPU_PRIORITY_MEDIUM, 7);
    push(queue, c, VGPU_PRIORITY_MEDIUM, 7);
    EXPECT(queue, a);
    push(queue, d, VGPU_PRIORITY_MEDIUM, 7);
    EXPECT(queue, b);
    EXPECT(queue, c);
    EXPECT(queue, d);
}

static void test_remove(void **state G_GNUC_UNUSED)
{
    g_autoptr(VgpuLegacyQueue) queue = vgpu_legacy_queue_new();

    push(queue, a, VGPU_PRIORITY_HIGH, 1);
    push(queue, b, VGPU_PRIORITY_HIGH, 2);
    push(queue, c, VGPU_PRIORITY_HIGH, 3);
    vgpu_legacy_queue_remove(queue, b);
    vgpu_legacy_queue_remove(queue, d);
    EXPECT(queue, a);
    vgpu_legacy_queue_remove(queue, c);
    EXPECT(queue, NULL);
    push(queue, e, VGPU_PRIORITY_LOW, 9); /* what is left in it is freed with it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_priority_comes_first),
        cmocka_unit_test(test_equals_keep_their_order),
        cmocka_unit_test(test_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
