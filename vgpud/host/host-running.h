/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running domain's device: there since its start, hot-plugged, wanted, or to be taken out.
 * libvirt does not know of a hot-plugged one, so what QEMU says about it is kept here, for this
 * run.
 */
#pragma once

#include "host-look.h"

/* For VgpuHostLook: UUID -> what is known of the device in a running domain. */
GHashTable *vgpu_host_running_table_new(void);

/* Looks at the running @domain. @may_number as in vgpu_reconciler_plan(). */
void vgpu_host_running_look(VgpuHostLook *self, virDomainPtr domain, const char *uuid,
                            gboolean may_number);

/* It does not run, or does not exist. */
void vgpu_host_running_gone(VgpuHostLook *self, const char *uuid);

/* Takes in what became of hot-plugs since the last call. */
void vgpu_host_running_take_results(VgpuHostLook *self);
