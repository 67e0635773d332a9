/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be wrong with a domain XML, and the names that belong to it. Every message is one line
 * of UTF-8 that begins with "line N: " where a place in the XML is to blame.
 */
#ifndef VGPU_XML_ERROR_H
#define VGPU_XML_ERROR_H

#include <glib.h>

/* The administrator's element and our own memory, both children of the domain's <metadata>. */
#define VGPU_XML_NAMESPACE       "https://vgpud.org/xmlns/domain/1.0"
#define VGPU_XML_STATE_NAMESPACE "https://vgpud.org/xmlns/state/1.0"

/*
 * Bytes of a domain XML. libvirt's own limit on a string in its RPC is 4 MiB; libxml2 takes
 * 10 000 000 bytes of memory without XML_PARSE_HUGE, which would also lift its other limits.
 */
#define VGPU_XML_MAX_SIZE ((gsize)8 << 20)

#define VGPU_XML_ERROR (vgpu_xml_error_quark())

enum vgpu_xml_error {
    VGPU_XML_ERROR_PARSE,       /* not well-formed, not UTF-8, too large, a DOCTYPE, no <domain> */
    VGPU_XML_ERROR_CONFIG,      /* our element is there and says something that is not allowed */
    VGPU_XML_ERROR_NO_ELEMENT,  /* our element is needed and not there */
    VGPU_XML_ERROR_UNSUPPORTED, /* this kind of domain cannot have the device (machine, arch, ...)
                                 */
    VGPU_XML_ERROR_ARGUMENT,    /* the caller's paths cannot be put into a domain XML */
};

GQuark vgpu_xml_error_quark(void);

#endif
