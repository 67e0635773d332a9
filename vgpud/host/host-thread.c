/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-thread.h"

#include "host-events.h"
#include "host-look.h"
#include "host-order.h"
#include "host-running.h"

/* Between two tries to connect: doubled from the first to the last. */
#define FIRST_DELAY_MS 1000u
#define LAST_DELAY_MS  30000u

typedef struct {
    VgpuHostShared *shared;
    VgpuHostLook look;       /* and the connection for calls */
    virConnectPtr listening; /* the connection for events, which lasts; NULL: there is none */
    VgpuHostEvents events;
    guint delay_ms; /* until the next try to connect */
    char *said;     /* why there is no connection, as the main thread knows it; NULL: it has one */
} Thread;

static void ignore_error(gpointer data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static virConnectPtr open_connection(Thread *self)
{
    virConnectPtr connection = virConnectOpen(self->shared->uri);

    /* Each connection has an error handler of its own besides the process's. */
    if (connection != NULL)
        virConnSetErrorFunc(connection, NULL, ignore_error);
    return connection;
}

/* A driver without a daemon cannot do it, and needs not. */
static void start_keepalive(virConnectPtr connection)
{
    virConnectSetKeepAlive(connection, VGPU_HOST_KEEPALIVE_S, VGPU_HOST_KEEPALIVE_COUNT);
}

/*
 * A keepalive is wanted only while a call is under way: an idle connection needs no waking up, its
 * end is told by the kernel, and a daemon that merely hangs has the events in its socket when it
 * goes on. libvirt can stop a connection's keepalive, but not start it again ("keepalive interval
 * already set"). So the connection for calls is renewed when there is nothing to do, ahead of the
 * next call; that for events stays, since events would be lost between two.
 */
static void rest(Thread *self)
{
    virConnectClose(self->look.connection);
    self->look.connection = open_connection(self);
    if (self->look.connection == NULL) {
        g_autofree char *reason = vgpu_host_libvirt_error();

        vgpu_host_work_lose(self->shared->work, reason);
    }
}

static void append_version(GString *text, const char *what, unsigned long version)
{
    g_string_append_printf(text, ", %s %lu.%lu.%lu", what, version / 1000000, version / 1000 % 1000,
                           version % 1000);
}

static char *describe(Thread *self)
{
    GString *text = g_string_new(self->shared->uri);
    const char *type = virConnectGetType(self->look.connection);
    unsigned long version = 0;

    if (virConnectGetLibVersion(self->look.connection, &version) == 0)
        append_version(text, "libvirt", version);
    if (type != NULL && virConnectGetVersion(self->look.connection, &version) == 0)
        append_version(text, type, version);
    return g_string_free(text, FALSE);
}

static void disconnect(Thread *self)
{
    if (self->look.connection != NULL)
        virConnectClose(self->look.connection);
    self->look.connection = NULL;
    if (self->listening == NULL)
        return;
    vgpu_host_events_deregister(&self->events, self->listening);
    virConnectClose(self->listening);
    self->listening = NULL;
}

/* Events first, then the scan: what changes in between comes up twice, never not at all. */
static gboolean connect_libvirt(Thread *self)
{
    vgpu_host_work_renew(self->shared->work);
    self->look.connection = open_connection(self);
    if (self->look.connection == NULL)
        return FALSE;
    self->events = (VgpuHostEvents){-1, -1};
    self->listening = open_connection(self);
    if (self->listening == NULL)
        return FALSE;

    start_keepalive(self->look.connection);
    start_keepalive(self->listening);
    gboolean done = vgpu_host_events_register(&self->events, self->listening, self->shared);
    virConnectSetKeepAlive(self->listening, 0, 0);
    return done;
}

/* What was asked for while there was a connection: too late, and not to be done at some time. */
static void refuse_orders(Thread *self)
{
    VgpuHostOrder *order;

    while ((order = vgpu_host_work_take_order(self->shared->work)) != NULL) {
        vgpu_host_order_refuse(order, self->said != NULL ? self->said : "vgpud ends");
        vgpu_host_shared_post_done(self->shared, order);
    }
}

/* Works for as long as the connection lasts. */
static void serve(Thread *self)
{
    VgpuHostTask task;

    g_clear_pointer(&self->said, g_free);
    vgpu_host_shared_post(self->shared, VGPU_HOST_NEWS_CONNECTED, describe(self), NULL);
    gint64 begin = g_get_monotonic_time();
    if (!vgpu_host_look_at_all(&self->look, NULL))
        return;
    g_info("all domains looked at in %.3f s",
           (double)(g_get_monotonic_time() - begin) / G_USEC_PER_SEC);
    vgpu_host_shared_post(self->shared, VGPU_HOST_NEWS_SCANNED, NULL, NULL);
    self->delay_ms = FIRST_DELAY_MS;

    do {
        g_autofree char *uuid = NULL;

        task = vgpu_host_work_take(self->shared->work, FALSE, &uuid);
        if (task == VGPU_HOST_TASK_NONE) {
            rest(self);
            task = vgpu_host_work_take(self->shared->work, TRUE, &uuid);
            if (self->look.connection != NULL)
                start_keepalive(self->look.connection);
        }
        vgpu_host_running_take_results(&self->look);
        if (task == VGPU_HOST_TASK_LOOK)
            vgpu_host_look_at_uuid(&self->look, uuid);
        else if (task == VGPU_HOST_TASK_ORDER)
            vgpu_host_order_execute(vgpu_host_work_take_order(self->shared->work), &self->look);
    } while (task == VGPU_HOST_TASK_LOOK || task == VGPU_HOST_TASK_ORDER);
}

static void say_disconnected(Thread *self, const char *reason)
{
    if (g_strcmp0(self->said, reason) == 0)
        return;
    g_free(self->said);
    self->said = g_strdup(reason);
    vgpu_host_shared_post(self->shared, VGPU_HOST_NEWS_DISCONNECTED, g_strdup(reason), NULL);
}

static gpointer run(gpointer data)
{
    Thread self = {.shared = data, .delay_ms = FIRST_DELAY_MS};

    guint delay_ms;

    vgpu_host_look_init(&self.look, self.shared);
    do {
        g_autofree char *reason = NULL;

        if (connect_libvirt(&self)) {
            serve(&self);
            reason = vgpu_host_work_loss(self.shared->work);
        } else {
            reason = vgpu_host_libvirt_error();
        }
        /* First: a libvirtd that hangs lets nobody take leave of it. */
        if (reason != NULL)
            say_disconnected(&self, reason);
        refuse_orders(&self);
        disconnect(&self);
        delay_ms = self.delay_ms;
        self.delay_ms = MIN(2 * delay_ms, LAST_DELAY_MS);
    } while (vgpu_host_work_sleep(self.shared->work, delay_ms));

    vgpu_host_look_clear(&self.look);
    g_free(self.said);
    vgpu_host_work_finish(self.shared->work);
    vgpu_host_shared_unref(self.shared);
    return NULL;
}

GThread *vgpu_host_thread_start(VgpuHostShared *shared)
{
    return g_thread_new("libvirt", run, vgpu_host_shared_ref(shared));
}
