/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reconcile.h"

#include <string.h>

#include "vgpu-inject.h"
#include "vgpu-names.h"

struct VgpuReconciler {
    char *emulator;
    char *run_dir;
    VgpuVmIds *ids;
    gboolean detached;
    GHashTable *complaints; /* UUID -> what was last said about it */
    GHashTable *given_up;   /* UUID -> checksum of the definition that could not be made right */
};

G_DEFINE_QUARK(vgpu - reconcile - error - quark, vgpu_reconcile_error)

VgpuReconciler *vgpu_reconciler_new(const char *emulator, const char *run_dir)
{
    VgpuReconciler *self = g_new0(VgpuReconciler, 1);

    self->emulator = g_strdup(emulator);
    self->run_dir = g_strdup(run_dir);
    self->ids = vgpu_vm_ids_new();
    self->complaints = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    self->given_up = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return self;
}

void vgpu_reconciler_free(VgpuReconciler *self)
{
    if (self == NULL)
        return;
    g_free(self->emulator);
    g_free(self->run_dir);
    vgpu_vm_ids_free(self->ids);
    g_hash_table_unref(self->complaints);
    g_hash_table_unref(self->given_up);
    g_free(self);
}

void vgpu_reconciler_set_detached(VgpuReconciler *self, gboolean detached)
{
    self->detached = detached;
}

gboolean vgpu_reconciler_is_detached(const VgpuReconciler *self)
{
    return self->detached;
}

void vgpu_reconcile_plan_clear(VgpuReconcilePlan *plan)
{
    g_clear_pointer(&plan->xml, g_free);
    g_clear_pointer(&plan->done, g_free);
}

static char *checksum(const char *xml)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, xml, -1);
}

static void set_unstable(GError **error)
{
    g_set_error_literal(error, VGPU_RECONCILE_ERROR, VGPU_RECONCILE_ERROR_UNSTABLE,
                        "libvirt does not keep the device that is put into its definition; it is "
                        "left as it is until it changes (compare 'virsh dumpxml --inactive' with "
                        "the output of 'vgpu-xml inject' for it)");
}

/*
 * The number for a domain with our element. The table goes first: a definition written from an old
 * file keeps the domain's number. The domain's own arguments seed the table, but only when their
 * socket is this domain's: a clone carries its origin's. Returns 0 when it must be a new one and
 * @may_number is FALSE, or when there is none left.
 */
static guint32 number_for(VgpuReconciler *self, const char *uuid, const VgpuDevice *device,
                          gboolean may_number)
{
    guint32 known = vgpu_vm_ids_get(self->ids, uuid);

    if (known != 0)
        return known;
    if (device != NULL && device->socket_path != NULL) {
        g_autofree char *own = vgpu_domain_socket_path(self->run_dir, uuid);
        g_autofree char *own_name = g_path_get_basename(own);
        g_autofree char *name = g_path_get_basename(device->socket_path);

        if (g_str_equal(name, own_name) && vgpu_vm_ids_claim(self->ids, uuid, device->vm_id))
            return device->vm_id;
    }
    return may_number ? vgpu_vm_ids_assign(self->ids, uuid) : 0;
}

static char *without_device(const char *xml, char **done, GError **error)
{
    *done = g_strdup("vgpu-stub taken out of its definition");
    return vgpu_domain_xml_remove(xml, strlen(xml), error);
}

static char *with_device(VgpuReconciler *self, const VgpuDomain *domain, const char *uuid,
                         guint32 vm_id, const char *xml, char **done, GError **error)
{
    g_autofree char *socket_path = vgpu_domain_socket_path(self->run_dir, uuid);
    VgpuInjection wanted = {
        .emulator = self->emulator,
        .socket_path = socket_path,
        .vm_id = vm_id,
    };

    *done = g_strdup_printf(
        "vgpu-stub %s (pool %c, priority %s, vm-id %u)",
        domain->device == NULL ? "put into its definition" : "brought up to date in its definition",
        domain->config->pool, vgpu_priority_name(domain->config->priority), vm_id);
    return vgpu_domain_xml_inject(xml, strlen(xml), &wanted, error);
}

