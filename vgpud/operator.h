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

    /* As those of VgpuActions, with @daemon for user data. */
    gboolean (*reload)(GError **error, gpointer daemon);
    gboolean (*drain)(const char *member, gboolean drain, GError **error, gpointer daemon);
    gboolean (*move)(VgpuSession *session, const char *member, gboolean force, GError **error,
                     gpointer daemon);
    gboolean (*quarantine)(VgpuSession *session, guint seconds, GError **error, gpointer daemon);
    gboolean (*release)(VgpuSession *session, GError **error, gpointer daemon);
    gpointer daemon;
} VgpuOperator;

/* The actions, done with what @self names. */
VgpuActions vgpu_operator_actions(VgpuOperator *self);
