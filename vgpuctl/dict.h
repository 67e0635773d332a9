/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of vgpud's dictionaries; "" or 0 for a key that is missing or of another type. */
#pragma once

#include <glib.h>

const char *vgpuctl_dict_string(GVariant *dict, const char *key); /* borrowed from @dict */
guint vgpuctl_dict_uint(GVariant *dict, const char *key);
guint64 vgpuctl_dict_count(GVariant *dict, const char *key);
gint64 vgpuctl_dict_time(GVariant *dict, const char *key);

/* All errors of a VM together. */
guint64 vgpuctl_dict_errors(GVariant *vm);
