/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands for the QEMU of a running domain, past libvirt, by its passthrough. */
#pragma once

#include <json-glib/json-glib.h>

#include "host-libvirt.h"

#define VGPU_HOST_QMP_ERROR (vgpu_host_qmp_error_quark())
GQuark vgpu_host_qmp_error_quark(void);
typedef enum {
    VGPU_HOST_QMP_ERROR_LIBVIRT,   /* it did not reach QEMU, or the answer did not reach us */
    VGPU_HOST_QMP_ERROR_NO_DEVICE, /* QEMU's class DeviceNotFound: no such device, no such path */
    VGPU_HOST_QMP_ERROR_REFUSED,   /* any other error of QEMU */
} VgpuHostQmpError;

/*
 * Executes @command with @arguments, which it takes over; NULL: none. Returns the answer's
 * "return", owned by the caller, or NULL with @error set. Waits as long as QEMU's monitor takes:
 * for ever, when it is stuck.
 */
JsonNode *vgpu_host_qmp(virDomainPtr domain, const char *command, JsonObject *arguments,
                        GError **error);
