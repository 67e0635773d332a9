/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker thread: the only one that calls libvirt. */
#pragma once

#include "host-shared.h"

/* Starts it; it ends after vgpu_host_work_quit(), with vgpu_host_work_finish(). */
GThread *vgpu_host_thread_start(VgpuHostShared *shared);
