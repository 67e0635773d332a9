/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain XML in, domain XML out: our device put in, brought up to date, or taken out.
 *
 * The text is edited, never written anew: every byte that is not ours stays as it is, and a domain
 * that is right already comes back unchanged. For any domain XML x without anything of ours,
 *     inject(inject(x)) == inject(x)   and   remove(inject(x)) == x,   byte for byte.
 * What removal must know is remembered in <metadata>: element "state" of schema/vgpu.rng. libvirt
 * may reformat the XML in between; removal then gives what libvirt would have formatted without us.
 */
#ifndef VGPU_INJECT_H
#define VGPU_INJECT_H

#include <glib.h>

#include "vgpu-xml-error.h"

/* What the host adds to the administrator's VgpuConfig, which is read from the XML itself. */
typedef struct {
    const char *emulator;    /* absolute path of the QEMU that knows vgpu-stub */
    const char *socket_path; /* absolute; shorter than sun_path of sockaddr_un, 108 bytes */
    guint32 vm_id;           /* what the guest reads as VM_ID */
} VgpuInjection;

/*
 * Returns the domain XML with our device as @wanted, NUL-terminated and owned by the caller; equal
 * to @xml when nothing is to be changed. The PCI slot is kept while it is free.
 * NULL with an error: VGPU_XML_ERROR_PARSE, _CONFIG, _NO_ELEMENT, _UNSUPPORTED (type other than kvm
 * and qemu, arch other than x86_64, machine other than q35 and i440fx, no free slot) or _ARGUMENT.
 */
char *vgpu_domain_xml_inject(const char *xml, gsize length, const VgpuInjection *wanted,
                             GError **error);

/*
 * Returns the domain XML without our device and with the emulator that it had before,
 * NUL-terminated and owned by the caller; equal to @xml when nothing of ours is there. The
 * administrator's element stays, and need not be valid. NULL with VGPU_XML_ERROR_PARSE.
 */
char *vgpu_domain_xml_remove(const char *xml, gsize length, GError **error);

#endif
