/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What we read of a domain XML: who it is, what its administrator wants, what of ours it has. */
#ifndef VGPU_DOMAIN_H
#define VGPU_DOMAIN_H

#include <glib.h>

#include "vgpu-config.h"

/*
 * Our arguments as they stand in a domain XML, right or stale (a clone carries its origin's). What
 * cannot be read there is NULL or 0; only vgpu_domain_xml_inject() decides whether all is right.
 */
typedef struct {
    char *emulator;          /* text of <emulator>; NULL without one */
    char *original_emulator; /* what stood there before us; NULL: nothing, or not known */
    char *socket_path;       /* of the chardev vgpuchr0 */
    char pool;
    enum vgpu_priority priority;
    guint32 vm_id;
} VgpuDevice;

typedef struct {
    char *uuid; /* lower case with dashes, safe as a file name; NULL when the XML has none */
    char *name; /* NULL when the XML has none */
    VgpuConfig *config;   /* NULL: no element of our namespace, or a wrong one */
    GError *config_error; /* VGPU_XML_ERROR_CONFIG: what is wrong with it; else NULL */
    VgpuDevice *device;   /* NULL: none of our arguments */
} VgpuDomain;

void vgpu_domain_free(VgpuDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuDomain, vgpu_domain_free)

/*
 * Reads the domain XML at @xml, @length bytes, into a new *domain.
 * Returns FALSE with VGPU_XML_ERROR_PARSE. A wrong element is no failure: a VM that runs with our
 * device is still one when somebody spoils its metadata.
 */
gboolean vgpu_domain_parse(const char *xml, gsize length, VgpuDomain **domain, GError **error);

/*
 * Says whether the text at @xml, @length bytes, names one of our namespaces. For XML that cannot be
 * parsed: FALSE means that it is none of our business.
 */
gboolean vgpu_domain_xml_mentions_us(const char *xml, gsize length);

/* Where the device of the domain @uuid connects: RUN_DIR/vm/UUID.sock. Owned by the caller. */
char *vgpu_domain_socket_path(const char *run_dir, const char *uuid);

#endif
