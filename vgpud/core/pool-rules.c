/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-rules.h"
#include "pool.h"

#define NS_PER_US G_GUINT64_CONSTANT(1000)
#define NS_PER_MS G_GUINT64_CONSTANT(1000000)

/* The scheduler's own bounds, scheduler.h. */
#define MAX_WINDOW    1024u
#define MAX_SLICE_US  10000000u
#define MAX_RECALL_MS 3600000u
#define MAX_FLOOR     90u

/* A worker answers a request that is too long itself; this is for one that does not. */
#define RECALL_GRACE_MS 1000u

static const char *const floor_keys[VGPU_PRIORITY_COUNT] = {
    [VGPU_PRIORITY_LOW] = "floor-low",
    [VGPU_PRIORITY_MEDIUM] = "floor-medium",
    [VGPU_PRIORITY_HIGH] = "floor-high",
};

void vgpu_pool_rules_add_keys(GStrvBuilder *keys)
{
    g_strv_builder_add_many(keys, "policy", "window", "slice-us", "recall-ms", "placement",
                            "admission", NULL);
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++)
        g_strv_builder_add(keys, floor_keys[i]);
}

static gboolean read_words(const VgpuKeyFile *file, const char *group, VgpuPoolRules *rules,
                           GError **error)
{
    g_autofree char *policy = NULL, *placement = NULL, *admission = NULL;

    if (!vgpu_key_file_string(file, group, "policy", &policy, error) ||
        !vgpu_key_file_string(file, group, "placement", &placement, error) ||
        !vgpu_key_file_string(file, group, "admission", &admission, error))
        return FALSE;
    if (policy != NULL && !vgpu_scheduler_policy_by_name(policy, &rules->scheduler.policy))
        return vgpu_key_file_fail(file, error, group, "policy", "'%s' is neither fifo nor fair",
                                  policy);
    if (placement != NULL && !vgpu_placement_by_name(placement, &rules->placement))
        return vgpu_key_file_fail(file, error, group, "placement",
                                  "'%s' is none of least-loaded, spread and pack", placement);
    rules->waits = g_strcmp0(admission, "wait") == 0;
    if (admission != NULL && !rules->waits && !g_str_equal(admission, "refuse"))
        return vgpu_key_file_fail(file, error, group, "admission",
                                  "'%s' is neither refuse nor wait", admission);
    return TRUE;
}

gboolean vgpu_pool_rules_read(const VgpuKeyFile *file, const char *group, VgpuPoolRules *rules,
                              GError **error)
{
    VgpuSchedulerSettings *scheduler = &rules->scheduler;
    guint slice_us, recall_ms = 0;

    *rules = (VgpuPoolRules){.scheduler = VGPU_SCHEDULER_DEFAULTS,
                             .placement = VGPU_PLACEMENT_LEAST_LOADED};
    slice_us = (guint)(scheduler->slice_ns / NS_PER_US);
    if (!read_words(file, group, rules, error) ||
        !vgpu_key_file_number(file, group, "window", 1, MAX_WINDOW, &scheduler->window, error) ||
        !vgpu_key_file_number(file, group, "slice-us", 1, MAX_SLICE_US, &slice_us, error) ||
        !vgpu_key_file_number(file, group, "recall-ms", 0, MAX_RECALL_MS, &recall_ms, error))
        return FALSE;
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++)
        if (!vgpu_key_file_number(file, group, floor_keys[i], 0, MAX_FLOOR,
                                  &scheduler->floor_percent[i], error))
            return FALSE;
    scheduler->slice_ns = slice_us * NS_PER_US;
    const char *wrong = vgpu_scheduler_settings_check(scheduler);
    if (wrong != NULL)
        return vgpu_key_file_fail(file, error, group, "floor-low, floor-medium, floor-high", "%s",
                                  wrong);
    scheduler->recall_ns = recall_ms * NS_PER_MS;
    return TRUE;
}

gboolean vgpu_pool_rules_finish(VgpuPoolRules *rules, guint request_timeout_ms, const char *file,
                                GError **error)
{
    VgpuSchedulerSettings *scheduler = &rules->scheduler;

    if (scheduler->recall_ns == 0)
        scheduler->recall_ns = (request_timeout_ms + RECALL_GRACE_MS) * NS_PER_MS;
    if (scheduler->recall_ns > request_timeout_ms * NS_PER_MS)
        return TRUE;
    g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_INVALID,
                "%s: [pool] recall-ms: %" G_GUINT64_FORMAT
                " is not longer than request-timeout-ms, which is %u: who computes as long as it "
                "may would be fenced",
                file, scheduler->recall_ns / NS_PER_MS, request_timeout_ms);
    return FALSE;
}

const char *vgpu_pool_rules_conflict(const VgpuPoolRules *a, const VgpuPoolRules *b)
{
    const VgpuSchedulerSettings *left = &a->scheduler, *right = &b->scheduler;

    if (left->policy != right->policy)
        return "policy";
    if (left->window != right->window)
        return "window";
    if (left->slice_ns != right->slice_ns)
        return "slice-us";
    if (left->recall_ns != right->recall_ns)
        return "recall-ms";
    for (guint i = 0; i < VGPU_PRIORITY_COUNT; i++)
        if (left->floor_percent[i] != right->floor_percent[i])
            return floor_keys[i];
    return NULL;
}
