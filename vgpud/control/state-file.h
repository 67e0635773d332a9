/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must outlive vgpud itself and cannot be read back from libvirt: who is quarantined, so that
 * killing vgpud lets nobody out, and which members of pools are draining. A JSON file in the run
 * directory, which goes with a reboot of the host:
 *
 *   {"version": 1, "quarantined": {"UUID": 123456789}, "draining": ["A/left"],
 *    "offenders": {"UUID": {"level": 2, "forget": 345678901, "reason": "..."}},
 *    "drain-reasons": {"A/left": "..."}}
 *
 * A time is CLOCK_MONOTONIC, microseconds. Everything else is found anew: a lost or broken file
 * costs nobody's service.
 */
#pragma once

#include <glib.h>

#include "quarantine.h"

typedef struct VgpuStateFile VgpuStateFile;

/*
 * vgpu_state_file_open:
 * Reads @run_dir/state.json. One that cannot be understood is renamed to state.json.corrupt, with a
 * warning, and what it said is forgotten.
 */
VgpuStateFile *vgpu_state_file_open(const char *run_dir);

/* Puts what is known of the VM, also if it is over, into @quarantine, which is a zeroed one. */
void vgpu_state_file_get_quarantine(const VgpuStateFile *file, const char *uuid,
                                    VgpuQuarantine *quarantine);

/*
 * vgpu_state_file_set_quarantine:
 * Notes it, and writes the file if that changes anything, without what matters no more at @now_us
 * (g_get_monotonic_time()). A file that cannot be written (a full disk) is a warning: what it was
 * to say holds until vgpud ends.
 */
void vgpu_state_file_set_quarantine(VgpuStateFile *file, const char *uuid,
                                    const VgpuQuarantine *quarantine, gint64 now_us);

/* Whether the member "POOL/NAME" is draining; then also VgpuMember's reason, owned by the caller.
 */
gboolean vgpu_state_file_draining(const VgpuStateFile *file, const char *member, char **reason);

/* Notes whether it is, and writes the file if that changes anything. */
void vgpu_state_file_set_draining(VgpuStateFile *file, const char *member, gboolean draining,
                                  const char *reason);

void vgpu_state_file_free(VgpuStateFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuStateFile, vgpu_state_file_free)
