/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operator.h"

#include <string.h>

#include "vgpu-domain.h"
#include "vgpu-inject.h"

/*
 * Numbers of domains that libvirt does not know yet are from the upper half; those that it knows
 * are given the lowest free ones (host/vm-ids.h).
 */
#define INJECT_FIRST (VGPU_VM_ID_MAX / 2 + 1)
#define INJECT_COUNT (VGPU_VM_ID_MAX - INJECT_FIRST + 1)

static void set_element(const char *domain, const VgpuWish *wish, VgpuActionDone done,
                        gpointer data, gpointer user_data)
{
    const VgpuOperator *self = user_data;
    VgpuConfig config = {0};

    if (wish != NULL) {
        config.pool = wish->pool;
        config.priority = wish->priority;
        memcpy(config.limits, wish->limits.value, sizeof(config.limits));
    }
    vgpu_host_set_element(self->host, domain, wish != NULL ? &config : NULL, done, data);
}

static void detach_all(VgpuActionDone done, gpointer data, gpointer user_data)
{
    const VgpuOperator *self = user_data;

    vgpu_host_detach_all(self->host, done, data);
}

static void attach_all(VgpuActionDone done, gpointer data, gpointer user_data)
{
    const VgpuOperator *self = user_data;

    vgpu_host_attach_all(self->host, done, data);
}

static gboolean is_free(const VgpuOperator *self, guint32 vm_id, const char *uuid)
{
    const VgpuSession *other = vgpu_sessions_by_vm_id(self->sessions, vm_id);

    return other == NULL || strcmp(other->uuid, uuid) == 0;
}

/*
 * The number that the XML has already, else one that follows from the UUID: so injecting again
 * changes nothing, and nothing is to be remembered of domains that may never be created.
 */
static guint32 choose_vm_id(const VgpuOperator *self, const VgpuDomain *domain)
{
    guint32 vm_id = domain->device != NULL ? domain->device->vm_id : 0;

    if (vm_id < 1 || vm_id > VGPU_VM_ID_MAX)
        vm_id = INJECT_FIRST + g_str_hash(domain->uuid) % INJECT_COUNT;
    while (!is_free(self, vm_id, domain->uuid)) /* ends: far fewer VMs run */
        vm_id = vm_id < VGPU_VM_ID_MAX ? vm_id + 1 : INJECT_FIRST;
    return vm_id;
}

static char *inject(const char *xml, GError **error, gpointer user_data)
{
    const VgpuOperator *self = user_data;
    g_autoptr(VgpuDomain) domain = NULL;

    if (!vgpu_domain_parse(xml, strlen(xml), &domain, error))
        return NULL;
    if (domain->uuid == NULL) {
        g_set_error_literal(error, VGPU_XML_ERROR, VGPU_XML_ERROR_ARGUMENT,
                            "the domain has no <uuid>, which names its socket: add one (uuidgen "
                            "makes it)");
        return NULL;
    }
    g_autofree char *path = vgpu_domain_socket_path(self->settings->run_dir, domain->uuid);
    const VgpuInjection wanted = {
        .emulator = self->settings->emulator,
        .socket_path = path,
        .vm_id = choose_vm_id(self, domain),
    };
    return vgpu_domain_xml_inject(xml, strlen(xml), &wanted, error);
}

static gboolean reload(GError **error, gpointer user_data)
{
    const VgpuOperator *self = user_data;

    return self->reload(error, self->daemon);
}

static gboolean drain(const char *member, gboolean on, GError **error, gpointer user_data)
{
    const VgpuOperator *self = user_data;

    return self->drain(member, on, error, self->daemon);
}

static gboolean move(VgpuSession *session, const char *member, gboolean force, GError **error,
                     gpointer user_data)
{
    const VgpuOperator *self = user_data;

    return self->move(session, member, force, error, self->daemon);
}

static gboolean quarantine(VgpuSession *session, guint seconds, GError **error, gpointer user_data)
{
    const VgpuOperator *self = user_data;

    return self->quarantine(session, seconds, error, self->daemon);
}

static gboolean release(VgpuSession *session, GError **error, gpointer user_data)
{
    const VgpuOperator *self = user_data;

    return self->release(session, error, self->daemon);
}

VgpuActions vgpu_operator_actions(VgpuOperator *self)
{
    return (VgpuActions){
        .set_element = set_element,
        .detach_all = detach_all,
        .attach_all = attach_all,
        .inject = inject,
        .reload = reload,
        .drain = drain,
        .move = move,
        .quarantine = quarantine,
        .release = release,
        .user_data = self,
    };
}
