/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The circuit breaker of devices: when a device has failed for several VMs, it is the device.
 *
 * A VM counts once, however often its worker dies: a VM that crashes alone is that VM's affair
 * (faults.h). And those for whom the device works have a vote, too: it is only given up when it has
 * failed for more VMs than it has served well meanwhile. So a tenant with several VMs cannot take a
 * device from the others unless most of those that use it are the tenant's.
 *
 * Pure: the clocks are the caller's. That a VM is served well is read from its page, which its
 * worker writes: one that lies can speak for a device, never against it.
 */
#pragma once

#include "session.h"

typedef struct VgpuBreaker VgpuBreaker;

typedef struct {
    guint vms; /* for so many at least; 0: never */
    gint64 window_us;
} VgpuBreakerRule;

VgpuBreaker *vgpu_breaker_new(void);
void vgpu_breaker_free(VgpuBreaker *breaker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuBreaker, vgpu_breaker_free)

/*
 * vgpu_breaker_blame:
 * The device of @key has failed for @session's VM at @now_us (g_get_monotonic_time()), which is
 * @wall_us (g_get_real_time()). Returns why the device is to be given up, one line for people,
 * owned by the caller, and begins anew; NULL: it is not.
 */
char *vgpu_breaker_blame(VgpuBreaker *breaker, const VgpuSessions *sessions,
                         const VgpuSession *session, const char *key, const VgpuBreakerRule *rule,
                         gint64 now_us, gint64 wall_us);
