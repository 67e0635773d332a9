/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of vgpu_sandbox_enter(); for the sandbox's own files. */
#pragma once

#include "sandbox.h"

/* TRUE for a @result that is not negative; else sets @error from errno to "sandbox: WHAT: ...". */
gboolean vgpu_sandbox_step(int result, const char *what, GError **error);

/* sandbox-mounts.c: namespaces, and what of the file system is seen and writable. */
gboolean vgpu_sandbox_enter_namespaces(const char *cache_dir, GError **error);

/* sandbox-filter.c: the system call filter. */
gboolean vgpu_sandbox_load_filter(GError **error);
