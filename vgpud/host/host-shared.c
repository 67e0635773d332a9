/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-shared.h"

#include "host-order.h"

typedef struct {
    VgpuHostShared *shared;
    VgpuHostNews news;
} Parcel;

VgpuHostShared *vgpu_host_shared_new(const char *uri, const char *emulator, const char *run_dir)
{
    VgpuHostShared *shared = g_new0(VgpuHostShared, 1);

    g_atomic_ref_count_init(&shared->references);
    shared->work = vgpu_host_work_new();
    shared->plugged = g_async_queue_new();
    shared->uri = g_strdup(uri);
    shared->emulator = g_strdup(emulator);
    shared->run_dir = g_strdup(run_dir);
    return shared;
}

VgpuHostShared *vgpu_host_shared_ref(VgpuHostShared *shared)
{
    g_atomic_ref_count_inc(&shared->references);
    return shared;
}

void vgpu_host_shared_unref(VgpuHostShared *shared)
{
    if (!g_atomic_ref_count_dec(&shared->references))
        return;
    vgpu_host_work_free(shared->work);
    g_async_queue_unref(shared->plugged);
    g_free(shared->uri);
    g_free(shared->emulator);
    g_free(shared->run_dir);
    g_free(shared);
}

static void parcel_free(gpointer data)
{
    Parcel *parcel = data;

    g_free(parcel->news.text);
    g_clear_pointer(&parcel->news.live, vgpu_domain_free);
    g_clear_pointer(&parcel->news.order, vgpu_host_order_free);
    vgpu_host_shared_unref(parcel->shared);
    g_free(parcel);
}

static gboolean deliver(gpointer data)
{
    const Parcel *parcel = data;

    if (parcel->shared->receiver != NULL)
        parcel->shared->receive(parcel->shared->receiver, &parcel->news);
    return G_SOURCE_REMOVE;
}

static void post(VgpuHostShared *shared, VgpuHostNews news)
{
    Parcel *parcel = g_new0(Parcel, 1);

    parcel->shared = vgpu_host_shared_ref(shared);
    parcel->news = news;

    /*
     * A source, not g_main_context_invoke(): that one runs the function at once, in the worker
     * thread, while no thread happens to be in the main loop.
     */
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, deliver, parcel, parcel_free);
    g_source_attach(source, NULL);
}

void vgpu_host_shared_post(VgpuHostShared *shared, VgpuHostNewsKind kind, char *text,
                           VgpuDomain *live)
{
    post(shared, (VgpuHostNews){.kind = kind, .text = text, .live = live});
}

void vgpu_host_shared_post_done(VgpuHostShared *shared, VgpuHostOrder *order)
{
    post(shared, (VgpuHostNews){.kind = VGPU_HOST_NEWS_DONE, .order = order});
}
