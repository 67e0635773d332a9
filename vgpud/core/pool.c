/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"
#include "keyfile.h"

#include <string.h>

#define POOL_GROUP    "pool"
#define MEMBER_PREFIX "member "

G_DEFINE_QUARK(vgpu_pool_error, vgpu_pool_error)

/* What [member] backend= may say; the backend room has a table with the same names. */
static const char *const backends[] = {"opencl", "null", "fault", NULL};

void vgpu_member_free(gpointer data)
{
    VgpuMember *member = data;

    if (member == NULL)
        return;
    g_free(member->name);
    g_free(member->backend);
    g_free(member->device);
    g_free(member->drain_reason);
    g_free(member);
}

void vgpu_pool_free(VgpuPool *pool)
{
    g_free(pool->file);
    g_free(pool->description);
    g_ptr_array_unref(pool->members);
    g_free(pool);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuPool, vgpu_pool_free)

VgpuPools *vgpu_pools_new(void)
{
    return g_new0(VgpuPools, 1);
}

void vgpu_pools_free(VgpuPools *pools)
{
    for (guint i = 0; i < G_N_ELEMENTS(pools->by_letter); i++)
        g_clear_pointer(&pools->by_letter[i], vgpu_pool_free);
    g_free(pools);
}

static gboolean read_pool(const VgpuKeyFile *file, VgpuPool *pool, GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *name = NULL;

    g_strv_builder_add_many(builder, "name", "description", NULL);
    vgpu_limit_rules_add_keys(builder);
    vgpu_pool_rules_add_keys(builder);
    g_auto(GStrv) known = g_strv_builder_end(builder);
    if (!vgpu_key_file_check(file, POOL_GROUP, (const char *const *)known, error) ||
        !vgpu_key_file_string(file, POOL_GROUP, "name", &name, error) ||
        !vgpu_key_file_string(file, POOL_GROUP, "description", &pool->description, error) ||
        !vgpu_limit_rules_read(file, POOL_GROUP, &pool->limits, error) ||
        !vgpu_pool_rules_read(file, POOL_GROUP, &pool->rules, error))
        return FALSE;
    if (name == NULL)
        return vgpu_key_file_fail(file, error, POOL_GROUP, NULL, "name=LETTER is missing");
    if (strlen(name) != 1 || !g_ascii_isupper(name[0]))
        return vgpu_key_file_fail(file, error, POOL_GROUP, "name",
                                  "'%s' is not one letter from A to Z", name);
    pool->letter = name[0];
    return TRUE;
}

static gboolean read_member(const VgpuKeyFile *file, const char *group, VgpuPool *pool,
                            GError **error)
{
    static const char *const known[] = {"backend", "device", "slots", NULL};
    VgpuMember *member = g_new0(VgpuMember, 1);

    g_ptr_array_add(pool->members, member);
    member->name = g_strdup(group + strlen(MEMBER_PREFIX));
    member->backend = g_strdup("opencl");
    member->device = g_strdup("");
    if (!vgpu_key_file_check(file, group, known, error) ||
        !vgpu_key_file_string(file, group, "backend", &member->backend, error) ||
        !vgpu_key_file_string(file, group, "device", &member->device, error) ||
        !vgpu_key_file_number(file, group, "slots", 0, 10000, &member->slots, error))
        return FALSE;
    if (!g_strv_contains(backends, member->backend)) {
        g_autofree char *list = g_strjoinv(", ", (char **)backends);
        return vgpu_key_file_fail(file, error, group, "backend",
                                  "there is no backend '%s'; known: %s", member->backend, list);
    }
    return TRUE;
}

