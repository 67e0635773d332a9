/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-look.h"

#include <stdlib.h>
#include <string.h>

#include "host-order.h"
#include "host-plug.h"
#include "host-running.h"

/* Definitions that are written in one look before libvirt is taken for not keeping them. */
#define MAX_TRIES 3

void vgpu_host_look_init(VgpuHostLook *self, VgpuHostShared *shared)
{
    self->shared = shared;
    self->connection = NULL;
    self->reconciler = vgpu_reconciler_new(shared->emulator, shared->run_dir);
    self->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->notes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    self->runs = vgpu_host_running_table_new();
    self->plugs = vgpu_host_plug_pool_new();
    self->orders = vgpu_host_order_pool_new();
}

void vgpu_host_look_clear(VgpuHostLook *self)
{
    vgpu_reconciler_free(self->reconciler);
    g_hash_table_unref(self->running);
    g_hash_table_unref(self->notes);
    /* What is under way may take for ever, and holds on to what it needs. */
    vgpu_host_plug_pool_free(self->plugs, self->shared);
    g_thread_pool_free(self->orders, TRUE, FALSE);
    g_hash_table_unref(self->runs);
}

/* Warns about a domain, once per distinct text. */
static void complain(VgpuHostLook *self, const char *uuid, const char *name, const char *text)
{
    if (vgpu_reconciler_is_news(self->reconciler, uuid, text))
        g_warning("domain '%s': %s", name, text);
}

void vgpu_host_look_failed(VgpuHostLook *self, const char *uuid, const char *name,
                           const char *doing)
{
    gboolean gone = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
    g_autofree char *reason = vgpu_host_libvirt_error();
    g_autofree char *text = g_strdup_printf("cannot %s: %s", doing, reason);

    if (virConnectIsAlive(self->connection) != 1)
        vgpu_host_work_lose(self->shared->work, reason);
    else if (!gone) /* if it is, there is an event that says so */
        complain(self, uuid, name, text);
}

/* The persistent definition with its secrets: without them, defining it again would lose them. */
static char *dump_definition(VgpuHostLook *self, virDomainPtr domain, const char *uuid)
{
    char *xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);

    if (xml == NULL)
        vgpu_host_look_failed(self, uuid, virDomainGetName(domain), "read its definition");
    return xml;
}

/*
 * Defines @plan in place of @xml. libvirt has no compare-and-swap: what was planned on is compared
 * with what is there at the last moment, and a change is left to the look that its event brings.
 * Returns what libvirt made of it, or NULL when there is nothing more to do.
 */
static char *define(VgpuHostLook *self, virDomainPtr domain, const char *uuid, const char *xml,
                    const VgpuReconcilePlan *plan)
{
    const char *name = virDomainGetName(domain);
    g_autofree char *now = dump_definition(self, domain, uuid);

    if (now == NULL || !g_str_equal(now, xml))
        return NULL;
    if (vgpu_host_work_is_held(self->shared->work, uuid)) {
        vgpu_host_work_add(self->shared->work, uuid);
        return NULL;
    }

    g_autoptr(virDomain) defined = virDomainDefineXMLFlags(self->connection, plan->xml, 0);
    if (defined == NULL) {
        vgpu_host_look_failed(self, uuid, name, "bring vgpu-stub in its definition in order");
        return NULL;
    }
    g_message("domain '%s': %s", name, plan->done);
    return dump_definition(self, domain, uuid);
}

static gboolean look_at_definition(VgpuHostLook *self, virDomainPtr domain, const char *uuid,
                                   gboolean may_number)
{
    g_autofree char *xml = dump_definition(self, domain, uuid);
    g_autoptr(GError) error = NULL;

    if (xml == NULL)
        return FALSE;
    if (!vgpu_domain_xml_mentions_us(xml, strlen(xml))) {
        if (!g_hash_table_contains(self->running, uuid))
            vgpu_reconciler_forget(self->reconciler, uuid);
        return TRUE;
    }
    if (virDomainIsPersistent(domain) != 1)
        return TRUE;

    for (guint tries = 0; xml != NULL; tries++) {
        g_auto(VgpuReconcilePlan) plan = {0};
        VgpuReconcileVerdict verdict =
            vgpu_reconciler_plan(self->reconciler, uuid, xml, may_number, &plan, &error);

        if (verdict == VGPU_RECONCILE_LATER)
            vgpu_host_work_add(self->shared->work, uuid);
        if (verdict == VGPU_RECONCILE_DEFINE && tries == MAX_TRIES)
            vgpu_reconciler_give_up(self->reconciler, uuid, xml, &error);
        if (error != NULL)
            complain(self, uuid, virDomainGetName(domain), error->message);
        if (verdict != VGPU_RECONCILE_DEFINE || error != NULL)
            return verdict == VGPU_RECONCILE_RIGHT || verdict == VGPU_RECONCILE_LATER;

        char *next = define(self, domain, uuid, xml, &plan);
        g_free(xml);
        xml = next;
    }
    return FALSE;
}

