/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must outlive vgpud itself and cannot be read back from libvirt: who is quarantined, so that
 * killing vgpud lets nobody out, and which members of pools are draining. A JSON file in the run
 * directory, which goes with a reboot of the host:
 *
 *   {"version": 1, "quarantined": {"UUID": 123456789}, "draining": ["A/left"]}
 *
 * A time is CLOCK_MONOTONIC, microseconds. Everything else is found anew: a lost or broken file
 * costs nobody's service.
 */
#pragma once

#include <glib.h>

typedef struct VgpuStateFile VgpuStateFile;

/*
 * vgpu_state_file_open:
 * Reads @run_dir/state.json. One that cannot be understood is renamed to state.json.corrupt, with a
 * warning, and what it said is forgotten.
 */
VgpuStateFile *vgpu_state_file_open(const char *run_dir);

/* Until when the VM is quarantined; 0 when it is not, or no longer at @now_us. */
gint64 vgpu_state_file_quarantined(const VgpuStateFile *file, const char *uuid, gint64 now_us);

/*
 * vgpu_state_file_set_quarantined:
 * Notes it, 0 for no longer, and writes the file if that changes anything. A file that cannot be
 * written (a full disk) is a warning: what it was to say holds until vgpud ends.
 */
void vgpu_state_file_set_quarantined(VgpuStateFile *file, const char *uuid, gint64 until_us);

/* Whether the member "POOL/NAME" is draining. */
gboolean vgpu_state_file_draining(const VgpuStateFile *file, const char *member);

/* Notes whether it is, and writes the file if that changes anything. */
void vgpu_state_file_set_draining(VgpuStateFile *file, const char *member, gboolean draining);

void vgpu_state_file_free(VgpuStateFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuStateFile, vgpu_state_file_free)
