/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast counters run, from two looks at them. */
#pragma once

#include <glib.h>

typedef struct VgpuctlRates VgpuctlRates;

VgpuctlRates *vgpuctl_rates_new(void);
void vgpuctl_rates_free(VgpuctlRates *rates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuctlRates, vgpuctl_rates_free)

/*
 * vgpuctl_rates_add:
 * @vms is aa{sv} of ListVms at @now_us, a clock that does not run backwards. Returns the same
 * dictionaries, the busiest first; each VM that was there at the last call, too, has in addition
 * requests-per-s d, errors-per-s d, bytes-in-per-s d, bytes-out-per-s d, busy d (device time per
 * time: 1 is one device all the time) and interval-service-ns t (mean of the requests since then).
 */
GVariant *vgpuctl_rates_add(VgpuctlRates *rates, GVariant *vms, gint64 now_us);