static VgpuPool *read_file(const VgpuKeyFile *file, GError **error)
{
    g_autoptr(VgpuPool) pool = g_new0(VgpuPool, 1);
    g_auto(GStrv) groups = g_key_file_get_groups(file->keys, NULL);

    pool->description = g_strdup("");
    pool->file = g_strdup(file->name);
    pool->members = g_ptr_array_new_with_free_func(vgpu_member_free);
    for (char **group = groups; *group != NULL; group++) {
        if (g_str_has_prefix(*group, MEMBER_PREFIX)) {
            if (!read_member(file, *group, pool, error))
                return NULL;
        } else if (!g_str_equal(*group, POOL_GROUP)) {
            vgpu_key_file_fail(file, error, *group, NULL,
                               "there is no such group; known: [pool], [member NAME]");
            return NULL;
        }
    }
    if (!read_pool(file, pool, error))
        return NULL;
    if (pool->members->len == 0) {
        vgpu_key_file_fail(file, error, POOL_GROUP, NULL, "a [member NAME] group is missing");
        return NULL;
    }
    return g_steal_pointer(&pool);
}

gboolean vgpu_pools_add(VgpuPools *pools, const char *text, gsize length, const char *name,
                        GError **error)
{
    VgpuKeyFile file = {.name = name, .domain = VGPU_POOL_ERROR, .code = VGPU_POOL_ERROR_INVALID};

    if (!vgpu_key_file_parse(&file, text, length, error))
        return FALSE;

    g_autoptr(VgpuPool) pool = read_file(&file, error);
    g_key_file_unref(file.keys);
    if (pool == NULL)
        return FALSE;
    if (vgpu_pools_get(pools, pool->letter) != NULL)
        return vgpu_key_file_fail(&file, error, POOL_GROUP, "name",
                                  "there is a pool %c already in another file", pool->letter);
    /* Not in one expression: which side of an assignment comes first is the compiler's choice. */
    VgpuPool **place = &pools->by_letter[pool->letter - 'A'];
    *place = g_steal_pointer(&pool);
    return TRUE;
}

VgpuPool *vgpu_pools_get(const VgpuPools *pools, char letter)
{
    return letter >= 'A' && letter <= 'Z' ? pools->by_letter[letter - 'A'] : NULL;
}

char *vgpu_pools_letters(const VgpuPools *pools)
{
    GString *letters = g_string_new(NULL);

    for (char letter = 'A'; letter <= 'Z'; letter++)
        if (vgpu_pools_get(pools, letter) != NULL && !vgpu_pools_get(pools, letter)->removed)
            g_string_append_printf(letters, "%s%c", letters->len > 0 ? ", " : "", letter);
    if (letters->len == 0)
        g_string_append(letters, "none");
    return g_string_free(letters, FALSE);
}

char *vgpu_member_device_key(const VgpuMember *member)
{
    return g_strconcat(member->backend, ":", member->device, NULL);
}

gboolean vgpu_member_same_device(const VgpuMember *a, const VgpuMember *b)
{
    return g_str_equal(a->backend, b->backend) && g_str_equal(a->device, b->device);
}

static const VgpuMember *shared_member(const VgpuPool *a, const VgpuPool *b)
{
    for (guint i = 0; i < a->members->len; i++)
        for (guint j = 0; j < b->members->len; j++)
            if (vgpu_member_same_device(a->members->pdata[i], b->members->pdata[j]))
                return a->members->pdata[i];
    return NULL;
}

/* A device has one scheduler, whichever pools it is in. */
static gboolean check_shared(const VgpuPool *a, const VgpuPool *b, GError **error)
{
    const char *key = vgpu_pool_rules_conflict(&a->rules, &b->rules);
    const VgpuMember *member = key != NULL ? shared_member(a, b) : NULL;

    if (member == NULL)
        return TRUE;
    g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_INVALID,
                "%s: [pool] %s: not the same as in %s, but the pools %c and %c share the device "
                "\"%s\" of backend %s",
                b->file, key, a->file, a->letter, b->letter, member->device, member->backend);
    return FALSE;
}

gboolean vgpu_pools_finish(VgpuPools *pools, guint request_timeout_ms, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(pools->by_letter); i++) {
        VgpuPool *pool = pools->by_letter[i];
        if (pool == NULL)
            continue;
        if (!vgpu_pool_rules_finish(&pool->rules, request_timeout_ms, pool->file, error))
            return FALSE;
        for (guint j = 0; j < i; j++)
            if (pools->by_letter[j] != NULL && !check_shared(pools->by_letter[j], pool, error))
                return FALSE;
    }
    return TRUE;
}

