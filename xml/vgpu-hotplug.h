/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether, and where, the device can come into a domain that runs without it. */
#ifndef VGPU_HOTPLUG_H
#define VGPU_HOTPLUG_H

#include <glib.h>

#include "vgpu-xml-error.h"

/* By these ids QEMU knows what is ours. */
#define VGPU_ID_CHARDEV "vgpuchr0"
#define VGPU_ID_PORT    "vgpurp0"
#define VGPU_ID_DEVICE  "vgpu0"

typedef struct {
    char bus[16];     /* QEMU's name of the bus */
    char addr[8];     /* on it */
    gboolean is_last; /* no other port or slot is left for what else may come while it runs */
} VgpuHotplugPlace;

/*
 * Finds a place in the running domain whose XML is at @xml, @length bytes, with addresses, as
 * libvirt gives it. @emulator is the QEMU that knows vgpu-stub.
 *
 * On q35 nothing can be plugged into the root bus, so the device cannot bring a port of its own. It
 * takes our own when the domain was started with one, else the free pcie-root-port with the highest
 * index: libvirt, which does not know of it, fills its ports from the lowest.
 *
 * FALSE with VGPU_XML_ERROR_PARSE, or VGPU_XML_ERROR_UNSUPPORTED when it would not be safe: another
 * emulator, no ACPI (a q35 guest then loses its other PCI devices, an i440fx guest does not
 * notice), no free port or slot.
 */
gboolean vgpu_domain_xml_hotplug_place(const char *xml, gsize length, const char *emulator,
                                       VgpuHotplugPlace *place, GError **error);

#endif
