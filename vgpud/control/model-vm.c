/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operators see of a VM. */
#include "model-private.h"
#include "vgpu-codec.h"

/* A counter that a worker writes: signed 64 bits are what JSON tools can read. */
#define COUNTER(page, field) MIN(atomic_load(&(page)->field), (guint64)G_MAXINT64)

static const char *backend_state_name(guint32 state)
{
    static const char *const names[] = {
        [VGPU_PAGE_STARTING] = "starting",
        [VGPU_PAGE_READY] = "ready",
        [VGPU_PAGE_FAILED] = "failed",
    };
    return state < G_N_ELEMENTS(names) ? names[state] : "unknown";
}

/* How many requests were answered with each error, every code in each answer. */
static GVariant *error_counts(const VgpuPage *page)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{st}"));
    for (guint code = VGPU_ERROR_NONE + 1; code < VGPU_ERROR_COUNT; code++)
        g_variant_builder_add(&dict, "{st}", vgpu_error_name(code), COUNTER(page, errors[code]));
    return g_variant_builder_end(&dict);
}

static GVariant *page_waits(const VgpuPage *page)
{
    guint64 waits[VGPU_PAGE_WAITS];

    for (gsize i = 0; i < VGPU_PAGE_WAITS; i++)
        waits[i] = COUNTER(page, waits[i]);
    return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, waits, VGPU_PAGE_WAITS,
                                     sizeof(guint64));
}

/* The part that the worker wrote. */
static void put_page(GVariantBuilder *dict, const VgpuPage *page)
{
    guint32 state = atomic_load(&page->state);
    guint64 requests = COUNTER(page, requests);
    guint64 service_ns = COUNTER(page, service_ns);
    g_autofree char *device =
        state == VGPU_PAGE_READY ? vgpu_page_get_text(page->device_name) : NULL;
    g_autofree char *failure = state == VGPU_PAGE_FAILED ? vgpu_page_get_text(page->failure) : NULL;

    vgpu_model_put_string(dict, "backend-state", backend_state_name(state));
    vgpu_model_put_string(dict, "device", device);
    vgpu_model_put_string(dict, "failure", failure);
    vgpu_model_put_count(dict, "requests", requests);
    vgpu_model_put(dict, "errors", error_counts(page));
    vgpu_model_put_count(dict, "bytes-in", COUNTER(page, bytes_in));
    vgpu_model_put_count(dict, "bytes-out", COUNTER(page, bytes_out));
    vgpu_model_put_count(dict, "device-ns", COUNTER(page, device_ns));
    vgpu_model_put_count(dict, "service-ns", service_ns);
    vgpu_model_put_count(dict, "mean-service-ns", requests == 0 ? 0 : service_ns / requests);
    vgpu_model_put(dict, "last-us", g_variant_new_int64(MAX(0, atomic_load(&page->last_us))));
    vgpu_model_put(dict, "waits", page_waits(page));
    vgpu_model_put_count(dict, "wait-ns", COUNTER(page, wait_ns));
}

/* What it holds now. */
static void put_used(GVariantBuilder *dict, const VgpuSession *session)
{
    static const char *const keys[VGPU_QUOTA_COUNT] = {
        [VGPU_QUOTA_MEMORY] = "memory-used",        [VGPU_QUOTA_PROGRAMS] = "programs-used",
        [VGPU_QUOTA_HANDLES] = "handles-used",      [VGPU_QUOTA_OUTSTANDING] = "outstanding-used",
        [VGPU_QUOTA_SHARED] = "shared-memory-used",
    };

    for (gsize i = 0; i < VGPU_QUOTA_COUNT; i++)
        vgpu_model_put_count(dict, keys[i], vgpu_session_used(session, (VgpuQuotaKind)i));
}

/* Ends of its workers that were not wanted, by kind; every kind in each answer. */
static GVariant *fault_counts(const VgpuSession *session)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{st}"));
    for (guint i = 0; i < VGPU_FAULT_KINDS; i++)
        g_variant_builder_add(&dict, "{st}", vgpu_fault_name(i), session->fault_counts[i]);
    return g_variant_builder_end(&dict);
}

/* By the wall clock as it goes now: the quarantine itself goes by the other one. */
static gint64 quarantined_until(const VgpuSession *session)
{
    const gint64 until_us = session->quarantine.until_us;

    return until_us == 0 || until_us == VGPU_QUARANTINE_FOREVER
               ? until_us
               : until_us - g_get_monotonic_time() + g_get_real_time();
}

/* The part that vgpud itself knows, and that changes seldom. */
static void put_session(GVariantBuilder *dict, const VgpuSession *session)
{
    const char pool[] = {session->pool, '\0'};

    vgpu_model_put_string(dict, "name", session->name);
    vgpu_model_put_string(dict, "uuid", session->uuid);
    vgpu_model_put_uint(dict, "vm-id", session->vm_id);
    vgpu_model_put_string(dict, "pool", pool);
    vgpu_model_put_string(dict, "member", session->member == NULL ? NULL : session->member->name);
    vgpu_model_put(dict, "waiting", g_variant_new_boolean(vgpu_session_is_waiting(session)));
    vgpu_model_put_string(dict, "priority", vgpu_priority_name(session->priority));
    vgpu_model_put_limits(dict, "", &session->limits);
    vgpu_model_put_string(dict, "state", vgpu_session_state_name(session->state));
    vgpu_model_put_uint(dict, "qemu-pid", (guint)session->qemu_pid);
    vgpu_model_put_uint(dict, "worker-pid", (guint)session->worker_pid);
    vgpu_model_put_count(dict, "worker-faults", session->faults.total);
    vgpu_model_put(dict, "faults", fault_counts(session));
    vgpu_model_put_count(dict, "quarantines", session->quarantine.total);
    vgpu_model_put(dict, "quarantined-until-us", g_variant_new_int64(quarantined_until(session)));
    vgpu_model_put_string(dict, "quarantine-reason", session->quarantine.reason);
}

GVariant *vgpu_model_vm(const VgpuSession *session)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    put_session(&dict, session);
    vgpu_model_put(&dict, "since-us", g_variant_new_int64(session->since_us));
    put_page(&dict, session->page);
    put_used(&dict, session);
    return g_variant_builder_end(&dict);
}

GVariant *vgpu_model_event(const VgpuSession *session, const char *kind, guint64 serial,
                           gint64 now_us)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    vgpu_model_put_count(&dict, "serial", serial);
    vgpu_model_put(&dict, "time-us", g_variant_new_int64(now_us));
    vgpu_model_put_string(&dict, "kind", kind);
    put_session(&dict, session);
    return g_variant_builder_end(&dict);
}
