/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model-private.h"

#include <string.h>

#include "vgpu-codec.h"

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
    vgpu_model_put_string(&dict, "version", VGPU_VERSION);
    vgpu_model_put(&dict, "protocol",
                   g_variant_new_take_string(g_strdup_printf("%u.%u", VGPU_PROTOCOL_VERSION >> 16,
                                                             VGPU_PROTOCOL_VERSION & 0xffff)));
    vgpu_model_put(&dict, "started-us", g_variant_new_int64(model->started_us));
    vgpu_model_put_count(&dict, "uptime-us", (guint64)(now_mono_us - model->started_mono_us));
    vgpu_model_put_string(&dict, "libvirt-uri", model->libvirt_uri);
    vgpu_model_put(&dict, "libvirt-connected", g_variant_new_boolean(model->libvirt_connected));
    vgpu_model_put_string(&dict, "libvirt-detail", model->libvirt_detail);
    vgpu_model_put_uint(&dict, "pool-count", pools);
    vgpu_model_put_uint(&dict, "vm-count", sessions->len);
    vgpu_model_put(&dict, "vms-by-state", count_states(sessions));
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
    vgpu_model_put_string(&dict, "name", member->name);
    vgpu_model_put_string(&dict, "backend", member->backend);
    vgpu_model_put_string(&dict, "device", member->device);
    vgpu_model_put_uint(&dict, "slots", member->slots);
    vgpu_model_put_uint(&dict, "used", member->used);
    g_autofree char *key = vgpu_member_device_key(member);
    vgpu_model_put_string(&dict, "device-key", key);
    vgpu_model_put_uint(&dict, "load", member->load);
    vgpu_model_put(&dict, "draining", g_variant_new_boolean(member->draining));
    vgpu_model_put_string(&dict, "drain-reason", member->drain_reason);
    vgpu_model_put(&dict, "removed", g_variant_new_boolean(member->removed));
    vgpu_model_put(&dict, "device-names", member_devices(sessions, member));
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
    vgpu_model_put_count(dict, "requests", count[VGPU_ACCOUNT_REQUESTS]);
    vgpu_model_put(dict, "errors", g_variant_builder_end(&errors));
    vgpu_model_put_count(dict, "bytes-in", count[VGPU_ACCOUNT_BYTES_IN]);
    vgpu_model_put_count(dict, "bytes-out", count[VGPU_ACCOUNT_BYTES_OUT]);
    vgpu_model_put_count(dict, "device-ns", count[VGPU_ACCOUNT_DEVICE_NS]);
    vgpu_model_put_count(dict, "service-ns", count[VGPU_ACCOUNT_SERVICE_NS]);
    vgpu_model_put(dict, "waits",
                   g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, &count[VGPU_ACCOUNT_WAITS],
                                             VGPU_PAGE_WAITS, sizeof(guint64)));
    vgpu_model_put_count(dict, "wait-ns", count[VGPU_ACCOUNT_WAIT_NS]);
}

static void put_rules(GVariantBuilder *dict, const VgpuPoolRules *rules)
{
    const VgpuSchedulerSettings *scheduler = &rules->scheduler;

    vgpu_model_put_string(dict, "policy", vgpu_scheduler_policy_name(scheduler->policy));
    vgpu_model_put_uint(dict, "window", scheduler->window);
    vgpu_model_put_uint(dict, "slice-us", (guint)(scheduler->slice_ns / 1000));
    vgpu_model_put_uint(dict, "recall-ms", (guint)(scheduler->recall_ns / 1000000));
    vgpu_model_put_uint(dict, "floor-low", scheduler->floor_percent[VGPU_PRIORITY_LOW]);
    vgpu_model_put_uint(dict, "floor-medium", scheduler->floor_percent[VGPU_PRIORITY_MEDIUM]);
    vgpu_model_put_uint(dict, "floor-high", scheduler->floor_percent[VGPU_PRIORITY_HIGH]);
    vgpu_model_put_string(dict, "placement", vgpu_placement_name(rules->placement));
    vgpu_model_put_string(dict, "admission", rules->waits ? "wait" : "refuse");
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
    vgpu_model_put_string(&dict, "name", letter);
    vgpu_model_put_string(&dict, "description", pool->description);
    vgpu_model_put_limits(&dict, "", &pool->limits.ceiling);
    vgpu_model_put_limits(&dict, "default-", &pool->limits.standard);
    vgpu_model_put_string(&dict, "over-quota", pool->limits.waits ? "wait" : "error");
    put_rules(&dict, &pool->rules);
    vgpu_model_put_uint(&dict, "used", vgpu_pool_used(pool));
    vgpu_model_put_uint(&dict, "waiting", count_waiting(sessions, pool->letter));
    vgpu_model_put(&dict, "draining", draining_members(pool));
    vgpu_model_put(&dict, "removed", g_variant_new_boolean(pool->removed));
    vgpu_model_put(&dict, "members", g_variant_builder_end(&members));
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

GVariant *vgpu_model_device_event(const char *key, const char *const *members, const char *reason,
                                  const char *kind, guint64 serial, gint64 now_us)
{
    GVariantBuilder dict, names;

    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    for (; *members != NULL; members++)
        g_variant_builder_add_value(&names,
                                    g_variant_new_take_string(g_utf8_make_valid(*members, -1)));
    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    vgpu_model_put_count(&dict, "serial", serial);
    vgpu_model_put(&dict, "time-us", g_variant_new_int64(now_us));
    vgpu_model_put_string(&dict, "kind", kind);
    vgpu_model_put_string(&dict, "uuid", NULL);
    vgpu_model_put_string(&dict, "device-key", key);
    vgpu_model_put(&dict, "members", g_variant_builder_end(&names));
    vgpu_model_put_string(&dict, "reason", reason);
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
