/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "example-model.h"

#include <gio/gio.h>
#include <string.h>

#include "vgpu-codec.h"

static void add_pool(VgpuPools *pools, const char *text)
{
    g_autoptr(GError) error = NULL;

    vgpu_pools_add(pools, text, strlen(text), "example", &error);
    g_assert_no_error(error);
}

static VgpuSession *serving_session(VgpuPools *pools)
{
    VgpuMember *member = vgpu_pools_place(pools, 'A', NULL);
    VgpuSession *session =
        vgpu_session_new(EXAMPLE_UUID, "web", 3, 'A', VGPU_PRIORITY_HIGH, member, NULL);
    VgpuPage *page = session->page;

    vgpu_session_set_state(session, VGPU_SESSION_LINKED);
    vgpu_session_set_state(session, VGPU_SESSION_SERVING);
    session->qemu_pid = 1234;
    session->worker_pid = 1250;
    session->faults.total = 2;
    session->fault_counts[VGPU_FAULT_DEADLINE] = 2;
    vgpu_page_set_text(page->device_name, "Example GPU");
    atomic_store(&page->state, VGPU_PAGE_READY);
    atomic_store(&page->requests, 1000);
    atomic_store(&page->errors[VGPU_ERROR_TIMEOUT], 2);
    atomic_store(&page->errors[VGPU_ERROR_INVALID_REQUEST], 5);
    atomic_store(&page->bytes_in, 40000);
    atomic_store(&page->bytes_out, 36000);
    atomic_store(&page->device_ns, 5000000);
    atomic_store(&page->service_ns, 20000000);
    atomic_store(&page->last_us, g_get_real_time());
    return session;
}

static void finish(ExampleModel *example, VgpuActionDone done, gpointer data)
{
    g_autoptr(GError) error = NULL;

    if (example->failure != NULL)
        g_set_error_literal(&error, G_IO_ERROR, G_IO_ERROR_FAILED, example->failure);
    done(error, data);
}

static void set_element(const char *domain, const VgpuWish *wish, VgpuActionDone done,
                        gpointer data, gpointer user_data)
{
    ExampleModel *example = user_data;

    if (wish == NULL) {
        g_string_append_printf(example->asked, "remove %s\n", domain);
    } else {
        g_string_append_printf(example->asked, "set %s %c %s", domain, wish->pool,
                               vgpu_priority_name(wish->priority));
        if (wish->limits.value[VGPU_LIMIT_RATE] != 0 || wish->limits.value[VGPU_LIMIT_BURST] != 0)
            g_string_append_printf(example->asked, " %u/s burst %u",
                                   wish->limits.value[VGPU_LIMIT_RATE],
                                   wish->limits.value[VGPU_LIMIT_BURST]);
        for (gsize i = VGPU_LIMIT_DEVICE_TIME; i < VGPU_LIMIT_COUNT; i++)
            if (wish->limits.value[i] != 0)
                g_string_append_printf(example->asked, " %s %u", vgpu_limit_info(i)->name,
                                       wish->limits.value[i]);
        g_string_append_c(example->asked, '\n');
    }
    finish(example, done, data);
}

static void detach_all(VgpuActionDone done, gpointer data, gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append(example->asked, "detach-all\n");
    finish(example, done, data);
}

static void attach_all(VgpuActionDone done, gpointer data, gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append(example->asked, "attach-all\n");
    finish(example, done, data);
}

static gboolean outcome(const ExampleModel *example, GError **error)
{
    if (example->failure != NULL)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, example->failure);
    return example->failure == NULL;
}

static gboolean reload(GError **error, gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append(example->asked, "reload\n");
    return outcome(example, error);
}

static gboolean drain(const char *member, gboolean on, GError **error, gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append_printf(example->asked, "%s %s\n", on ? "drain" : "undrain", member);
    return outcome(example, error);
}

static gboolean move(VgpuSession *session, const char *member, gboolean force, GError **error,
                     gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append_printf(example->asked, "move %s to '%s'%s\n", session->name, member,
                           force ? " by force" : "");
    return outcome(example, error);
}

static gboolean quarantine(VgpuSession *session, guint seconds, GError **error, gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append_printf(example->asked, "quarantine %s for %u\n", session->name, seconds);
    return outcome(example, error);
}

static gboolean release(VgpuSession *session, GError **error, gpointer user_data)
{
    ExampleModel *example = user_data;

    g_string_append_printf(example->asked, "release %s\n", session->name);
    return outcome(example, error);
}

static char *inject(const char *xml, GError **error, gpointer user_data)
{
    const ExampleModel *example = user_data;

    if (example->failure == NULL)
        return g_strconcat(xml, "<!-- injected -->\n", NULL);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, example->failure);
    return NULL;
}

ExampleModel *example_model_new(void)
{
    ExampleModel *example = g_new0(ExampleModel, 1);

    example->pools = vgpu_pools_new();
    add_pool(example->pools,
             "[pool]\nname=A\ndescription=fast GPUs\nrequests-per-second=100\nburst=10\n"
             "[member gpu0]\nbackend=opencl\ndevice=0:0\nslots=4\n"
             "[member gpu1]\nbackend=opencl\ndevice=0:1\n");
    add_pool(example->pools, "[pool]\nname=B\n[member none]\nbackend=null\n");

    example->sessions = vgpu_sessions_new();
    example->serving = serving_session(example->pools);
    example->waiting = vgpu_session_new("22222222-2222-2222-2222-222222222222", "db", 9, 'B',
                                        VGPU_PRIORITY_LOW, NULL, NULL);
    vgpu_sessions_add(example->sessions, example->serving);
    vgpu_sessions_add(example->sessions, example->waiting);

    example->model = (VgpuModel){
        .pools = example->pools,
        .sessions = example->sessions,
        .started_us = g_get_real_time(),
        .started_mono_us = g_get_monotonic_time(),
        .libvirt_uri = "qemu:///system",
        .libvirt_connected = TRUE,
        .libvirt_detail = "qemu:///system, libvirt 9.0.0, QEMU 7.2.22",
    };
    example->asked = g_string_new(NULL);
    example->actions = (VgpuActions){
        set_element, detach_all, attach_all, inject,  reload,
        drain,       move,       quarantine, release, example,
    };
    return example;
}

void example_model_free(ExampleModel *example)
{
    vgpu_sessions_free(example->sessions);
    vgpu_session_unref(example->serving);
    vgpu_session_unref(example->waiting);
    vgpu_pools_free(example->pools);
    g_string_free(example->asked, TRUE);
    g_free(example);
}
