/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vgpu-config.h for a document that is parsed already. Private to xml/. */
#ifndef VGPU_CONFIG_READ_H
#define VGPU_CONFIG_READ_H

#include "vgpu-config.h"
#include "vgpu-document.h"

/* As vgpu_config_from_domain_xml(). */
gboolean vgpu_config_read(const VgpuDocument *document, VgpuConfig **config, GError **error);

/* The first element of our namespace in <metadata>, valid or not; NULL without one. */
xmlNode *vgpu_config_find(const VgpuDocument *document);

#endif
