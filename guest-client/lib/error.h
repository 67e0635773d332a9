/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vgpu_last_error() tells. */
#ifndef ERROR_H
#define ERROR_H

#include <stdint.h>

#include "vgpu.h"

/* Keeps the text for this thread's vgpu_last_error(). Returns @code, so that a caller can fail in
 * one line. */
__attribute__((cold, format(printf, 2, 3))) int vgpu_fail(int code, const char *format, ...);

/* The VGPU_E_* for an errno (positive). */
int vgpu_code_of_errno(int error);

/* "write into a buffer" for an enum vgpu_command_opcode; static. */
const char *vgpu_command_text(uint32_t opcode);

#endif
