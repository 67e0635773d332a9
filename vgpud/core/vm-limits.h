/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VM may use: what its domain asks for, what its pool gives to those who ask for nothing,
 * and what its pool allows at most.
 *
 * Pure data. The names of the limits are those of vgpu-limits.h, in a pool's file for the ceiling
 * and with "default-" before them for the default. Who enforces what:
 *
 *     requests-per-second, burst, memory-mib, outstanding, handles, shared-memory-mib
 *                             the VM's worker, before any work; the numbers stand on its page
 *     device-time-percent     vgpud's scheduler, by vgpud's clock
 *     weight                  vgpud's scheduler, policy fair
 */
#pragma once

#include <glib.h>

#include "keyfile.h"
#include "limiter.h"
#include "vgpu-limits.h"

/* By enum vgpu_limit; 0: not given, or no limit. */
typedef struct {
    guint32 value[VGPU_LIMIT_COUNT];
} VgpuLimits;

/* A pool's. */
typedef struct {
    VgpuLimits ceiling;
    VgpuLimits standard; /* default-NAME: for a VM that asks for nothing */
    gboolean waits;      /* over-quota: what comes too fast waits; FALSE: it is an error */
} VgpuLimitRules;

gboolean vgpu_limits_equal(const VgpuLimits *a, const VgpuLimits *b);

/* The two numbers of the rate. */
VgpuRate vgpu_limits_rate(const VgpuLimits *limits);

/*
 * vgpu_limits_within:
 * What holds for a VM that asks for @wish in a pool with @rules: of each limit the wish, else the
 * pool's default, else the ceiling; never more than the ceiling. A burst is at least 1. NULL rules:
 * the wish.
 */
VgpuLimits vgpu_limits_within(const VgpuLimits *wish, const VgpuLimitRules *rules);

/* A line for the log: "memory-mib 512, weight 200"; "none". Owned by the caller. */
char *vgpu_limits_format(const VgpuLimits *limits);

/* The limit of that name. Returns FALSE when there is none. */
gboolean vgpu_limits_by_name(const char *name, enum vgpu_limit *limit);

/* Adds the keys that vgpu_limit_rules_read() knows, for vgpu_key_file_check(). */
void vgpu_limit_rules_add_keys(GStrvBuilder *keys);

/*
 * vgpu_limit_rules_read:
 * Reads the keys of @group into @rules, which the caller has zeroed. FALSE with @error set, which
 * names the file and the key: a number out of range, a default above its ceiling, another word than
 * "wait" or "error".
 */
gboolean vgpu_limit_rules_read(const VgpuKeyFile *file, const char *group, VgpuLimitRules *rules,
                               GError **error);
