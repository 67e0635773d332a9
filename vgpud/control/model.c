/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model.h"

#include <string.h>

#include "vgpu-codec.h"

/* A counter that a worker writes: signed 64 bits are what JSON tools can read. */
#define COUNTER(page, field) MIN(atomic_load(&(page)->field), (guint64)G_MAXINT64)

static void put(GVariantBuilder *dict, const char *key, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", key, value);
}

static void put_string(GVariantBuilder *dict, const char *key, const char *text)
{
    put(dict, key, g_variant_new_take_string(g_utf8_make_valid(text == NULL ? "" : text, -1)));
}

static void put_uint(GVariantBuilder *dict, const char *key, guint value)
{
    put(dict, key, g_variant_new_uint32(value));
}

static void put_count(GVariantBuilder *dict, const char *key, guint64 value)
{
    put(dict, key, g_variant_new_uint64(value));
}

/* Each limit under its name; 0: there is none. */
static void put_limits(GVariantBuilder *dict, const char *prefix, const VgpuLimits *limits)
{
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        g_autofree char *key = g_strconcat(prefix, vgpu_limit_info(i)->name, NULL);
        put_uint(dict, key, limits->value[i]);
    }
}

/* How many VMs are in each state, also in those that none is in. */
static GVariant *count_states(GPtrArray *sessions)
{
    guint counts[VGPU_SESSION_ENDED + 1] = {0};
    GVariantBuilder dict;

    for (guint i = 0; i < sessions->len; i++)
        counts[((const VgpuSession *)sessions->pdata[i])->state]++;
    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{su}"));
    for (guint state = 0; state < G_N_ELEMENTS(counts); state++)
        g_variant_builder_add(&dict, "{su}", vgpu_session_state_name(state), counts[state]);
    return g_variant_builder_end(&dict);
}

GVariant *vgpu_model_status(const VgpuModel *model, gint64 now_mono_us)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(model->sessions);
    GVariantBuilder dict;
    guint pools = 0;

    for (char letter = 'A'; letter <= 'Z'; letter++)
        if (vgpu_pools_get(model->pools, letter) != NULL)
            pools++;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    put_string(&dict, "version", VGPU_VERSION);
    put(&dict, "protocol",
        g_variant_new_take_string(
            g_strdup_printf("%u.%u", VGPU_PROTOCOL_VERSION >> 16, VGPU_PROTOCOL_VERSION & 0xffff)));
    put(&dict, "started-us", g_variant_new_int64(model->started_us));
    put_count(&dict, "uptime-us", (guint64)(now_mono_us - model->started_mono_us));
    put_string(&dict, "libvirt-uri", model->libvirt_uri);
    put(&dict, "libvirt-connected", g_variant_new_boolean(model->libvirt_connected));
    put_string(&dict, "libvirt-detail", model->libvirt_detail);
    put_uint(&dict, "pool-count", pools);
    put_uint(&dict, "vm-count", sessions->len);
    put(&dict, "vms-by-state", count_states(sessions));
    return g_variant_builder_end(&dict);
}

/* What the workers on @member found there, each name once; normally one. */
static GVariant *member_devices(GPtrArray *sessions, const VgpuMember *member)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < sessions->len; i++) {
        const VgpuSession *session = sessions->pdata[i];
        if (session->member != member || atomic_load(&session->page->state) != VGPU_PAGE_READY)
            continue;
        g_autofree char *name = vgpu_page_get_text(session->page->device_name);
        if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
            g_ptr_array_add(names, g_steal_pointer(&name));
    }
    return g_variant_new_strv((const char *const *)names->pdata, names->len);
}

static GVariant *member_dict(GPtrArray *sessions, const VgpuMember *member)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    put_string(&dict, "name", member->name);
    put_string(&dict, "backend", member->backend);
    put_string(&dict, "device", member->device);
    put_uint(&dict, "slots", member->slots);
    put_uint(&dict, "used", member->used);
    g_autofree char *key = vgpu_member_device_key(member);
    put_string(&dict, "device-key", key);
    put_uint(&dict, "load", member->load);
    put(&dict, "draining", g_variant_new_boolean(member->draining));
    put(&dict, "removed", g_variant_new_boolean(member->removed));
    put(&dict, "device-names", member_devices(sessions, member));
    return g_variant_builder_end(&dict);
}

