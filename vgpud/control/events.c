/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "events.h"

#include "model.h"

/* What was last seen of a session. */
typedef struct {
    VgpuSessionState state;
    gint64 quarantined_until_us;
    guint64 faults;
    char pool;
    enum vgpu_priority priority;
    VgpuLimits limits;
    const VgpuMember *member; /* only compared */
} Seen;

struct VgpuEvents {
    VgpuEventHandler handler;
    gpointer user_data;
    GHashTable *seen; /* uuid -> Seen */
    GQueue past;      /* of a{sv} */
    guint64 serial;   /* of the last event */
};

VgpuEvents *vgpu_events_new(VgpuEventHandler handler, gpointer user_data)
{
    VgpuEvents *events = g_new0(VgpuEvents, 1);

    events->handler = handler;
    events->user_data = user_data;
    events->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_queue_init(&events->past);
    return events;
}

void vgpu_events_free(VgpuEvents *events)
{
    g_hash_table_unref(events->seen);
    g_queue_clear_full(&events->past, (GDestroyNotify)g_variant_unref);
    g_free(events);
}

/* Takes @details, floating, over. */
static void tell(VgpuEvents *events, const char *kind, const char *uuid, GVariant *details)
{
    g_variant_ref_sink(details);
    g_queue_push_tail(&events->past, details);
    if (events->past.length > VGPU_EVENTS_REMEMBERED)
        g_variant_unref(g_queue_pop_head(&events->past));
    events->handler(kind, uuid, details, events->user_data);
}

static void emit(VgpuEvents *events, const VgpuSession *session, const char *kind)
{
    tell(events, kind, session->uuid,
         vgpu_model_event(session, kind, ++events->serial, g_get_real_time()));
}

void vgpu_events_device_drained(VgpuEvents *events, const char *key, const char *const *members,
                                const char *reason)
{
    tell(events, "device-drained", "",
         vgpu_model_device_event(key, members, reason, "device-drained", ++events->serial,
                                 g_get_real_time()));
}

/* The event that a change of state is; NULL: none. */
static const char *transition(VgpuSessionState from, VgpuSessionState to)
{
    if (from == to)
        return NULL;
    if (from == VGPU_SESSION_QUARANTINED)
        return "released";
    switch (to) {
    case VGPU_SESSION_RESERVED:
        return "disconnected";
    case VGPU_SESSION_LINKED: /* from SERVING: its worker died or its pool changed, told as such */
        return from == VGPU_SESSION_RESERVED ? "connected" : NULL;
    case VGPU_SESSION_SERVING:
        return "serving";
    case VGPU_SESSION_QUARANTINED:
        return "quarantined";
    case VGPU_SESSION_ENDED:
        break;
    }
    return NULL;
}

static Seen see(const VgpuSession *session)
{
    return (Seen){
        .state = session->state,
        .quarantined_until_us = session->quarantine.until_us,
        .faults = session->faults.total,
        .pool = session->pool,
        .priority = session->priority,
        .limits = session->limits,
        .member = session->member,
    };
}

static void compare(VgpuEvents *events, const VgpuSession *session, Seen *before)
{
    const Seen was = *before;
    const char *kind = transition(was.state, session->state);

    if (kind == NULL && session->state == VGPU_SESSION_QUARANTINED &&
        was.quarantined_until_us != session->quarantine.until_us)
        kind = "quarantined";

    *before = see(session);
    if (session->state == VGPU_SESSION_ENDED)
        return; /* what it gave back is no news; that it ended comes when it is removed */
    for (guint64 i = was.faults; i < session->faults.total; i++)
        emit(events, session, "worker-died");
    if (was.pool != session->pool || was.priority != session->priority ||
        !vgpu_limits_equal(&was.limits, &session->limits) || was.member != session->member)
        emit(events, session, "changed");
    if (kind != NULL)
        emit(events, session, kind);
}

void vgpu_events_look(VgpuEvents *events, const VgpuSession *session, VgpuSessionNews news)
{
    Seen *before = g_hash_table_lookup(events->seen, session->uuid);

    if (news == VGPU_SESSION_NEWS_REMOVED) {
        g_hash_table_remove(events->seen, session->uuid);
        emit(events, session, "ended");
    } else if (before != NULL) {
        compare(events, session, before);
    } else {
        before = g_new(Seen, 1);
        *before = see(session);
        g_hash_table_insert(events->seen, g_strdup(session->uuid), before);
        emit(events, session, "started");
    }
}

GVariant *vgpu_events_list(const VgpuEvents *events)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (const GList *link = events->past.head; link != NULL; link = link->next)
        g_variant_builder_add_value(&list, link->data);
    return g_variant_builder_end(&list);
}
