/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The -device and -chardev arguments of a domain's <qemu:commandline>, ours and foreign ones.
 * Private to xml/.
 */
#ifndef VGPU_ARGUMENTS_H
#define VGPU_ARGUMENTS_H

#include "vgpu-config.h"
#include "vgpu-edit.h"
#include "vgpu-hotplug.h"
#include "vgpu-inject.h"
#include "vgpu-place.h"

/* Source: libvirt, src/qemu/qemu_conf.h (QEMU_NAMESPACE_HREF) and formatdomain documentation. */
#define VGPU_QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* One option with its value, two neighbouring <qemu:arg>; value is NULL when it is missing. */
typedef struct {
    xmlNode *option, *value;
    char *option_text, *value_text;
    gboolean is_device;     /* else a character device */
    GHashTable *properties; /* char * to char *; empty when the value cannot be read */
} VgpuArgument;

/*
 * Reads both notations, key=value and JSON. Returns an array of VgpuArgument, never NULL. JSON
 * numbers become decimal strings; "addr" becomes "SLOT.FUNCTION" in hexadecimal from any notation
 * that is not a string.
 */
GPtrArray *vgpu_arguments_read(const VgpuDocument *document);

/* NULL without that property. Borrowed. */
const char *vgpu_argument_get(const VgpuArgument *argument, const char *key);

gboolean vgpu_argument_is_ours(const VgpuArgument *argument);

/* The one of ours with this id; NULL without one. Borrowed. */
const VgpuArgument *vgpu_arguments_find(const GPtrArray *arguments, const char *id);

/* Deletes ours. */
void vgpu_arguments_delete_ours(const VgpuDocument *document, const GPtrArray *arguments,
                                VgpuEdit *edit);

/*
 * The arguments as they must be, options and values in turn, NULL-terminated. Free with
 * g_strfreev().
 */
char **vgpu_arguments_wanted(const VgpuInjection *wanted, const VgpuConfig *config,
                             const VgpuPlace *place);

#endif
