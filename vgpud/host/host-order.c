/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-order.h"

G_DEFINE_QUARK(vgpu - host - error - quark, vgpu_host_error)

VgpuHostOrder *vgpu_host_order_new(VgpuHostOrderKind kind, const char *domain,
                                   const VgpuConfig *config, VgpuHostDone done, gpointer user_data)
{
    VgpuHostOrder *order = g_new0(VgpuHostOrder, 1);

    order->kind = kind;
    order->domain = g_strdup(domain);
    order->config = config != NULL ? vgpu_config_copy(config) : NULL;
    order->done = done;
    order->user_data = user_data;
    return order;
}

void vgpu_host_order_free(VgpuHostOrder *order)
{
    g_free(order->domain);
    vgpu_config_free(order->config);
    g_clear_error(&order->error);
    g_free(order);
}

void vgpu_host_order_refuse(VgpuHostOrder *order, const char *reason)
{
    g_set_error(&order->error, VGPU_HOST_ERROR, VGPU_HOST_ERROR_NOT_CONNECTED,
                "there is no connection to libvirt: %s", reason);
}

static void set_libvirt_error(GError **error, VgpuHostError code, const char *doing)
{
    g_autofree char *reason = vgpu_host_libvirt_error();

    g_set_error(error, VGPU_HOST_ERROR, code, "cannot %s: %s", doing, reason);
}

/* A name may look like a UUID: libvirt allows it. */
static virDomainPtr find_domain(virConnectPtr connection, const char *text, GError **error)
{
    virDomainPtr domain = NULL;

    if (g_uuid_string_is_valid(text))
        domain = virDomainLookupByUUIDString(connection, text);
    if (domain == NULL)
        domain = virDomainLookupByName(connection, text);
    if (domain != NULL)
        return domain;
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        g_set_error(error, VGPU_HOST_ERROR, VGPU_HOST_ERROR_NO_DOMAIN,
                    "libvirt has no domain '%s'; 'virsh list --all' shows them", text);
    else
        set_libvirt_error(error, VGPU_HOST_ERROR_FAILED, "look the domain up");
    return NULL;
}

static void set_element(VgpuHostOrder *order, virConnectPtr connection)
{
    g_autoptr(virDomain) domain = find_domain(connection, order->domain, &order->error);
    char uuid[VIR_UUID_STRING_BUFLEN];
    unsigned int flags = 0;

    if (domain == NULL || virDomainGetUUIDString(domain, uuid) < 0)
        return;
    if (vgpu_host_work_is_held(order->shared->work, uuid)) {
        g_set_error(&order->error, VGPU_HOST_ERROR, VGPU_HOST_ERROR_BUSY,
                    "the domain is being started right now; try again when it runs");
        return;
    }
    if (virDomainIsPersistent(domain) == 1)
        flags |= VIR_DOMAIN_AFFECT_CONFIG;
    if (virDomainIsActive(domain) == 1)
        flags |= VIR_DOMAIN_AFFECT_LIVE;

    g_autofree char *element = order->config != NULL ? vgpu_config_format(order->config) : NULL;
    if (virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, element, "vgpu",
                             VGPU_XML_NAMESPACE, flags) < 0)
        set_libvirt_error(&order->error, VGPU_HOST_ERROR_FAILED, "change the domain's metadata");
}

/* From now on each look takes our device out, or puts it in again; this is the look at all. */
static void set_detached(VgpuHostOrder *order, VgpuHostLook *look, gboolean detached)
{
    guint left;

    vgpu_reconciler_set_detached(look->reconciler, detached);
    if (!vgpu_host_look_at_all(look, &left)) {
        g_autofree char *reason = vgpu_host_work_loss(look->shared->work);

        vgpu_host_order_refuse(order, reason != NULL ? reason : "vgpud ends");
    } else if (left > 0) {
        g_set_error(&order->error, VGPU_HOST_ERROR, VGPU_HOST_ERROR_FAILED,
                    "the definitions of %u domains could not be changed yet, because they are "
                    "just starting or for what vgpud's log says about them",
                    left);
    }
}

static void run_set_element(gpointer data, gpointer user_data G_GNUC_UNUSED)
{
    VgpuHostOrder *order = data;
    g_autoptr(VgpuHostShared) shared = order->shared;
    virConnectPtr connection = virConnectOpen(shared->uri);

    if (connection != NULL) {
        virConnectSetKeepAlive(connection, VGPU_HOST_KEEPALIVE_S, VGPU_HOST_KEEPALIVE_COUNT);
        set_element(order, connection);
        virConnectClose(connection);
    } else {
        set_libvirt_error(&order->error, VGPU_HOST_ERROR_NOT_CONNECTED, "connect to libvirt");
    }
    vgpu_host_shared_post_done(shared, order);
}

GThreadPool *vgpu_host_order_pool_new(void)
{
    return g_thread_pool_new(run_set_element, NULL, 1, FALSE, NULL);
}

void vgpu_host_order_execute(VgpuHostOrder *order, VgpuHostLook *look)
{
    order->executed = TRUE;
    if (order->kind == VGPU_HOST_ORDER_SET_ELEMENT) {
        order->shared = vgpu_host_shared_ref(look->shared);
        g_thread_pool_push(look->orders, order, NULL);
        return;
    }
    set_detached(order, look, order->kind == VGPU_HOST_ORDER_DETACH_ALL);
    vgpu_host_shared_post_done(look->shared, order);
}
