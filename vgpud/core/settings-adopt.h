/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other settings while vgpud runs. */
#pragma once

#include "settings.h"

/*
 * vgpu_settings_adopt:
 * Takes over of @next what can change while VMs run: the pools (vgpu_pools_merge()), and of
 * vgpud.conf what is looked at anew for each VM or worker. Returns the keys of the others that
 * differ, for a person, owned by the caller; NULL: there are none. @next has no pools any more.
 */
char *vgpu_settings_adopt(VgpuSettings *settings, VgpuSettings *next);
