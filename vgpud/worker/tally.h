/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts what goes wrong, so that no guest can flood the log. */
#pragma once

#include <glib.h>

#include "vgpu-registers.h"

/* How often each error was answered; zero-initialised by its owner. */
typedef struct {
    guint64 counts[VGPU_ERROR_COUNT];
} VgpuTally;

/*
 * vgpu_tally_add:
 * Counts one answer with @error, and logs it when it is the 1st, 10th, 100th... of its kind: what a
 * guest can cause at will must not fill a disk. @request_id is the guest's; @detail says more, or
 * is NULL.
 */
void vgpu_tally_add(VgpuTally *tally, enum vgpu_error error, guint32 request_id,
                    const char *detail);
