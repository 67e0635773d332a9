/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for the protocol's numbers, for logs, tools and test output. */
#ifndef VGPU_NAMES_H
#define VGPU_NAMES_H

#include <stdint.h>

/* One word for an error code, opcode, status or priority; "unknown" for any other number. */
const char *vgpu_error_name(uint32_t error);
const char *vgpu_opcode_name(uint32_t opcode);
const char *vgpu_status_name(uint32_t status);
const char *vgpu_priority_name(uint32_t priority);

#endif
