/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loads.h"
#include "load.h"

typedef struct {
    VgpuLoad load;
    guint64 busy_ns; /* all VMs' time on it since it is known */
} Device;

struct VgpuLoads {
    GHashTable *devices; /* device key -> Device */
    GHashTable *seen;    /* uuid -> guint64 *: the VM's device time at the last look */
    guint64 at_ns;       /* of the last look; 0: there was none */
};

static GHashTable *new_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

VgpuLoads *vgpu_loads_new(void)
{
    VgpuLoads *loads = g_new0(VgpuLoads, 1);

    loads->devices = new_table();
    loads->seen = new_table();
    return loads;
}

void vgpu_loads_free(VgpuLoads *loads)
{
    g_hash_table_unref(loads->devices);
    g_hash_table_unref(loads->seen);
    g_free(loads);
}

static Device *find(VgpuLoads *loads, const VgpuMember *member)
{
    char *key = vgpu_member_device_key(member);
    Device *device = g_hash_table_lookup(loads->devices, key);

    if (device != NULL) {
        g_free(key);
        return device;
    }
    device = g_new0(Device, 1);
    g_hash_table_insert(loads->devices, key, device);
    return device;
}

/* Adds what each VM has had since the last look to the device that it is on now. */
static void add_vms(VgpuLoads *loads, const VgpuSessions *sessions, guint64 passed_ns)
{
    g_autoptr(GPtrArray) list = vgpu_sessions_list(sessions);
    GHashTable *seen = new_table();

    for (guint i = 0; i < list->len; i++) {
        const VgpuSession *session = list->pdata[i];
        const guint64 now = atomic_load(&session->page->device_ns);
        const guint64 *before = g_hash_table_lookup(loads->seen, session->uuid);

        if (before != NULL && now > *before && session->member != NULL)
            find(loads, session->member)->busy_ns += MIN(now - *before, passed_ns);
        g_hash_table_insert(seen, g_strdup(session->uuid), g_memdup2(&now, sizeof(now)));
    }
    g_hash_table_unref(loads->seen);
    loads->seen = seen;
}

/* A device that no pool has any more is forgotten. */
static gboolean is_gone(gpointer key, gpointer value, gpointer kept)
{
    (void)value;
    return !g_hash_table_contains(kept, key);
}

void vgpu_loads_sample(VgpuLoads *loads, const VgpuSessions *sessions, VgpuPools *pools,
                       guint64 now_ns)
{
    g_autoptr(GHashTable) kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    add_vms(loads, sessions,
            now_ns > loads->at_ns && loads->at_ns != 0 ? now_ns - loads->at_ns : 0);
    loads->at_ns = now_ns;
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(pools, letter);

        for (guint i = 0; pool != NULL && i < pool->members->len; i++) {
            const VgpuMember *member = pool->members->pdata[i];
            Device *device = find(loads, member);
            char *key = vgpu_member_device_key(member);

            vgpu_pools_set_load(pools, key,
                                vgpu_load_sample(&device->load, device->busy_ns, now_ns));
            g_hash_table_add(kept, key);
        }
    }
    g_hash_table_foreach_remove(loads->devices, is_gone, kept);
}
