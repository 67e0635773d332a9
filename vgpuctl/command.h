/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all commands share: what they are given, and where their output goes. */
#pragma once

#include <gio/gio.h>

#include "client.h"
#include "vgpu-limits.h"

/* Those of the command line; NULL, FALSE or 0: not given. */
typedef struct {
    char *bus;
    gboolean json;
    gboolean names;
    char *pool;
    char *limits[VGPU_LIMIT_COUNT]; /* by enum vgpu_limit */
    char *output;                   /* a file */
    char *priority;
    gboolean all;
    gboolean follow;
    gboolean force;
    gdouble interval; /* seconds */
    gint count;
    char *seconds;
} VgpuctlOptions;

typedef struct {
    GDBusConnection *connection;
    const char *argument; /* of the command; NULL: none was given */
    const char *second;   /* the argument behind it; NULL: none was given */
    const VgpuctlOptions *options;
    GString *out; /* written when the command has returned TRUE */
} VgpuctlContext;

/* Each carries one command out. FALSE with @error, of VGPUCTL_ERROR, set. */
typedef gboolean (*VgpuctlRun)(VgpuctlContext *context, GError **error);

gboolean vgpuctl_run_status(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_list(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_show(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_pools(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_version(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_top(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_events(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_metrics(VgpuctlContext *context, GError **error);
/* TRUE when something of the element was given: pool, priority or a limit. */
gboolean vgpuctl_options_have_wish(const VgpuctlOptions *options);

gboolean vgpuctl_run_attach(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_detach(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_set(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_reload(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_drain(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_undrain(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_move(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_quarantine(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_release(VgpuctlContext *context, GError **error);
gboolean vgpuctl_run_inject(VgpuctlContext *context, GError **error);
