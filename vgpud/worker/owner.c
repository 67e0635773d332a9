/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "owner.h"

#include "deadline.h"

VgpuOwner *vgpu_owner_new(VgpuBackend *backend, VgpuQuota *quota, VgpuPace *pace)
{
    VgpuOwner *owner = g_new0(VgpuOwner, 1);

    owner->backend = backend;
    owner->quota = quota;
    owner->pace = pace;
    owner->handles = vgpu_handles_new();
    return owner;
}

static void free_object(VgpuOwner *owner, VgpuObject *object)
{
    const VgpuBackendClass *class = owner->backend->class;
    VgpuObject *program = object->kind == VGPU_OBJECT_KERNEL ? object->made_from : NULL;

    if (object->kind == VGPU_OBJECT_PROGRAM && object->kernels > 0) {
        object->dropped = TRUE;
        return;
    }
    switch (object->kind) {
    case VGPU_OBJECT_EVENT:
        class->event_unref(object->event);
        break;
    case VGPU_OBJECT_KERNEL:
        class->kernel_free(object->kernel);
        break;
    case VGPU_OBJECT_PROGRAM:
        class->program_free(object->program);
        break;
    case VGPU_OBJECT_BUFFER:
        class->buffer_free(object->buffer);
        break;
    case VGPU_OBJECT_KINDS:
        g_assert_not_reached();
    }
    vgpu_quota_uncharge(owner->quota, object->charge);
    g_free(object->arguments);
    g_free(object);
    if (program != NULL && --program->kernels == 0 && program->dropped)
        free_object(owner, program);
}

void vgpu_owner_free(VgpuOwner *owner)
{
    VgpuObject *object;

    g_assert(owner->count == 0);
    while ((object = vgpu_handles_take_any(owner->handles)) != NULL)
        free_object(owner, object);
    vgpu_handles_free(owner->handles);
    if (owner->queue != NULL)
        owner->backend->class->queue_free(owner->queue);
    g_free(owner);
}

static VgpuOwnerWork *work_at(VgpuOwner *owner, guint position)
{
    return &owner->window[(owner->oldest + position) % VGPU_OWNER_WINDOW];
}

void vgpu_owner_drop(VgpuOwner *owner, VgpuObject *object)
{
    if (owner->count == 0) {
        free_object(owner, object);
        return;
    }
    VgpuOwnerWork *newest = work_at(owner, owner->count - 1);
    newest->garbage = g_slist_prepend(newest->garbage, object);
}

void vgpu_owner_put(VgpuOwner *owner, const VgpuOwnerWork *work)
{
    g_assert(owner->count < VGPU_OWNER_WINDOW);
    if (owner->count == 0)
        owner->oldest_ns = vgpu_deadline_now();
    *work_at(owner, owner->count++) = *work;
    vgpu_pace_begin(owner->pace, work->expected_ns);
}

static VgpuBackendProgress progress_of(const VgpuOwner *owner, const VgpuOwnerWork *work)
{
    return owner->backend->class->event_progress(work->event);
}

/* The first one has ended. */
static void end_oldest(VgpuOwner *owner, VgpuBackendProgress progress)
{
    const VgpuBackendClass *class = owner->backend->class;
    VgpuOwnerWork *work = work_at(owner, 0);
    struct vgpu_event_times times;

    if (progress == VGPU_BACKEND_FAILED && owner->failed == VGPU_RESULT_OK) {
        owner->failed = VGPU_RESULT_EXECUTION_FAILED;
        owner->failed_tag = work->tag;
    }
    if (work->measured && class->event_times(work->event, &times, NULL) == VGPU_RESULT_OK &&
        times.ended > times.started) {
        owner->device_ns += times.ended - times.started;
        if (work->kernel != NULL)
            vgpu_pace_learn(&work->kernel->record, work->items, times.ended - times.started);
    }
    vgpu_pace_end(owner->pace, work->expected_ns);
    class->event_unref(work->event);
    for (GSList *item = work->garbage; item != NULL; item = item->next)
        free_object(owner, item->data);
    g_slist_free(work->garbage);
    *work = (VgpuOwnerWork){0};
    owner->oldest = (owner->oldest + 1) % VGPU_OWNER_WINDOW;
    owner->count--;
    vgpu_quota_uncharge(owner->quota, (VgpuCharge){.amount[VGPU_QUOTA_OUTSTANDING] = 1});
}

gboolean vgpu_owner_collect(VgpuOwner *owner)
{
    gboolean found = FALSE;

    while (owner->count > 0) {
        VgpuBackendProgress progress = progress_of(owner, work_at(owner, 0));

        if (progress == VGPU_BACKEND_RUNNING)
            break;
        end_oldest(owner, progress);
        found = TRUE;
    }
    if (found && owner->count > 0)
        owner->oldest_ns = vgpu_deadline_now();
    return found;
}

gboolean vgpu_owner_has_ended(const VgpuOwner *owner)
{
    return owner->count > 0 &&
           progress_of(owner, &owner->window[owner->oldest]) != VGPU_BACKEND_RUNNING;
}

gboolean vgpu_owner_notify(VgpuOwner *owner, gboolean all, int fd)
{
    if (owner->count == 0)
        return TRUE;
    VgpuOwnerWork *work = work_at(owner, all ? owner->count - 1 : owner->count / 2);
    if (!work->notified)
        work->notified =
            owner->backend->class->event_notify(work->event, fd, NULL) == VGPU_RESULT_OK;
    return work->notified;
}
