/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-events.h"

static void release(gpointer shared)
{
    vgpu_host_shared_unref(shared);
}

static void on_lifecycle(virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, int event,
                         int detail G_GNUC_UNUSED, gpointer data)
{
    VgpuHostShared *shared = data;
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(domain, uuid) < 0)
        return;
    switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
        vgpu_host_work_resume(shared->work, uuid);
        vgpu_host_work_add(shared->work, uuid);
        break;
    /*
     * Ends no hold: a failed start brings no event, so it is the former run's, come late while the
     * next start is under way.
     */
    case VIR_DOMAIN_EVENT_STOPPED:
    case VIR_DOMAIN_EVENT_DEFINED:
    case VIR_DOMAIN_EVENT_UNDEFINED:
        vgpu_host_work_add(shared->work, uuid);
        break;
    default: /* the others change neither the definition nor whether it runs */
        break;
    }
}

static void on_metadata(virConnectPtr connection G_GNUC_UNUSED, virDomainPtr domain, int type,
                        const char *uri, gpointer data)
{
    VgpuHostShared *shared = data;
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (type != VIR_DOMAIN_METADATA_ELEMENT || uri == NULL)
        return;
    if (!g_str_equal(uri, VGPU_XML_NAMESPACE) && !g_str_equal(uri, VGPU_XML_STATE_NAMESPACE))
        return;
    if (virDomainGetUUIDString(domain, uuid) == 0)
        vgpu_host_work_add(shared->work, uuid);
}

static void on_close(virConnectPtr connection G_GNUC_UNUSED, int reason, gpointer data)
{
    VgpuHostShared *shared = data;

    switch (reason) {
    case VIR_CONNECT_CLOSE_REASON_EOF:
        vgpu_host_work_lose(shared->work, "libvirtd closed the connection");
        break;
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
        vgpu_host_work_lose(shared->work, "libvirtd does not answer");
        break;
    default:
        vgpu_host_work_lose(shared->work, "the connection to libvirtd broke");
        break;
    }
}

static int register_any(virConnectPtr connection, int event,
                        virConnectDomainEventGenericCallback cb, VgpuHostShared *shared)
{
    int id = virConnectDomainEventRegisterAny(connection, NULL, event, cb,
                                              vgpu_host_shared_ref(shared), release);

    if (id < 0)
        vgpu_host_shared_unref(shared);
    return id;
}

gboolean vgpu_host_events_register(VgpuHostEvents *events, virConnectPtr connection,
                                   VgpuHostShared *shared)
{
    /*
     * Without a reference of its own: drivers without a daemon take the callback, then never call
     * nor free it. The caller's reference outlasts the registration, whose end waits for a call.
     */
    virConnectRegisterCloseCallback(connection, on_close, shared, NULL);

    events->metadata = -1;
    events->lifecycle = register_any(connection, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                     VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), shared);
    if (events->lifecycle < 0)
        return FALSE;
    events->metadata = register_any(connection, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                                    VIR_DOMAIN_EVENT_CALLBACK(on_metadata), shared);
    return events->metadata >= 0;
}

void vgpu_host_events_deregister(VgpuHostEvents *events, virConnectPtr connection)
{
    if (events->lifecycle >= 0)
        virConnectDomainEventDeregisterAny(connection, events->lifecycle);
    if (events->metadata >= 0)
        virConnectDomainEventDeregisterAny(connection, events->metadata);
    virConnectUnregisterCloseCallback(connection, on_close);
}