static void set_full(const VgpuPool *pool, GError **error)
{
    guint draining = 0;

    for (guint i = 0; i < pool->members->len; i++)
        draining += ((const VgpuMember *)pool->members->pdata[i])->draining;
    g_autofree char *note =
        draining == 0 ? g_strdup("") : g_strdup_printf("; %u of its members draining", draining);
    g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_FULL,
                "pool %c is full: all its slots are taken (%u VMs%s)", pool->letter,
                vgpu_pool_used(pool), note);
}

/* The pool, if VMs may come into it. */
static VgpuPool *open_pool(VgpuPools *pools, char letter, GError **error)
{
    VgpuPool *pool = vgpu_pools_get(pools, letter);

    if (pool != NULL && !pool->removed)
        return pool;
    g_autofree char *letters = vgpu_pools_letters(pools);
    g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_UNKNOWN,
                "there is no pool %c on this host; configured: %s", letter, letters);
    return NULL;
}

VgpuMember *vgpu_pools_place(VgpuPools *pools, char letter, GError **error)
{
    VgpuPool *pool = open_pool(pools, letter, error);

    if (pool == NULL)
        return NULL;
    g_autofree VgpuPlace *places = g_new(VgpuPlace, pool->members->len);
    for (guint i = 0; i < pool->members->len; i++) {
        const VgpuMember *member = pool->members->pdata[i];
        places[i] = (VgpuPlace){.slots = member->slots,
                                .used = member->used,
                                .load = member->load,
                                .draining = member->draining || member->removed};
    }
    gssize best = vgpu_placement_choose(pool->rules.placement, places, pool->members->len);
    if (best < 0) {
        set_full(pool, error);
        return NULL;
    }
    VgpuMember *member = pool->members->pdata[best];
    member->used++;
    return member;
}

VgpuMember *vgpu_pools_place_on(VgpuPools *pools, char letter, const char *name, GError **error)
{
    VgpuPool *pool = open_pool(pools, letter, error);

    if (pool == NULL)
        return NULL;
    VgpuMember *member = vgpu_pool_member(pool, name);
    if (member == NULL || member->removed) {
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_UNKNOWN,
                    "there is no member \"%s\" in pool %c", name, letter);
        return NULL;
    }
    if (member->draining || (member->slots != 0 && member->used >= member->slots)) {
        g_set_error(error, VGPU_POOL_ERROR, VGPU_POOL_ERROR_FULL,
                    member->draining ? "%c/%s is draining"
                                     : "%c/%s is full: all its slots are taken",
                    letter, name);
        return NULL;
    }
    member->used++;
    return member;
}

void vgpu_member_leave(VgpuMember *member)
{
    g_return_if_fail(member->used > 0);
    member->used--;
}

VgpuMember *vgpu_pool_member(const VgpuPool *pool, const char *name)
{
    VgpuMember *found = NULL;

    /* A removed one may have the name of its successor. */
    for (guint i = 0; i < pool->members->len; i++) {
        VgpuMember *member = pool->members->pdata[i];
        if (g_str_equal(member->name, name) && (found == NULL || found->removed))
            found = member;
    }
    return found;
}

guint vgpu_pool_used(const VgpuPool *pool)
{
    guint used = 0;

    for (guint i = 0; i < pool->members->len; i++)
        used += ((VgpuMember *)g_ptr_array_index(pool->members, i))->used;
    return used;
}

void vgpu_pools_set_load(VgpuPools *pools, const char *device_key, guint load)
{
    for (guint i = 0; i < G_N_ELEMENTS(pools->by_letter); i++) {
        const VgpuPool *pool = pools->by_letter[i];

        for (guint j = 0; pool != NULL && j < pool->members->len; j++) {
            VgpuMember *member = pool->members->pdata[j];
            g_autofree char *key = vgpu_member_device_key(member);

            if (g_str_equal(key, device_key))
                member->load = load;
        }
    }
}