/* The definition was judged and is right: nothing that was said about it holds any longer. */
static VgpuReconcileVerdict settle(VgpuReconciler *self, const char *uuid)
{
    g_hash_table_remove(self->complaints, uuid);
    g_hash_table_remove(self->given_up, uuid);
    return VGPU_RECONCILE_RIGHT;
}

static gboolean is_given_up(VgpuReconciler *self, const char *uuid, const char *xml)
{
    const char *given_up = g_hash_table_lookup(self->given_up, uuid);
    g_autofree char *sum = given_up != NULL ? checksum(xml) : NULL;

    return given_up != NULL && g_str_equal(given_up, sum);
}

VgpuReconcileVerdict vgpu_reconciler_plan(VgpuReconciler *self, const char *uuid, const char *xml,
                                          gboolean may_number, VgpuReconcilePlan *plan,
                                          GError **error)
{
    g_autoptr(VgpuDomain) domain = NULL;
    g_auto(VgpuReconcilePlan) made = {0};

    if (!vgpu_domain_xml_mentions_us(xml, strlen(xml)))
        return settle(self, uuid);
    if (!vgpu_domain_parse(xml, strlen(xml), &domain, error))
        return VGPU_RECONCILE_FAILED;
    if (domain->config_error != NULL && !self->detached) {
        g_propagate_error(error, g_steal_pointer(&domain->config_error));
        return VGPU_RECONCILE_FAILED;
    }

    if (domain->config == NULL || self->detached) {
        made.xml = without_device(xml, &made.done, error);
    } else {
        guint32 vm_id = number_for(self, uuid, domain->device, may_number);

        if (vm_id == 0 && !may_number)
            return VGPU_RECONCILE_LATER;
        if (vm_id == 0) {
            g_set_error_literal(error, VGPU_RECONCILE_ERROR, VGPU_RECONCILE_ERROR_FULL,
                                "every VM number is taken");
            return VGPU_RECONCILE_FAILED;
        }
        made.xml = with_device(self, domain, uuid, vm_id, xml, &made.done, error);
    }
    if (made.xml == NULL)
        return VGPU_RECONCILE_FAILED;
    if (g_str_equal(made.xml, xml))
        return settle(self, uuid);
    if (is_given_up(self, uuid, xml)) {
        set_unstable(error);
        return VGPU_RECONCILE_FAILED;
    }

    plan->xml = g_steal_pointer(&made.xml);
    plan->done = g_steal_pointer(&made.done);
    return VGPU_RECONCILE_DEFINE;
}

void vgpu_reconciler_give_up(VgpuReconciler *self, const char *uuid, const char *xml,
                             GError **error)
{
    g_hash_table_insert(self->given_up, g_strdup(uuid), checksum(xml));
    set_unstable(error);
}

guint32 vgpu_reconciler_number(VgpuReconciler *self, const char *uuid, gboolean may_number)
{
    return number_for(self, uuid, NULL, may_number);
}

void vgpu_reconciler_seen_running(VgpuReconciler *self, const char *uuid, guint32 vm_id)
{
    vgpu_vm_ids_claim(self->ids, uuid, vm_id);
}

gboolean vgpu_reconciler_is_news(VgpuReconciler *self, const char *uuid, const char *complaint)
{
    if (g_strcmp0(g_hash_table_lookup(self->complaints, uuid), complaint) == 0)
        return FALSE;
    g_hash_table_insert(self->complaints, g_strdup(uuid), g_strdup(complaint));
    return TRUE;
}

void vgpu_reconciler_forget(VgpuReconciler *self, const char *uuid)
{
    vgpu_vm_ids_forget(self->ids, uuid);
    settle(self, uuid);
}

static gboolean is_missing(gpointer uuid, gpointer value G_GNUC_UNUSED, gpointer uuids)
{
    return !g_hash_table_contains(uuids, uuid);
}

void vgpu_reconciler_retain(VgpuReconciler *self, GHashTable *uuids)
{
    vgpu_vm_ids_retain(self->ids, uuids);
    g_hash_table_foreach_remove(self->complaints, is_missing, uuids);
    g_hash_table_foreach_remove(self->given_up, is_missing, uuids);
}
