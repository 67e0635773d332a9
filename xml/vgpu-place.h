/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domains can have the device, and where on their PCI bus it goes. Private to xml/. */
#ifndef VGPU_PLACE_H
#define VGPU_PLACE_H

#include "vgpu-document.h"

typedef struct {
    gboolean is_q35; /* else i440fx */
    guint slot;      /* on the root bus: of our root port (q35), of the device itself (i440fx) */
    guint chassis;   /* of our root port; q35 only */
} VgpuPlace;

/*
 * Chooses a place that no <address> of the domain and no foreign argument has; the one where the
 * device is already, if that is free. @arguments: from vgpu_arguments_read().
 * FALSE with VGPU_XML_ERROR_UNSUPPORTED.
 */
gboolean vgpu_place_choose(const VgpuDocument *document, const GPtrArray *arguments,
                           VgpuPlace *place, GError **error);

#endif
