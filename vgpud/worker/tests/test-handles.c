/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "handles.h"

static VgpuObject *make(VgpuObjectKind kind)
{
    VgpuObject *object = g_new0(VgpuObject, 1);

    object->kind = kind;
    return object;
}

static void test_generations(void **state)
{
    (void)state;
    g_autoptr(VgpuHandles) handles = vgpu_handles_new();

    assert_false(vgpu_handles_is_new(handles, 0));
    assert_false(vgpu_handles_is_new(handles, VGPU_HANDLE(5, 0)));
    assert_true(vgpu_handles_is_new(handles, VGPU_HANDLE(5, 1)));
    assert_true(vgpu_handles_is_new(handles, VGPU_HANDLE(VGPU_HANDLE_MAX - 1, G_MAXUINT32)));
    assert_false(vgpu_handles_is_new(handles, VGPU_HANDLE(VGPU_HANDLE_MAX, 1)));
    assert_false(vgpu_handles_is_new(handles, G_MAXUINT64));

    vgpu_handles_add(handles, VGPU_HANDLE(5, 7), make(VGPU_OBJECT_BUFFER));
    assert_false(vgpu_handles_is_new(handles, VGPU_HANDLE(5, 8))); /* in use */
    g_free(vgpu_handles_take(handles, VGPU_HANDLE(5, 7)));
    assert_false(vgpu_handles_is_new(handles, VGPU_HANDLE(5, 6)));
    assert_false(vgpu_handles_is_new(handles, VGPU_HANDLE(5, 7))); /* was there */
    assert_true(vgpu_handles_is_new(handles, VGPU_HANDLE(5, 8)));
    assert_true(vgpu_handles_is_new(handles, VGPU_HANDLE(6, 1)));
}

static void test_lookup(void **state)
{
    (void)state;
    g_autoptr(VgpuHandles) handles = vgpu_handles_new();
    VgpuObject *buffer = make(VGPU_OBJECT_BUFFER), *kernel = make(VGPU_OBJECT_KERNEL);

    assert_null(vgpu_handles_get(handles, 0, VGPU_OBJECT_BUFFER));
    assert_null(vgpu_handles_take(handles, 0));
    vgpu_handles_add(handles, VGPU_HANDLE(0, 1), buffer);
    vgpu_handles_add(handles, VGPU_HANDLE(1, 1), kernel);
    assert_ptr_equal(vgpu_handles_get(handles, VGPU_HANDLE(0, 1), VGPU_OBJECT_BUFFER), buffer);
    assert_null(vgpu_handles_get(handles, VGPU_HANDLE(0, 1), VGPU_OBJECT_KERNEL));
    assert_null(vgpu_handles_get(handles, VGPU_HANDLE(0, 2), VGPU_OBJECT_BUFFER));
    assert_null(vgpu_handles_get(handles, VGPU_HANDLE(0, 0), VGPU_OBJECT_BUFFER));
    assert_null(vgpu_handles_get(handles, VGPU_HANDLE(VGPU_HANDLE_MAX, 1), VGPU_OBJECT_BUFFER));
    assert_ptr_equal(vgpu_handles_take(handles, VGPU_HANDLE(0, 1)), buffer);
    assert_null(vgpu_handles_take(handles, VGPU_HANDLE(0, 1))); /* twice */
    assert_ptr_equal(vgpu_handles_take(handles, VGPU_HANDLE(1, 1)), kernel);
    g_free(buffer);
    g_free(kernel);
}

/* All of them, in the order in which backends let go. */
static void test_take_any(void **state)
{
    (void)state;
    g_autoptr(VgpuHandles) handles = vgpu_handles_new();
    VgpuObjectKind last = VGPU_OBJECT_EVENT;
    VgpuObject *object;
    guint count = 0;

    for (guint32 i = 0; i < VGPU_HANDLE_MAX; i++)
        vgpu_handles_add(handles, VGPU_HANDLE(i, 1), make(i % VGPU_OBJECT_KINDS));
    while ((object = vgpu_handles_take_any(handles)) != NULL) {
        assert_true(object->kind >= last);
        last = object->kind;
        g_free(object);
        count++;
    }
    assert_int_equal(count, VGPU_HANDLE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_take_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
