/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What operators may have done to domains. The control room asks, the daemon does it: this is the
 * way from one to the other, since control knows neither libvirt nor domain XML.
 */
#pragma once

#include <glib.h>

#include "vm-limits.h"
#include "session.h"
#include "vgpu-registers.h"

/* What a domain's element is to say. */
typedef struct {
    char pool; /* 'A'..'Z', and there is such a pool */
    enum vgpu_priority priority;
    VgpuLimits limits; /* 0: as the pool */
} VgpuWish;

/* It is done, or @error says why not. Comes once for each action, in the default main context. */
typedef void (*VgpuActionDone)(const GError *error, gpointer data);

/* None waits; @user_data is the struct's. */
typedef struct {
    /* Gives the domain of this UUID or name the element; @wish NULL: takes it out. */
    void (*set_element)(const char *domain, const VgpuWish *wish, VgpuActionDone done,
                        gpointer data, gpointer user_data);

    /* Takes the device out of all definitions, until attach_all(); elements stay. */
    void (*detach_all)(VgpuActionDone done, gpointer data, gpointer user_data);
    void (*attach_all)(VgpuActionDone done, gpointer data, gpointer user_data);

    /* The domain XML with our device, owned by the caller; NULL with @error set. */
    char *(*inject)(const char *xml, GError **error, gpointer user_data);

    /* Reads the configuration again; FALSE with @error set: it is invalid, nothing has changed. */
    gboolean (*reload)(GError **error, gpointer user_data);

    /* @drain: the member "A/NAME" takes no more VMs and is emptied; else it takes them again. */
    gboolean (*drain)(const char *member, gboolean drain, GError **error, gpointer user_data);

    /* Moves a VM to that member of its pool, "": to any other; a busy one only if @force. */
    gboolean (*move)(VgpuSession *session, const char *member, gboolean force, GError **error,
                     gpointer user_data);

    /* Keeps a VM out for @seconds, up to VGPU_QUARANTINE_MAX_S; 0: until it is released. */
    gboolean (*quarantine)(VgpuSession *session, guint seconds, GError **error, gpointer user_data);

    /* Lets it back, if it is kept out, and forgives its faults. */
    gboolean (*release)(VgpuSession *session, GError **error, gpointer user_data);

    gpointer user_data;
} VgpuActions;
