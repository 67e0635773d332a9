/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The accounts in the text format of Prometheus (version 0.0.4). docs/man/vgpuctl.1 lists the
 * metrics.
 *
 * Pool and priority are labels of vgpud_vm_info only: a VM that moves goes on counting in the same
 * series.
 */
#pragma once

#include "model.h"

/* All metrics, owned by the caller; @now_ns is CLOCK_MONOTONIC. Brings the accounts up to date. */
char *vgpu_metrics_text(const VgpuModel *model, guint64 now_ns);
