/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who moves to which place, and when: VMs that wait for one, VMs on members that are to be empty,
 * and VMs that an operator moves. Pure rules over sessions and pools. Legacy VMs are left alone:
 * they take a place when they have something to do.
 */
#pragma once

#include "session.h"

typedef struct {
    VgpuPools *pools;
    const VgpuSessions *sessions;

    /* Puts @session on @member, which it takes over: a new worker. */
    void (*put)(VgpuSession *session, VgpuMember *member, gpointer user_data);
    gpointer user_data;
} VgpuPlaces;

/*
 * vgpu_places_fill:
 * Gives free places to the VMs that wait for one: the highest priority first, and within a priority
 * who has waited longest. Returns how many have got one.
 */
guint vgpu_places_fill(const VgpuPlaces *places);

/*
 * vgpu_places_drain:
 * Moves the VMs on draining and removed members that are idle at @now_us (g_get_real_time()) to
 * other members of their pool, as far as there is room; the others stay and are served. To be
 * called again when places or members change; and about once in a second for as long as it returns
 * TRUE: then there are some that are only busy.
 */
gboolean vgpu_places_drain(const VgpuPlaces *places, gint64 now_us);

/*
 * vgpu_places_leave:
 * The same for one VM. Returns whether it is where it may stay.
 */
gboolean vgpu_places_leave(const VgpuPlaces *places, VgpuSession *session, gint64 now_us);

/*
 * vgpu_places_move:
 * Moves a VM to the member of that name in its pool; "": to another one that the pool's placement
 * chooses. A busy one only if @force: what it has on the device is lost. FALSE with @error set.
 */
gboolean vgpu_places_move(const VgpuPlaces *places, VgpuSession *session, const char *member,
                          gboolean force, gint64 now_us, GError **error);

/* The member that "A/NAME" means, not a removed one; NULL with @error set. */
VgpuMember *vgpu_places_find(const VgpuPlaces *places, const char *name, GError **error);