gboolean vgpu_host_look_at(VgpuHostLook *self, virDomainPtr domain, gboolean may_number)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(domain, uuid) < 0)
        return TRUE;
    /* First: the number that a running VM has is the one that it keeps. */
    if (virDomainGetID(domain) != (unsigned int)-1)
        vgpu_host_running_look(self, domain, uuid, may_number);
    else
        vgpu_host_running_gone(self, uuid);
    return look_at_definition(self, domain, uuid, may_number);
}

void vgpu_host_look_at_uuid(VgpuHostLook *self, const char *uuid)
{
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(self->connection, uuid);

    if (domain != NULL) {
        vgpu_host_look_at(self, domain, TRUE);
    } else if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
        vgpu_host_running_gone(self, uuid);
        vgpu_reconciler_forget(self->reconciler, uuid);
    } else {
        vgpu_host_look_failed(self, uuid, uuid, "look it up");
    }
}

/* Domains that went while nobody told us. */
static void forget_missing(VgpuHostLook *self, virDomainPtr *domains, int count)
{
    g_autoptr(GHashTable) present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree const char **running = NULL;

    for (int i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domains[i], uuid) == 0)
            g_hash_table_add(present, g_strdup(uuid));
    }
    vgpu_reconciler_retain(self->reconciler, present);

    running = (const char **)g_hash_table_get_keys_as_array(self->running, NULL);
    for (guint i = 0; running[i] != NULL; i++) {
        g_autofree char *uuid = g_strdup(running[i]); /* its key goes with it */

        if (!g_hash_table_contains(present, uuid))
            vgpu_host_running_gone(self, uuid);
    }
}

/*
 * Of a domain that was held before events came: its STARTED may have been missed. One that is still
 * starting is paused for that reason, or shut off.
 */
static gboolean has_started(virDomainPtr domain)
{
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, 0) < 0 || state == VIR_DOMAIN_SHUTOFF)
        return FALSE;
    return state != VIR_DOMAIN_PAUSED || reason != VIR_DOMAIN_PAUSED_STARTING_UP;
}

/* FALSE: it is left alone. */
static gboolean begin(VgpuHostLook *self, virDomainPtr domain, const char *uuid)
{
    if (vgpu_host_work_begin(self->shared->work, uuid))
        return TRUE;
    if (!has_started(domain))
        return FALSE;
    vgpu_host_work_resume(self->shared->work, uuid);
    return vgpu_host_work_begin(self->shared->work, uuid);
}

gboolean vgpu_host_look_at_all(VgpuHostLook *self, guint *left)
{
    virDomainPtr *domains = NULL;
    guint wrong = 0;
    int count = virConnectListAllDomains(self->connection, &domains, 0);

    if (count < 0) {
        g_autofree char *reason = vgpu_host_libvirt_error();

        vgpu_host_work_lose(self->shared->work, reason);
        return FALSE;
    }

    vgpu_host_running_take_results(self); /* whose looks may have gone with the last connection */
    forget_missing(self, domains, count);
    g_hash_table_remove_all(self->notes);
    for (int i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        /* New numbers wait until each number that there is has been seen. */
        if (!vgpu_host_work_is_over(self->shared->work) &&
            virDomainGetUUIDString(domains[i], uuid) == 0 &&
            (!begin(self, domains[i], uuid) || !vgpu_host_look_at(self, domains[i], FALSE)))
            wrong++;
        virDomainFree(domains[i]);
    }
    free(domains);
    if (left != NULL)
        *left = wrong;
    return !vgpu_host_work_is_over(self->shared->work);
}
