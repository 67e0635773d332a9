/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The domain's <emulator>: switched to ours, and back. Private to xml/. */
#ifndef VGPU_EMULATOR_H
#define VGPU_EMULATOR_H

#include "vgpu-document.h"
#include "vgpu-edit.h"
#include "vgpu-state.h"

/* The first <emulator> in any <devices>, the one that libvirt reads; NULL without one. */
xmlNode *vgpu_emulator_find(const VgpuDocument *document);

/*
 * Makes @emulator the domain's, and notes in @state what stood there before: from @old_state while
 * what we put in is still there. @has_arguments: our arguments are in the domain already, so that
 * an emulator like ours without a note of it is no original.
 */
void vgpu_emulator_install(const VgpuDocument *document, const char *emulator,
                           gboolean has_arguments, const VgpuState *old_state, VgpuState *state,
                           VgpuEdit *edit);

/* Puts back what @state remembers, unless somebody has chosen another emulator since. */
void vgpu_emulator_restore(const VgpuDocument *document, const VgpuState *state, VgpuEdit *edit);

#endif
