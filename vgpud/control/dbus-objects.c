/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus-objects.h"

#include "dbus-live.h"
#include "dbus-service.h"
#include "vgpud-dbus.h"

typedef struct {
    const VgpuModel *model;
    char letter;
    guint used; /* as last announced */
    VgpuDBusLive *live;
} PoolObject;

typedef struct {
    VgpuSession *session;
    VgpuDBusLive *live;
} VmObject;

struct VgpuDBusObjects {
    const VgpuModel *model;
    GDBusObjectManagerServer *manager;
    GPtrArray *pools; /* of PoolObject */
    GHashTable *vms;  /* path -> VmObject */
};

static GVariant *read_pool(gpointer source)
{
    const PoolObject *pool = source;

    return vgpu_model_pool(pool->model, pool->letter);
}

static GVariant *read_vm(gpointer source)
{
    return vgpu_model_vm(source);
}

static void free_pool(gpointer data)
{
    PoolObject *pool = data;

    g_object_unref(pool->live);
    g_free(pool);
}

static void free_vm(gpointer data)
{
    VmObject *vm = data;

    g_object_unref(vm->live);
    vgpu_session_unref(vm->session);
    g_free(vm);
}

static void export(VgpuDBusObjects *objects, const char *path, VgpuDBusLive *live)
{
    g_autoptr(GDBusObjectSkeleton) object = g_dbus_object_skeleton_new(path);

    g_dbus_object_skeleton_add_interface(object, G_DBUS_INTERFACE_SKELETON(live));
    g_dbus_object_manager_server_export(objects->manager, object);
}

static void add_pool(VgpuDBusObjects *objects, const VgpuModel *model, const VgpuPool *pool)
{
    g_autofree char *path = g_strdup_printf(VGPU_DBUS_PATH "/pool/%c", pool->letter);
    PoolObject *object = g_new0(PoolObject, 1);

    object->model = model;
    object->letter = pool->letter;
    object->used = vgpu_pool_used(pool);
    object->live = vgpu_dbus_live_new(vgpu_dbus_pool_interface_info(), read_pool, object);
    g_ptr_array_add(objects->pools, object);
    export(objects, path, object->live);
}

/* A pool that is gone stays on the bus until vgpu_dbus_objects_pools_changed(). */
static void update_pools(VgpuDBusObjects *objects)
{
    for (guint i = 0; i < objects->pools->len; i++) {
        PoolObject *object = objects->pools->pdata[i];
        const VgpuPool *pool = vgpu_pools_get(object->model->pools, object->letter);
        guint used = pool != NULL ? vgpu_pool_used(pool) : 0;
        if (pool == NULL || used == object->used)
            continue;
        object->used = used;
        vgpu_dbus_live_update(object->live);
    }
}

static PoolObject *find_pool(VgpuDBusObjects *objects, char letter)
{
    for (guint i = 0; i < objects->pools->len; i++) {
        PoolObject *object = objects->pools->pdata[i];
        if (object->letter == letter)
            return object;
    }
    return NULL;
}

static void remove_pool(VgpuDBusObjects *objects, PoolObject *object)
{
    g_autofree char *path = g_strdup_printf(VGPU_DBUS_PATH "/pool/%c", object->letter);

    g_dbus_object_manager_server_unexport(objects->manager, path);
    g_ptr_array_remove(objects->pools, object);
}

void vgpu_dbus_objects_pools_changed(VgpuDBusObjects *objects)
{
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(objects->model->pools, letter);
        PoolObject *object = find_pool(objects, letter);

        if (object == NULL && pool != NULL)
            add_pool(objects, objects->model, pool);
        else if (object != NULL && pool == NULL)
            remove_pool(objects, object);
        else if (object != NULL)
            vgpu_dbus_live_update(object->live);
    }
}

/* A UUID's dashes are not allowed in a path. */
static char *vm_path(const VgpuSession *session)
{
    char *path = g_strconcat(VGPU_DBUS_PATH "/vm/", session->uuid, NULL);

    return g_strdelimit(path, "-", '_');
}

static void add_vm(VgpuDBusObjects *objects, const char *path, VgpuSession *session)
{
    VmObject *object = g_new0(VmObject, 1);

    object->session = vgpu_session_ref(session);
    object->live = vgpu_dbus_live_new(vgpu_dbus_vm_interface_info(), read_vm, session);
    g_hash_table_insert(objects->vms, g_strdup(path), object);
    export(objects, path, object->live);
}

void vgpu_dbus_objects_look(VgpuDBusObjects *objects, VgpuSession *session, VgpuSessionNews news)
{
    g_autofree char *path = vm_path(session);
    VmObject *object = g_hash_table_lookup(objects->vms, path);

    if (news == VGPU_SESSION_NEWS_REMOVED) {
        g_dbus_object_manager_server_unexport(objects->manager, path);
        g_hash_table_remove(objects->vms, path);
    } else if (object != NULL) {
        vgpu_dbus_live_update(object->live);
    } else {
        add_vm(objects, path, session);
    }
    update_pools(objects);
}

void vgpu_dbus_objects_connect(VgpuDBusObjects *objects, GDBusConnection *connection)
{
    g_dbus_object_manager_server_set_connection(objects->manager, connection);
}

VgpuDBusObjects *vgpu_dbus_objects_new(const VgpuModel *model)
{
    VgpuDBusObjects *objects = g_new0(VgpuDBusObjects, 1);

    objects->model = model;
    objects->manager = g_dbus_object_manager_server_new(VGPU_DBUS_PATH);
    objects->pools = g_ptr_array_new_with_free_func(free_pool);
    objects->vms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_vm);
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        const VgpuPool *pool = vgpu_pools_get(model->pools, letter);
        if (pool != NULL)
            add_pool(objects, model, pool);
    }
    return objects;
}

void vgpu_dbus_objects_free(VgpuDBusObjects *objects)
{
    g_object_unref(objects->manager); /* unexports them; only then their sources may go */
    g_hash_table_unref(objects->vms);
    g_ptr_array_unref(objects->pools);
    g_free(objects);
}
