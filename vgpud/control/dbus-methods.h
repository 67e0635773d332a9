/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods of org.vgpud1.Manager: data/org.vgpud1.xml says what each does. */
#pragma once

#include "actions.h"
#include "events.h"
#include "model.h"
#include "vgpud-dbus.h"

typedef struct VgpuDBusMethods VgpuDBusMethods;

/* Answers the calls that come to @manager. All are borrowed. */
VgpuDBusMethods *vgpu_dbus_methods_new(VgpuDBusManager *manager, const VgpuModel *model,
                                       const VgpuActions *actions, const VgpuEvents *events);

/* An action that is under way is still answered when it is done. */
void vgpu_dbus_methods_free(VgpuDBusMethods *methods);
