/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The window, over a fake device whose commands end when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "owner.h"

/* The fake's own things: events that a test ends, and how many of each kind are there. */
struct VgpuBackendEvent {
    guint references;
    VgpuBackendProgress progress;
};
static guint events, buffers, notifications;
static VgpuBackendEvent *notified; /* the last one whose end is to be told */

static VgpuBackendEvent *fake_event_ref(VgpuBackendEvent *event)
{
    event->references++;
    return event;
}

static void fake_event_unref(VgpuBackendEvent *event)
{
    if (--event->references > 0)
        return;
    g_free(event);
    events--;
}

static VgpuBackendProgress fake_event_progress(VgpuBackendEvent *event)
{
    return event->progress;
}

static enum vgpu_result fake_event_notify(VgpuBackendEvent *event, int fd, GError **error)
{
    (void)fd;
    (void)error;
    notified = event;
    notifications++;
    return VGPU_RESULT_OK;
}

static enum vgpu_result fake_event_times(VgpuBackendEvent *event, struct vgpu_event_times *times,
                                         GError **error)
{
    (void)event;
    (void)error;
    *times = (struct vgpu_event_times){10, 20, 30, 35};
    return VGPU_RESULT_OK;
}

static void fake_buffer_free(VgpuBackendBuffer *buffer)
{
    (void)buffer;
    buffers--;
}

static const VgpuBackendClass fake_class = {
    .name = "fake",
    .event_ref = fake_event_ref,
    .event_unref = fake_event_unref,
    .event_progress = fake_event_progress,
    .event_notify = fake_event_notify,
    .event_times = fake_event_times,
    .buffer_free = fake_buffer_free,
};
static VgpuBackend fake_backend = {.class = &fake_class};

typedef struct {
    VgpuQuota quota;
    VgpuPace pace;
    VgpuOwner *owner;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    vgpu_quota_init(&f->quota, (VgpuCharge){{1000, 1000, 1000, 1000}});
    f->owner = vgpu_owner_new(&fake_backend, &f->quota, &f->pace);
    notifications = 0;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    vgpu_owner_free(f->owner);
    assert_true(vgpu_quota_is_empty(&f->quota));
    assert_int_equal(f->pace.count, 0);
    assert_int_equal(f->pace.expected_ns, 0);
    assert_int_equal(events, 0);
    assert_int_equal(buffers, 0);
    g_free(f);
    return 0;
}

static VgpuBackendEvent *put(Fixture *f, guint32 tag)
{
    VgpuBackendEvent *event = g_new0(VgpuBackendEvent, 1);

    event->references = 1;
    events++;
    assert_true(vgpu_quota_charge(&f->quota, (VgpuCharge){.amount[VGPU_QUOTA_OUTSTANDING] = 1}));
    vgpu_owner_put(f->owner, &(VgpuOwnerWork){.event = event, .tag = tag, .measured = TRUE});
    return event;
}

static void drop_buffer(Fixture *f, guint64 length)
{
    VgpuObject *object = g_new0(VgpuObject, 1);

    object->kind = VGPU_OBJECT_BUFFER;
    object->charge.amount[VGPU_QUOTA_MEMORY] = length;
    assert_true(vgpu_quota_charge(&f->quota, object->charge));
    buffers++;
    vgpu_owner_drop(f->owner, object);
}

static void test_collects_in_order(void **state)
{
    Fixture *f = *state;
    VgpuBackendEvent *first = put(f, 1), *second = put(f, 2);

    assert_false(vgpu_owner_collect(f->owner));
    second->progress = VGPU_BACKEND_ENDED; /* an in-order device does not do that */
    assert_false(vgpu_owner_has_ended(f->owner));
    assert_false(vgpu_owner_collect(f->owner));
    first->progress = VGPU_BACKEND_ENDED;
    assert_true(vgpu_owner_has_ended(f->owner));
    assert_true(vgpu_owner_collect(f->owner));
    assert_int_equal(f->owner->count, 0);
    assert_int_equal(f->owner->device_ns, 10);
    assert_int_equal(f->owner->failed, VGPU_RESULT_OK);
}

/* The first that failed is told, not the last. */
static void test_failures(void **state)
{
    Fixture *f = *state;

    put(f, 1)->progress = VGPU_BACKEND_ENDED;
    put(f, 2)->progress = VGPU_BACKEND_FAILED;
    put(f, 3)->progress = VGPU_BACKEND_FAILED;
    assert_true(vgpu_owner_collect(f->owner));
    assert_int_equal(f->owner->failed, VGPU_RESULT_EXECUTION_FAILED);
    assert_int_equal(f->owner->failed_tag, 2);
}

