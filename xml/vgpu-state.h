/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our memory in a domain's <metadata>: what stood there before us. Private to xml/.
 *
 *   <vgpustate:state xmlns:vgpustate="https://vgpud.org/xmlns/state/1.0"
 *                    installed="OURS" emulator="ORIGINAL" element="TEXT" added="WORD ..."/>
 */
#ifndef VGPU_STATE_H
#define VGPU_STATE_H

#include "vgpu-document.h"

typedef struct {
    char *installed;            /* the emulator that we put in; while another one stands there,
                                   somebody else chose it, and it stays */
    char *emulator;             /* the one before; NULL: there was none, or it is not known */
    char *element;              /* its <emulator> byte by byte, when written in an unusual way */
    gboolean added_devices;     /* <devices> itself is ours */
    gboolean added_commandline; /* <qemu:commandline> itself is ours */
    gboolean added_namespace; /* <domain> did not declare xmlns:qemu: libvirt has since added it */
} VgpuState;

void vgpu_state_free(VgpuState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuState, vgpu_state_free)

/* The first element in our state namespace in <metadata>; NULL without one. */
xmlNode *vgpu_state_find(const VgpuDocument *document);

/* The next one after @element: libvirt keeps one, but a file may hold several. */
xmlNode *vgpu_state_find_next(const xmlNode *element);

/* Reads @element; NULL gives an empty state. Never fails: what is missing is NULL or FALSE. */
VgpuState *vgpu_state_read(const xmlNode *element);

gboolean vgpu_state_equal(const VgpuState *a, const VgpuState *b);

/* The element as text. Owned by the caller. */
char *vgpu_state_format(const VgpuState *state);

#endif
