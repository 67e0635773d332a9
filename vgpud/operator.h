/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operators ask for over D-Bus (control/actions.h), done by the host and xml rooms. */
#pragma once

#include "actions.h"
#include "host.h"
#include "session.h"
#include "settings.h"

/* Borrowed; must stay valid while actions come. */
typedef struct {
    VgpuHost *host;
    const VgpuSessions *sessions;
    const VgpuSettings *settings;
} VgpuOperator;

/* The actions, done with what @self names. */
VgpuActions vgpu_operator_actions(VgpuOperator *self);
