/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How busy each device was of late, for the placement of VMs.
 *
 * The time that VMs had on it is their workers' word, of which no VM counts with more than the time
 * that has passed: a worker that lies gains nothing that it would not gain by keeping its device
 * busy, or idle. How long a lease was held says less: who is alone keeps it, at work or not.
 */
#pragma once

#include "session.h"

typedef struct VgpuLoads VgpuLoads;

VgpuLoads *vgpu_loads_new(void);
void vgpu_loads_free(VgpuLoads *loads);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuLoads, vgpu_loads_free)

/*
 * vgpu_loads_sample:
 * Looks at all VMs and says in @pools how busy the members' devices were (VgpuMember.load). To be
 * called every few seconds; @now_ns is of a clock that does not run backwards.
 */
void vgpu_loads_sample(VgpuLoads *loads, const VgpuSessions *sessions, VgpuPools *pools,
                       guint64 now_ns);