/* What all VMs had that the pool has had. */
static void put_accounts(GVariantBuilder *dict, const VgpuAccounts *accounts)
{
    const guint64 *count = accounts->count;
    GVariantBuilder errors;

    g_variant_builder_init(&errors, G_VARIANT_TYPE("a{st}"));
    for (guint code = VGPU_ERROR_NONE + 1; code < VGPU_ERROR_COUNT; code++)
        g_variant_builder_add(&errors, "{st}", vgpu_error_name(code),
                              count[VGPU_ACCOUNT_ERRORS + code]);
    put_count(dict, "requests", count[VGPU_ACCOUNT_REQUESTS]);
    put(dict, "errors", g_variant_builder_end(&errors));
    put_count(dict, "bytes-in", count[VGPU_ACCOUNT_BYTES_IN]);
    put_count(dict, "bytes-out", count[VGPU_ACCOUNT_BYTES_OUT]);
    put_count(dict, "device-ns", count[VGPU_ACCOUNT_DEVICE_NS]);
    put_count(dict, "service-ns", count[VGPU_ACCOUNT_SERVICE_NS]);
    put(dict, "waits",
        g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, &count[VGPU_ACCOUNT_WAITS],
                                  VGPU_PAGE_WAITS, sizeof(guint64)));
    put_count(dict, "wait-ns", count[VGPU_ACCOUNT_WAIT_NS]);
}

static void put_rules(GVariantBuilder *dict, const VgpuPoolRules *rules)
{
    const VgpuSchedulerSettings *scheduler = &rules->scheduler;

    put_string(dict, "policy", vgpu_scheduler_policy_name(scheduler->policy));
    put_uint(dict, "window", scheduler->window);
    put_uint(dict, "slice-us", (guint)(scheduler->slice_ns / 1000));
    put_uint(dict, "recall-ms", (guint)(scheduler->recall_ns / 1000000));
    put_uint(dict, "floor-low", scheduler->floor_percent[VGPU_PRIORITY_LOW]);
    put_uint(dict, "floor-medium", scheduler->floor_percent[VGPU_PRIORITY_MEDIUM]);
    put_uint(dict, "floor-high", scheduler->floor_percent[VGPU_PRIORITY_HIGH]);
    put_string(dict, "placement", vgpu_placement_name(rules->placement));
    put_string(dict, "admission", rules->waits ? "wait" : "refuse");
}

static guint count_waiting(GPtrArray *sessions, char pool)
{
    guint waiting = 0;

    for (guint i = 0; i < sessions->len; i++) {
        const VgpuSession *session = sessions->pdata[i];
        if (session->pool == pool && vgpu_session_is_waiting(session))
            waiting++;
    }
    return waiting;
}

/* The names of members that take no more VMs: draining ones, and what is removed. */
static GVariant *draining_members(const VgpuPool *pool)
{
    GVariantBuilder names;

    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < pool->members->len; i++) {
        const VgpuMember *member = pool->members->pdata[i];
        if (member->draining || member->removed)
            g_variant_builder_add_value(
                &names, g_variant_new_take_string(g_utf8_make_valid(member->name, -1)));
    }
    return g_variant_builder_end(&names);
}

static GVariant *pool_dict(const VgpuModel *model, GPtrArray *sessions, const VgpuPool *pool)
{
    const char letter[] = {pool->letter, '\0'};
    GVariantBuilder dict, members;

    g_variant_builder_init(&members, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < pool->members->len; i++)
        g_variant_builder_add_value(&members, member_dict(sessions, pool->members->pdata[i]));

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    put_string(&dict, "name", letter);
    put_string(&dict, "description", pool->description);
    put_limits(&dict, "", &pool->limits.ceiling);
    put_limits(&dict, "default-", &pool->limits.standard);
    put_string(&dict, "over-quota", pool->limits.waits ? "wait" : "error");
    put_rules(&dict, &pool->rules);
    put_uint(&dict, "used", vgpu_pool_used(pool));
    put_uint(&dict, "waiting", count_waiting(sessions, pool->letter));
    put(&dict, "draining", draining_members(pool));
    put(&dict, "removed", g_variant_new_boolean(pool->removed));
    put(&dict, "members", g_variant_builder_end(&members));
    put_accounts(&dict, vgpu_sessions_accounts(model->sessions, pool->letter,
                                               (guint64)g_get_monotonic_time() * 1000));
    return g_variant_builder_end(&dict);
}

