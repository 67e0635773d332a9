/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <libxml/parser.h>
#include <signal.h>

#include "host-libvirt.h"
#include "host-order.h"
#include "host-shared.h"
#include "host-thread.h"

/* How long vgpu_host_free() waits for a libvirt call: a healthy one takes milliseconds. */
#define JOIN_TIMEOUT_MS 2000u

struct VgpuHost {
    VgpuHostShared *shared;
    VgpuHostListener listener;
    gpointer user_data;
    GThread *thread; /* NULL: not started */
    gboolean connected;
    gboolean detached;
    char *description;
};

/* libvirt's own handler prints to stderr; every failed call is reported where it is made. */
static void ignore_error(gpointer data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static gpointer prepare_libraries(gpointer data G_GNUC_UNUSED)
{
    signal(SIGPIPE, SIG_IGN); /* libvirt's sockets raise it when libvirtd has just gone */
    xmlInitParser(); /* from now on two threads parse; its own lazy start is not safe then */
    virInitialize();
    virSetErrorFunc(NULL, ignore_error);
    virEventRegisterDefaultImpl();
    return NULL;
}

static void set_connected(VgpuHost *host, gboolean connected, const char *detail)
{
    host->connected = connected;
    g_free(host->description);
    host->description =
        connected ? g_strdup(detail) : g_strdup_printf("%s: %s", host->shared->uri, detail);
    if (host->listener.connected != NULL)
        host->listener.connected(connected, detail, host->user_data);
}

static void receive(gpointer receiver, const VgpuHostNews *news)
{
    VgpuHost *host = receiver;

    switch (news->kind) {
    case VGPU_HOST_NEWS_CONNECTED:
        set_connected(host, TRUE, news->text);
        break;
    case VGPU_HOST_NEWS_DISCONNECTED:
        set_connected(host, FALSE, news->text);
        break;
    case VGPU_HOST_NEWS_RUNNING:
        if (host->listener.running != NULL)
            host->listener.running(news->live, host->user_data);
        break;
    case VGPU_HOST_NEWS_STOPPED:
        if (host->listener.stopped != NULL)
            host->listener.stopped(news->text, host->user_data);
        break;
    case VGPU_HOST_NEWS_UNPLUGGED:
        if (host->listener.unplugged != NULL)
            host->listener.unplugged(news->text, host->user_data);
        break;
    case VGPU_HOST_NEWS_SCANNED:
        if (host->listener.scanned != NULL)
            host->listener.scanned(host->user_data);
        break;
    case VGPU_HOST_NEWS_DONE:
        if (news->order->kind != VGPU_HOST_ORDER_SET_ELEMENT && news->order->executed)
            host->detached = news->order->kind == VGPU_HOST_ORDER_DETACH_ALL;
        if (news->order->done != NULL)
            news->order->done(news->order->error, news->order->user_data);
        break;
    }
}

VgpuHost *vgpu_host_new(const VgpuHostOptions *options, const VgpuHostListener *listener,
                        gpointer user_data)
{
    static GOnce once = G_ONCE_INIT;
    VgpuHost *host = g_new0(VgpuHost, 1);

    g_once(&once, prepare_libraries, NULL);
    host->shared = vgpu_host_shared_new(options->uri, options->emulator, options->run_dir);
    host->shared->receive = receive;
    host->shared->receiver = host;
    host->listener = *listener;
    host->user_data = user_data;
    host->description = g_strdup_printf("%s: not connected yet", options->uri);
    return host;
}

void vgpu_host_start(VgpuHost *host)
{
    g_return_if_fail(host->thread == NULL);
    host->thread = vgpu_host_thread_start(host->shared);
}

void vgpu_host_free(VgpuHost *host)
{
    if (host == NULL)
        return;
    host->shared->receiver = NULL;
    if (host->thread != NULL) {
        vgpu_host_work_quit(host->shared->work);
        if (vgpu_host_work_join(host->shared->work, JOIN_TIMEOUT_MS))
            g_thread_join(host->thread);
        else
            g_thread_unref(host->thread);
    }
    vgpu_host_shared_unref(host->shared);
    g_free(host->description);
    g_free(host);
}

void vgpu_host_hold(VgpuHost *host, const char *uuid)
{
    vgpu_host_work_hold(host->shared->work, uuid);
}

gboolean vgpu_host_is_held(const VgpuHost *host, const char *uuid)
{
    return vgpu_host_work_is_held(host->shared->work, uuid);
}

void vgpu_host_resume(VgpuHost *host, const char *uuid)
{
    vgpu_host_work_resume(host->shared->work, uuid);
}

static void give_order(VgpuHost *host, VgpuHostOrder *order)
{
    if (host->connected) {
        vgpu_host_work_order(host->shared->work, order);
        return;
    }
    vgpu_host_order_refuse(order, host->description);
    vgpu_host_shared_post_done(host->shared, order);
}

void vgpu_host_set_element(VgpuHost *host, const char *domain, const VgpuConfig *config,
                           VgpuHostDone done, gpointer user_data)
{
    give_order(host,
               vgpu_host_order_new(VGPU_HOST_ORDER_SET_ELEMENT, domain, config, done, user_data));
}

void vgpu_host_detach_all(VgpuHost *host, VgpuHostDone done, gpointer user_data)
{
    give_order(host, vgpu_host_order_new(VGPU_HOST_ORDER_DETACH_ALL, NULL, NULL, done, user_data));
}

void vgpu_host_attach_all(VgpuHost *host, VgpuHostDone done, gpointer user_data)
{
    give_order(host, vgpu_host_order_new(VGPU_HOST_ORDER_ATTACH_ALL, NULL, NULL, done, user_data));
}

gboolean vgpu_host_is_detached(const VgpuHost *host)
{
    return host->detached;
}

gboolean vgpu_host_is_connected(const VgpuHost *host)
{
    return host->connected;
}

const char *vgpu_host_describe(const VgpuHost *host)
{
    return host->description;
}
