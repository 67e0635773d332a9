/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a domain may start: is the device in place, is there a place in the pool? */
#include <string.h>

#include "daemon-private.h"
#include "vgpu-hotplug.h"
#include "vgpu-inject.h"
#include "vgpu-names.h"

/*
 * The device is not in place as vgpud would have put it there. It can still be added once the
 * domain runs, if nothing of it is there yet and the domain is made for that; else @error says the
 * way out.
 */
static gboolean check_hotplug(VgpuDaemon *self, const VgpuHookRequest *request,
                              const VgpuDomain *domain, GError **error)
{
    g_autoptr(GError) reason = NULL;
    VgpuHotplugPlace place;

    if (vgpu_host_is_detached(self->host)) {
        g_set_error_literal(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                            "vgpud has been detached from all domains: 'vgpuctl attach --all' puts "
                            "the device back; or take the vgpu element out of the domain");
        return FALSE;
    }
    if (domain->device != NULL)
        reason = g_error_new_literal(VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                                     "what stands there is not up to date");
    else if (vgpu_domain_xml_hotplug_place(request->xml, request->xml_length,
                                           self->settings->emulator, &place, &reason))
        return TRUE;
    g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                "its vgpu device is not in place yet: vgpud adds it right after 'virsh define', so "
                "start the domain again; for 'virsh create', pass the XML through 'vgpuctl inject' "
                "first (it cannot be added while the domain runs: %s)",
                reason->message);
    return FALSE;
}

/* Is all of our device in this XML, as vgpud would have put it there? *late: no, but it can be. */
static gboolean check_device(VgpuDaemon *self, const VgpuHookRequest *request,
                             const VgpuDomain *domain, gboolean *late, GError **error)
{
    g_autofree char *path = vgpu_domain_socket_path(self->settings->run_dir, domain->uuid);
    const VgpuInjection wanted = {
        .emulator = self->settings->emulator,
        .socket_path = path,
        /* Any number is right as long as nobody else has it. */
        .vm_id = domain->device != NULL ? CLAMP(domain->device->vm_id, 1, VGPU_VM_ID_MAX) : 1,
    };
    g_autofree char *xml =
        vgpu_domain_xml_inject(request->xml, request->xml_length, &wanted, error);

    if (xml == NULL)
        return FALSE;
    *late = !g_str_equal(xml, request->xml);
    if (*late)
        return check_hotplug(self, request, domain, error);

    VgpuSession *other = vgpu_sessions_by_vm_id(self->sessions, wanted.vm_id);
    if (other != NULL && !g_str_equal(other->uuid, domain->uuid)) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG,
                    "its vgpu device has the VM number %u of the running domain '%s': define the "
                    "domain again",
                    wanted.vm_id, other->name);
        return FALSE;
    }
    return TRUE;
}

/* Takes a place, *@member, for a VM that starts; NULL and TRUE: it may start and wait for one. */
static gboolean admit(VgpuDaemon *self, char letter, VgpuMember **member, GError **error)
{
    g_autoptr(GError) failure = NULL;
    const VgpuPool *pool = vgpu_pools_get(self->settings->pools, letter);

    *member = vgpu_pools_place(self->settings->pools, letter, &failure);
    if (*member != NULL)
        return TRUE;
    if (g_error_matches(failure, VGPU_POOL_ERROR, VGPU_POOL_ERROR_FULL) && pool->rules.waits)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean prepare(VgpuDaemon *self, const VgpuHookRequest *request, const VgpuDomain *domain,
                        GError **error)
{
    gboolean late;

    if (!check_device(self, request, domain, &late, error))
        return FALSE;
    vgpu_daemon_end_session(self, domain->uuid); /* of a run whose end nobody told us */

    VgpuMember *member = NULL;
    if (!admit(self, domain->config->pool, &member, error))
        return FALSE;
    if (late)
        g_clear_pointer(&member, vgpu_member_leave); /* on_running() makes the session */
    else if (!vgpu_daemon_begin_session(self, domain, domain->config, member, error))
        return FALSE;
    vgpu_host_hold(self->host, domain->uuid);
    g_message("domain '%s': may start, pool %c, priority %s, %s%s", domain->name,
              domain->config->pool, vgpu_priority_name(domain->config->priority),
              late             ? "its device is added once it runs"
              : member == NULL ? "without a place: it waits for one"
                               : "on ",
              member != NULL ? member->name : "");
    return TRUE;
}

gboolean vgpu_daemon_on_hook(const VgpuHookRequest *request, GError **error, gpointer data)
{
    VgpuDaemon *self = data;
    g_autoptr(VgpuDomain) domain = NULL;

    if (!vgpu_domain_parse(request->xml, request->xml_length, &domain, error))
        return FALSE;
    if (domain->uuid == NULL || domain->name == NULL) {
        g_set_error_literal(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                            "the hook's domain XML has no uuid or no name");
        return FALSE;
    }
    if (g_str_equal(request->operation, "prepare") && domain->config_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&domain->config_error));
        return FALSE;
    }
    if (g_str_equal(request->operation, "prepare") && domain->config != NULL)
        return prepare(self, request, domain, error);
    if (g_str_equal(request->operation, "release")) {
        vgpu_daemon_end_session(self, domain->uuid);
        vgpu_host_resume(self->host, domain->uuid);
    }
    return TRUE;
}
