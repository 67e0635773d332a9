/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "places.h"

static gint compare_waiting(gconstpointer a, gconstpointer b)
{
    const VgpuSession *left = *(VgpuSession *const *)a, *right = *(VgpuSession *const *)b;

    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    if (left->waiting_us != right->waiting_us)
        return left->waiting_us < right->waiting_us ? -1 : 1;
    return left->vm_id < right->vm_id ? -1 : 1;
}

guint vgpu_places_fill(const VgpuPlaces *places)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(places->sessions);
    guint filled = 0;

    g_ptr_array_sort(sessions, compare_waiting);
    for (guint i = 0; i < sessions->len; i++) {
        VgpuSession *session = sessions->pdata[i];
        VgpuMember *member = vgpu_session_is_waiting(session)
                                 ? vgpu_pools_place(places->pools, session->pool, NULL)
                                 : NULL;

        if (member == NULL)
            continue;
        g_message("domain '%s': served from now on, there is a place on %c/%s", session->name,
                  session->pool, member->name);
        places->put(session, member, places->user_data);
        filled++;
    }
    return filled;
}

static gboolean must_leave(const VgpuMember *member)
{
    return member != NULL && (member->draining || member->removed);
}

typedef enum { SETTLED, BUSY, NO_ROOM } Leaving;

static Leaving leave(const VgpuPlaces *places, VgpuSession *session, gint64 now_us)
{
    if (!must_leave(session->member) || session->vm_id > VGPU_VM_ID_MAX)
        return SETTLED;
    VgpuMember *member = vgpu_pools_place(places->pools, session->pool, NULL);

    if (member == NULL)
        return NO_ROOM;
    if (!vgpu_session_is_idle(session, now_us)) {
        vgpu_member_leave(member);
        return BUSY;
    }
    g_message("domain '%s': moves from %c/%s to %s", session->name, session->pool,
              session->member->name, member->name);
    places->put(session, member, places->user_data);
    return SETTLED;
}

gboolean vgpu_places_leave(const VgpuPlaces *places, VgpuSession *session, gint64 now_us)
{
    return leave(places, session, now_us) == SETTLED;
}

gboolean vgpu_places_drain(const VgpuPlaces *places, gint64 now_us)
{
    g_autoptr(GPtrArray) sessions = vgpu_sessions_list(places->sessions);
    gboolean left = FALSE;

    /* Without room it need not be looked at again before there is some. */
    for (guint i = 0; i < sessions->len; i++)
        left |= leave(places, sessions->pdata[i], now_us) == BUSY;
    return left;
}

static VgpuMember *choose(const VgpuPlaces *places, VgpuSession *session, const char *name,
                          GError **error)
{
    VgpuMember *own = session->member;

    if (*name != '\0')
        return vgpu_pools_place_on(places->pools, session->pool, name, error);
    if (own == NULL)
        return vgpu_pools_place(places->pools, session->pool, error);
    /* Not where it is already. */
    const gboolean draining = own->draining;
    own->draining = TRUE;
    VgpuMember *member = vgpu_pools_place(places->pools, session->pool, NULL);
    own->draining = draining;
    if (member == NULL)
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_FULL,
                    "there is no free slot on another member of pool %c", session->pool);
    return member;
}

gboolean vgpu_places_move(const VgpuPlaces *places, VgpuSession *session, const char *name,
                          gboolean force, gint64 now_us, GError **error)
{
    if (session->vm_id > VGPU_VM_ID_MAX) {
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_INVALID,
                    "\"%s\" is a legacy VM: it takes a place with each worker that it needs",
                    session->name);
        return FALSE;
    }
    if (!force && !vgpu_session_is_idle(session, now_us)) {
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_INVALID,
                    "\"%s\" is busy: what it has on its device would be lost; --force moves it "
                    "in spite of that",
                    session->name);
        return FALSE;
    }
    if (session->member != NULL && !session->member->removed &&
        g_str_equal(session->member->name, name)) {
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_INVALID, "\"%s\" is on %c/%s already",
                    session->name, session->pool, name);
        return FALSE;
    }

    VgpuMember *member = choose(places, session, name, error);
    if (member == NULL)
        return FALSE;
    g_message("domain '%s': is moved to %c/%s", session->name, session->pool, member->name);
    places->put(session, member, places->user_data);
    return TRUE;
}

VgpuMember *vgpu_places_find(const VgpuPlaces *places, const char *name, GError **error)
{
    const char *slash = name[0] != '\0' && name[1] == '/' ? name + 1 : NULL;
    const VgpuPool *pool = slash != NULL ? vgpu_pools_get(places->pools, name[0]) : NULL;
    VgpuMember *member = pool != NULL ? vgpu_pool_member(pool, slash + 1) : NULL;

    if (member != NULL && !member->removed)
        return member;
    g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_UNKNOWN,
                "there is no member \"%s\"; 'vgpuctl pools' lists them, POOL/MEMBER names one",
                name);
    return NULL;
}
