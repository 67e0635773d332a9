/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the administrator wrote: the <vgpu:vgpu> element in a domain's <metadata>. */
#ifndef VGPU_CONFIG_H
#define VGPU_CONFIG_H

#include <glib.h>

#include "vgpu-limits.h"
#include "vgpu-registers.h"
#include "vgpu-xml-error.h"

typedef struct {
    char pool;                        /* 'A'..'Z' */
    enum vgpu_priority priority;      /* VGPU_PRIORITY_MEDIUM when the element names none */
    guint32 limits[VGPU_LIMIT_COUNT]; /* <limits>, within those of the pool; 0: not given */
} VgpuConfig;

void vgpu_config_free(VgpuConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuConfig, vgpu_config_free)

VgpuConfig *vgpu_config_copy(const VgpuConfig *config);

/*
 * The element for virDomainSetMetadata(), which adds the namespace: <vgpu pool="A"
 * priority="high"/>. Owned by the caller.
 */
char *vgpu_config_format(const VgpuConfig *config);

/*
 * Reads the element from the domain XML at @xml, @length bytes.
 * Returns TRUE and a new *config; TRUE and NULL when the domain has no element of our namespace;
 * FALSE with VGPU_XML_ERROR_PARSE or VGPU_XML_ERROR_CONFIG.
 */
gboolean vgpu_config_from_domain_xml(const char *xml, gsize length, VgpuConfig **config,
                                     GError **error);

/* TRUE for equal settings; either may be NULL (no element). */
gboolean vgpu_config_equal(const VgpuConfig *a, const VgpuConfig *b);

/* Reads "low", "medium" or "high". Returns FALSE for any other word; *priority is then unchanged.
 */
gboolean vgpu_config_parse_priority(const char *word, enum vgpu_priority *priority);

#endif