GVariant *vgpu_model_pools(const VgpuModel *model)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(model->sessions);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(model->pools, letter);
        if (pool != NULL)
            g_variant_builder_add_value(&list, pool_dict(model, sessions, pool));
    }
    return g_variant_builder_end(&list);
}

GVariant *vgpu_model_pool(const VgpuModel *model, char letter)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(model->sessions);
    const VgpuPool *pool = vgpu_pools_get(model->pools, letter);

    return pool == NULL ? NULL : pool_dict(model, sessions, pool);
}

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

    put_string(dict, "backend-state", backend_state_name(state));
    put_string(dict, "device", device);
    put_string(dict, "failure", failure);
    put_count(dict, "requests", requests);
    put(dict, "errors", error_counts(page));
    put_count(dict, "bytes-in", COUNTER(page, bytes_in));
    put_count(dict, "bytes-out", COUNTER(page, bytes_out));
    put_count(dict, "device-ns", COUNTER(page, device_ns));
    put_count(dict, "service-ns", service_ns);
    put_count(dict, "mean-service-ns", requests == 0 ? 0 : service_ns / requests);
    put(dict, "last-us", g_variant_new_int64(MAX(0, atomic_load(&page->last_us))));
    put(dict, "waits", page_waits(page));
    put_count(dict, "wait-ns", COUNTER(page, wait_ns));
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
        put_count(dict, keys[i], vgpu_session_used(session, (VgpuQuotaKind)i));
}

/* The part that vgpud itself knows, and that changes seldom. */
static void put_session(GVariantBuilder *dict, const VgpuSession *session)
{
    const char pool[] = {session->pool, '\0'};

    put_string(dict, "name", session->name);
    put_string(dict, "uuid", session->uuid);
    put_uint(dict, "vm-id", session->vm_id);
    put_string(dict, "pool", pool);
    put_string(dict, "member", session->member == NULL ? NULL : session->member->name);
    put(dict, "waiting", g_variant_new_boolean(vgpu_session_is_waiting(session)));
    put_string(dict, "priority", vgpu_priority_name(session->priority));
    put_limits(dict, "", &session->limits);
    put_string(dict, "state", vgpu_session_state_name(session->state));
    put_uint(dict, "qemu-pid", (guint)session->qemu_pid);
    put_uint(dict, "worker-pid", (guint)session->worker_pid);
    put_count(dict, "worker-faults", session->faults.total);
}

GVariant *vgpu_model_vm(const VgpuSession *session)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    put_session(&dict, session);
    put(&dict, "since-us", g_variant_new_int64(session->since_us));
    put_page(&dict, session->page);
    put_used(&dict, session);
    return g_variant_builder_end(&dict);
}

GVariant *vgpu_model_event(const VgpuSession *session, const char *kind, guint64 serial,
                           gint64 now_us)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    put_count(&dict, "serial", serial);
    put(&dict, "time-us", g_variant_new_int64(now_us));
    put_string(&dict, "kind", kind);
    put_session(&dict, session);
    return g_variant_builder_end(&dict);
}

GVariant *vgpu_model_vms(const VgpuModel *model)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(model->sessions);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < sessions->len; i++)
        g_variant_builder_add_value(&list, vgpu_model_vm(sessions->pdata[i]));
    return g_variant_builder_end(&list);
}

VgpuSession *vgpu_model_find(const VgpuModel *model, const char *which)
{
    const VgpuSessions *all = model->sessions;
    g_autofree char *uuid = g_ascii_strdown(which, -1);
    VgpuSession *found = vgpu_sessions_by_uuid(all, uuid);
    if (found != NULL)
        return found;

    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(all);
    for (guint i = 0; i < sessions->len; i++) {
        VgpuSession *session = sessions->pdata[i];
        if (strcmp(session->name, which) == 0)
            return session; /* @all keeps it */
    }

    guint64 number;
    if (g_ascii_string_to_unsigned(which, 10, 0, G_MAXUINT32, &number, NULL))
        return vgpu_sessions_by_vm_id(all, (guint32)number);
    return NULL;
}