/* What is released while something runs is freed, and uncharged, when that has ended. */
static void test_garbage(void **state)
{
    Fixture *f = *state;

    drop_buffer(f, 10); /* nothing runs: at once */
    assert_int_equal(buffers, 0);
    VgpuBackendEvent *first = put(f, 1);
    drop_buffer(f, 20);
    VgpuBackendEvent *second = put(f, 2);
    drop_buffer(f, 30);
    drop_buffer(f, 40);
    assert_int_equal(f->quota.used[VGPU_QUOTA_MEMORY], 90);
    first->progress = VGPU_BACKEND_ENDED;
    assert_true(vgpu_owner_collect(f->owner));
    assert_int_equal(f->quota.used[VGPU_QUOTA_MEMORY], 70);
    assert_int_equal(buffers, 2);
    second->progress = VGPU_BACKEND_FAILED;
    assert_true(vgpu_owner_collect(f->owner));
    assert_int_equal(f->quota.used[VGPU_QUOTA_MEMORY], 0);
}

static void test_ring(void **state)
{
    Fixture *f = *state;

    for (guint32 round = 0; round < 5; round++) {
        VgpuBackendEvent *running[VGPU_OWNER_WINDOW];

        for (guint32 i = 0; i < VGPU_OWNER_WINDOW; i++)
            running[i] = put(f, i);
        for (guint32 i = 0; i < VGPU_OWNER_WINDOW - round; i++)
            running[i]->progress = VGPU_BACKEND_ENDED;
        assert_true(vgpu_owner_collect(f->owner));
        assert_int_equal(f->owner->count, round);
        assert_int_equal(f->quota.used[VGPU_QUOTA_OUTSTANDING], round);
        for (guint32 i = VGPU_OWNER_WINDOW - round; i < VGPU_OWNER_WINDOW; i++)
            running[i]->progress = VGPU_BACKEND_ENDED;
        vgpu_owner_collect(f->owner);
        put(f, 0)->progress = VGPU_BACKEND_ENDED; /* so that it begins elsewhere */
        assert_true(vgpu_owner_collect(f->owner));
    }
}

/* The device is asked once for each newest command. */
static void test_notify(void **state)
{
    Fixture *f = *state;

    assert_true(vgpu_owner_notify(f->owner, TRUE, 0));
    assert_int_equal(notifications, 0); /* nothing runs */
    VgpuBackendEvent *first = put(f, 1);
    assert_true(vgpu_owner_notify(f->owner, TRUE, 0));
    assert_true(vgpu_owner_notify(f->owner, TRUE, 0));
    assert_int_equal(notifications, 1);
    VgpuBackendEvent *second = put(f, 2);
    assert_true(vgpu_owner_notify(f->owner, TRUE, 0));
    assert_int_equal(notifications, 2);
    assert_ptr_equal(notified, second);
    first->progress = second->progress = VGPU_BACKEND_ENDED;
    assert_true(vgpu_owner_collect(f->owner));
}

/* Who waits for room is woken while the device still has something to do. */
static void test_notify_of_half(void **state)
{
    Fixture *f = *state;
    VgpuBackendEvent *all[5];

    for (guint32 i = 0; i < G_N_ELEMENTS(all); i++)
        all[i] = put(f, i);
    assert_true(vgpu_owner_notify(f->owner, FALSE, 0));
    assert_true(vgpu_owner_notify(f->owner, FALSE, 0));
    assert_ptr_equal(notified, all[2]);
    assert_int_equal(notifications, 1);
    for (guint32 i = 0; i < 3; i++)
        all[i]->progress = VGPU_BACKEND_ENDED;
    assert_true(vgpu_owner_collect(f->owner));
    assert_true(vgpu_owner_notify(f->owner, FALSE, 0));
    assert_ptr_equal(notified, all[4]);
    assert_true(vgpu_owner_notify(f->owner, TRUE, 0));
    assert_int_equal(notifications, 2);
    all[3]->progress = all[4]->progress = VGPU_BACKEND_ENDED;
    assert_true(vgpu_owner_collect(f->owner));
}

/* How long a launch took is known of its kernel; what runs counts until it has ended. */
static void test_pace(void **state)
{
    Fixture *f = *state;
    VgpuObject kernel = {.kind = VGPU_OBJECT_KERNEL};
    VgpuBackendEvent *event = g_new0(VgpuBackendEvent, 1);

    *event = (VgpuBackendEvent){.references = 1};
    events++;
    assert_true(vgpu_quota_charge(&f->quota, (VgpuCharge){.amount[VGPU_QUOTA_OUTSTANDING] = 1}));
    vgpu_owner_put(
        f->owner,
        &(VgpuOwnerWork){
            .event = event, .measured = TRUE, .kernel = &kernel, .items = 7, .expected_ns = 100});
    assert_int_equal(f->pace.count, 1);
    assert_int_equal(f->pace.expected_ns, 100);
    event->progress = VGPU_BACKEND_ENDED;
    assert_true(vgpu_owner_collect(f->owner));
    assert_int_equal(f->pace.count, 0);
    assert_int_equal(kernel.record.items, 7);
    assert_int_equal(kernel.record.longest_ns, 5); /* fake_event_times() */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_collects_in_order),
        TEST(test_failures),
        TEST(test_garbage),
        TEST(test_ring),
        TEST(test_notify),
        TEST(test_notify_of_half),
        TEST(test_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
