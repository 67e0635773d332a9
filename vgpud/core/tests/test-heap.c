/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "heap.h"

#define ITEMS 500

typedef struct {
    VgpuHeapNode node;
    guint64 key, tie;
} Item;

static gboolean is_first(const Item *items, const Item *candidate)
{
    for (guint i = 0; i < ITEMS; i++)
        if (vgpu_heap_has(&items[i].node) &&
            (items[i].key < candidate->key ||
             (items[i].key == candidate->key && items[i].tie < candidate->tie)))
            return FALSE;
    return TRUE;
}

/* Any order of pushes and removals: the first is always the lowest that is in. */
static void test_against_a_plain_search(void **state)
{
    (void)state;
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autofree Item *items = g_new0(Item, ITEMS);
    VgpuHeap heap = {0};
    gsize count = 0;

    for (guint step = 0; step < 20000; step++) {
        Item *item = &items[g_rand_int_range(random, 0, ITEMS)];

        if (vgpu_heap_has(&item->node)) {
            vgpu_heap_remove(&heap, &item->node);
            count--;
        } else {
            item->key = (guint64)g_rand_int_range(random, 0, 50);
            item->tie = step;
            vgpu_heap_push(&heap, &item->node, item->key, item->tie);
            count++;
        }
        assert_int_equal(heap.count, count);
        const Item *first = (Item *)vgpu_heap_first(&heap);
        if (count == 0)
            assert_null(first);
        else
            assert_true(is_first(items, first));
        assert_true(vgpu_heap_first_key(&heap) == (first != NULL ? first->key : G_MAXUINT64));
    }
    vgpu_heap_clear(&heap);
}

static void test_comes_out_sorted(void **state)
{
    (void)state;
    g_autofree Item *items = g_new0(Item, ITEMS);
    VgpuHeap heap = {0};

    for (guint i = 0; i < ITEMS; i++) {
        items[i].key = (i * 7919) % 100;
        items[i].tie = i;
        vgpu_heap_push(&heap, &items[i].node, items[i].key, items[i].tie);
    }
    guint64 last_key = 0, last_tie = 0;
    for (guint i = 0; i < ITEMS; i++) {
        Item *first = (Item *)vgpu_heap_first(&heap);

        assert_true(first->key > last_key || (first->key == last_key && first->tie >= last_tie));
        last_key = first->key;
        last_tie = first->tie;
        vgpu_heap_remove(&heap, &first->node);
        assert_false(vgpu_heap_has(&first->node));
    }
    assert_null(vgpu_heap_first(&heap));
    vgpu_heap_clear(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_plain_search),
        cmocka_unit_test(test_comes_out_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
