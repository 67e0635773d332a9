/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the model's dictionaries are made, for its own files. */
#pragma once

#include "model.h"

void vgpu_model_put(GVariantBuilder *dict, const char *key, GVariant *value); /* floating */

/* NULL: "". What is not UTF-8 is replaced. */
void vgpu_model_put_string(GVariantBuilder *dict, const char *key, const char *text);

void vgpu_model_put_uint(GVariantBuilder *dict, const char *key, guint value);
void vgpu_model_put_count(GVariantBuilder *dict, const char *key, guint64 value);

/* Each limit under its name, behind @prefix; 0: there is none. */
void vgpu_model_put_limits(GVariantBuilder *dict, const char *prefix, const VgpuLimits *limits);
