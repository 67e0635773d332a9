/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "breaker.h"

#include <string.h>

#define NAMES 5u /* so many VMs are named */

/* For whom a device has failed. */
typedef struct {
    char *uuid, *name;
    gint64 at_us; /* the last time */
} Victim;

struct VgpuBreaker {
    GHashTable *devices; /* key -> GPtrArray of Victim, the one of the longest ago first */
};

static void victim_free(gpointer data)
{
    Victim *victim = data;

    g_free(victim->uuid);
    g_free(victim->name);
    g_free(victim);
}

VgpuBreaker *vgpu_breaker_new(void)
{
    VgpuBreaker *breaker = g_new0(VgpuBreaker, 1);

    breaker->devices =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    return breaker;
}

void vgpu_breaker_free(VgpuBreaker *breaker)
{
    g_hash_table_unref(breaker->devices);
    g_free(breaker);
}

static Victim *find(const GPtrArray *victims, const char *uuid)
{
    for (guint i = 0; i < victims->len; i++) {
        Victim *victim = victims->pdata[i];
        if (strcmp(victim->uuid, uuid) == 0)
            return victim;
    }
    return NULL;
}

/* The victims of the device, with @session's VM as the last one, without those of long ago. */
static GPtrArray *note(VgpuBreaker *breaker, const VgpuSession *session, const char *key,
                       const VgpuBreakerRule *rule, gint64 now_us)
{
    GPtrArray *victims = g_hash_table_lookup(breaker->devices, key);

    if (victims == NULL) {
        victims = g_ptr_array_new_with_free_func(victim_free);
        g_hash_table_insert(breaker->devices, g_strdup(key), victims);
    }
    while (victims->len > 0 && now_us - ((Victim *)victims->pdata[0])->at_us > rule->window_us)
        g_ptr_array_remove_index(victims, 0);
    Victim *known = find(victims, session->uuid);
    if (known != NULL)
        g_ptr_array_remove(victims, known);
    Victim *victim = g_new(Victim, 1);
    *victim = (Victim){g_strdup(session->uuid), g_strdup(session->name), now_us};
    g_ptr_array_add(victims, victim);
    return victims;
}

/* It was answered on that device of late, and is no victim. */
static gboolean is_well(const VgpuSession *session, const GPtrArray *victims, const char *key,
                        const VgpuBreakerRule *rule, gint64 wall_us)
{
    if (session->member == NULL || session->worker_pid == 0 ||
        find(victims, session->uuid) != NULL ||
        atomic_load(&session->page->state) != VGPU_PAGE_READY)
        return FALSE;
    g_autofree char *own = vgpu_member_device_key(session->member);
    const gint64 last_us = CLAMP(atomic_load(&session->page->last_us), 0, G_MAXINT64);
    return strcmp(own, key) == 0 && ABS(wall_us - last_us) <= rule->window_us;
}

static guint count_well(const VgpuSessions *sessions, const GPtrArray *victims, const char *key,
                        const VgpuBreakerRule *rule, gint64 wall_us)
{
    GHashTableIter iter;
    gpointer value;
    guint count = 0;

    g_hash_table_iter_init(&iter, sessions->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        count += is_well(value, victims, key, rule, wall_us) ? 1 : 0;
    return count;
}

static char *explain(const GPtrArray *victims, const VgpuBreakerRule *rule, guint well)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "it failed for %u VMs within %" G_GINT64_FORMAT " s and served %u: ",
                    victims->len, rule->window_us / G_USEC_PER_SEC, well);
    for (guint i = 0; i < MIN(victims->len, NAMES); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               ((Victim *)victims->pdata[i])->name);
    if (victims->len > NAMES)
        g_string_append_printf(text, " and %u more", victims->len - NAMES);
    return g_string_free(text, FALSE);
}

char *vgpu_breaker_blame(VgpuBreaker *breaker, const VgpuSessions *sessions,
                         const VgpuSession *session, const char *key, const VgpuBreakerRule *rule,
                         gint64 now_us, gint64 wall_us)
{
    if (rule->vms == 0)
        return NULL;
    const GPtrArray *victims = note(breaker, session, key, rule, now_us);
    if (victims->len < rule->vms)
        return NULL;
    const guint well = count_well(sessions, victims, key, rule, wall_us);
    if (victims->len <= well)
        return NULL;
    char *why = explain(victims, rule, well);
    g_hash_table_remove(breaker->devices, key);
    return why;
}
