/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpud's answers as text for people. The keys are those of data/org.vgpud1.xml; one that is
 * missing, as from another version of vgpud, shows as "-" or 0.
 */
#pragma once

#include <glib.h>

/* @now_us is g_get_real_time(). All append to @out. */
void vgpuctl_show_status(GVariant *status, GString *out);
void vgpuctl_show_pools(GVariant *pools, GString *out);
void vgpuctl_show_vms(GVariant *vms, gint64 now_us, GString *out);
void vgpuctl_show_vm(GVariant *vm, gint64 now_us, GString *out);

/* Who is busy: @vms as vgpuctl_rates_add() returns them. */
void vgpuctl_show_top(GVariant *vms, GString *out);

/* Of a VM or an event: "until 2026-03-01 12:00:00: more than...", safe; NULL: it is not kept out.
 */
char *vgpuctl_quarantine_text(GVariant *vm);
