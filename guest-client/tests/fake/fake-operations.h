/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the stand-in's worker does with a command. No limits, few checks: the real ones are vgpud's.
 */
#ifndef FAKE_OPERATIONS_H
#define FAKE_OPERATIONS_H

#include "vgpu-queue.h"

struct fake_operations;

/* Nothing exists yet. @arena, of @size bytes, is the slot's. Free with fake_operations_free(). */
struct fake_operations *fake_operations_new(uint8_t *arena, uint64_t size);
void fake_operations_free(struct fake_operations *operations);

/* Carries out a command. Returns an enum vgpu_result; @result is what a completion tells. */
uint32_t fake_operations_do(struct fake_operations *operations, const struct vgpu_command *command,
                            uint64_t *result);

#endif
