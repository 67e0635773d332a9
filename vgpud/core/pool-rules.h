/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a pool shares its devices: the keys of [pool] for the scheduler, the placement and the
 * admission of VMs. docs/man/vgpud.conf.5 describes them.
 */
#pragma once

#include <glib.h>

#include "keyfile.h"
#include "placement.h"
#include "scheduler.h"

typedef struct {
    VgpuSchedulerSettings scheduler; /* recall_ns 0: until vgpu_pool_rules_finish() */
    VgpuPlacementPolicy placement;
    gboolean waits; /* admission=wait: a VM that does not fit starts, and waits for a place */
} VgpuPoolRules;

/* Adds the keys that vgpu_pool_rules_read() knows, for vgpu_key_file_check(). */
void vgpu_pool_rules_add_keys(GStrvBuilder *keys);

/*
 * vgpu_pool_rules_read:
 * Sets all of @rules from the keys of @group, or to the defaults. FALSE with @error set, which
 * names the file and the key.
 */
gboolean vgpu_pool_rules_read(const VgpuKeyFile *file, const char *group, VgpuPoolRules *rules,
                              GError **error);

/*
 * vgpu_pool_rules_finish:
 * Gives recall-ms its default, a second more than a request may take. A request that is in time
 * must not be fenced: FALSE with @error set, an invalid key of @file, if recall-ms is not longer.
 */
gboolean vgpu_pool_rules_finish(VgpuPoolRules *rules, guint request_timeout_ms, const char *file,
                                GError **error);

/* The key by which the two want a device to be shared in different ways; NULL: they do not. */
const char *vgpu_pool_rules_conflict(const VgpuPoolRules *a, const VgpuPoolRules *b);
