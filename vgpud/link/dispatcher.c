/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dispatcher.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lease.h"

#define NS_PER_S G_GUINT64_CONSTANT(1000000000)
#define EVENTS   32 /* heard of in one turn of the main loop; others come with the next one */

typedef struct {
    char *key;
    VgpuSchedulerSettings settings;
    VgpuScheduler *scheduler;
    const VgpuTenant *stuck; /* whose worker does not end; NULL: nobody's */
} Device;

struct VgpuDispatcher {
    GPtrArray *devices; /* of Device; a handful, and none goes while its dispatcher lives */
    GHashTable *tenants;
    int epoll;
    int timer;
    guint64 timer_ns; /* when it goes off; G_MAXUINT64: it is not set */
    guint source;
};

enum { MEMORY, TO_VGPUD, TO_WORKER };

struct VgpuTenant {
    VgpuDispatcher *dispatcher; /* NULL: gone */
    Device *device;
    VgpuSchedulerClient *client;
    VgpuTenantFence fence;
    gpointer user_data;
    VgpuLease *lease;
    int fds[VGPU_TENANT_FDS];
    int wake; /* the pipe's end that is vgpud's */
};

static guint64 now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (guint64)time.tv_sec * NS_PER_S + (guint64)time.tv_nsec;
}

static void free_device(gpointer data)
{
    Device *device = data;

    vgpu_scheduler_free(device->scheduler);
    g_free(device->key);
    g_free(device);
}

static Device *find(const VgpuDispatcher *self, const char *key)
{
    for (guint i = 0; i < self->devices->len; i++) {
        Device *device = self->devices->pdata[i];

        if (g_str_equal(device->key, key))
            return device;
    }
    return NULL;
}

static void wake(const VgpuTenant *tenant)
{
    /* Fails when it is full; then the worker has enough in it to wake up. */
    ssize_t written = write(tenant->wake, "", 1);
    (void)written;
}

static void grant(VgpuTenant *tenant, const VgpuOrder *order)
{
    vgpu_lease_grant(tenant->lease, order->shared, (uint16_t)order->jobs);
    wake(tenant);
}

/* @stuck: NULL, or who has the device and does not end. */
static void set_stuck(VgpuDispatcher *self, Device *device, const VgpuTenant *stuck)
{
    GHashTableIter iter;
    gpointer key;

    device->stuck = stuck;
    g_hash_table_iter_init(&iter, self->tenants);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        VgpuTenant *tenant = key;

        if (tenant->device != device)
            continue;
        vgpu_lease_set_stuck(tenant->lease, stuck != NULL);
        wake(tenant);
    }
}

static void obey(VgpuTenant *tenant, VgpuOrder order, guint64 now_ns)
{
    VgpuScheduler *scheduler = tenant->device->scheduler;

    /* A lease that is taken from a worker that sleeps is returned at once: another order. */
    for (gboolean taken = TRUE; taken;) {
        taken = FALSE;
        if (order.client != NULL)
            tenant = order.client->owner;
        switch (order.kind) {
        case VGPU_ORDER_NONE:
            break;
        case VGPU_ORDER_GRANT:
            grant(tenant, &order);
            break;
        case VGPU_ORDER_SHARE:
            taken = vgpu_lease_share(tenant->lease);
            break;
        case VGPU_ORDER_ASK_BACK:
            taken = vgpu_lease_ask_back(tenant->lease);
            break;
        case VGPU_ORDER_FENCE:
            tenant->fence(tenant->user_data);
            break;
        }
        if (taken)
            order = vgpu_scheduler_returned(scheduler, order.client, 0, now_ns);
    }
}

/*
 * The timer is only ever set to an earlier time: that it goes off for nothing once does no harm,
 * and setting it for each turn of a device would cost a system call.
 */
static void set_timer(VgpuDispatcher *self)
{
    guint64 at_ns = G_MAXUINT64;

    for (guint i = 0; i < self->devices->len; i++) {
        const Device *device = self->devices->pdata[i];
        at_ns = MIN(at_ns, vgpu_scheduler_deadline(device->scheduler));
    }
    if (at_ns >= self->timer_ns)
        return;
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                     .tv_nsec = (long)MAX(at_ns % NS_PER_S, 1)}}; /* 0 and 0 would be never */
    if (timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        g_error("cannot set the schedulers' timer: %s", g_strerror(errno));
    self->timer_ns = at_ns;
}

/* What every call of a scheduler ends with. */
static void carry_out(VgpuTenant *tenant, VgpuOrder order, guint64 now_ns)
{
    obey(tenant, order, now_ns);
    set_timer(tenant->dispatcher);
}

static void hear(VgpuTenant *tenant, guint64 now_ns)
{
    VgpuScheduler *scheduler = tenant->device->scheduler;
    const guint32 said = vgpu_lease_hear(tenant->lease);
    const gboolean wants = (said & VGPU_LEASE_SAID_WANT) != 0;
    const gboolean unused = (said & VGPU_LEASE_SAID_UNUSED) != 0;
    const VgpuReturned how =
        (wants ? VGPU_RETURNED_WANTS : 0) | (unused ? VGPU_RETURNED_UNUSED : 0);

    if ((said & VGPU_LEASE_SAID_RETURNED) != 0)
        obey(tenant, vgpu_scheduler_returned(scheduler, tenant->client, how, now_ns), now_ns);
    /* Also then: what it returned may have been taken before. */
    if (wants)
        obey(tenant, vgpu_scheduler_want(scheduler, tenant->client, now_ns), now_ns);
}

static void tick(VgpuDispatcher *self, guint64 now_ns)
{
    for (guint i = 0; i < self->devices->len; i++) {
        Device *device = self->devices->pdata[i];

        if (vgpu_scheduler_deadline(device->scheduler) > now_ns)
            continue;
        const VgpuOrder order = vgpu_scheduler_tick(device->scheduler, now_ns);
        if (order.kind != VGPU_ORDER_NONE)
            obey(order.client->owner, order, now_ns);
    }
}

static gboolean on_events(gint fd, GIOCondition condition, gpointer data)
{
    VgpuDispatcher *self = data;
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(fd, events, EVENTS, 0);
    const guint64 now_ns = now();

    (void)condition;
    for (int i = 0; i < count; i++) {
        /* A fence may have freed one of them. */
        if (events[i].data.ptr == self)
            self->timer_ns = G_MAXUINT64; /* it has gone off */
        else if (g_hash_table_contains(self->tenants, events[i].data.ptr))
            hear(events[i].data.ptr, now_ns);
    }
    tick(self, now_ns);
    set_timer(self);
    return G_SOURCE_CONTINUE;
}

static gboolean fail(GError **error, const char *what)
{
    int saved = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "%s: %s", what, g_strerror(saved));
    return FALSE;
}

static gboolean watch(const VgpuDispatcher *self, int fd, gpointer whose, GError **error)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = whose};

    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ||
           fail(error, "cannot wait for a descriptor");
}

VgpuDispatcher *vgpu_dispatcher_new(GError **error)
{
    g_autoptr(VgpuDispatcher) self = g_new0(VgpuDispatcher, 1);

    self->devices = g_ptr_array_new_with_free_func(free_device);
    self->tenants = g_hash_table_new(NULL, NULL);
    self->timer_ns = G_MAXUINT64;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self->epoll < 0 || self->timer < 0) {
        fail(error, "cannot make the schedulers' descriptors");
        return NULL;
    }
    if (!watch(self, self->timer, self, error))
        return NULL;
    /* Not before others: a worker that says something all the time is not to be alone heard. */
    self->source = g_unix_fd_add(self->epoll, G_IO_IN, on_events, self);
    return g_steal_pointer(&self);
}

/* The lease is nobody's any more; what the worker says is not heard. */
static void leave(VgpuTenant *tenant)
{
    VgpuDispatcher *self = tenant->dispatcher;
    VgpuSchedulerClient *client = g_steal_pointer(&tenant->client);

    g_hash_table_remove(self->tenants, tenant);
    epoll_ctl(self->epoll, EPOLL_CTL_DEL, tenant->fds[TO_VGPUD], NULL);
    if (tenant->device != NULL && tenant->device->stuck == tenant)
        set_stuck(self, tenant->device, NULL);
    if (client != NULL) {
        const guint64 now_ns = now();
        carry_out(tenant, vgpu_scheduler_remove(tenant->device->scheduler, client, now_ns), now_ns);
    }
    tenant->dispatcher = NULL;
}

void vgpu_dispatcher_free(VgpuDispatcher *self)
{
    GHashTableIter iter;
    gpointer tenant;

    g_clear_handle_id(&self->source, g_source_remove);
    /* Nobody is to be given what another one leaves now. */
    for (guint i = 0; i < self->devices->len; i++) {
        Device *device = self->devices->pdata[i];
        vgpu_scheduler_pause(device->scheduler, now());
    }
    for (;;) {
        g_hash_table_iter_init(&iter, self->tenants);
        if (!g_hash_table_iter_next(&iter, &tenant, NULL))
            break;
        leave(tenant);
    }
    g_hash_table_unref(self->tenants);
    g_ptr_array_unref(self->devices);
    if (self->timer >= 0)
        close(self->timer);
    if (self->epoll >= 0)
        close(self->epoll);
    g_free(self);
}

void vgpu_dispatcher_configure(VgpuDispatcher *self, const char *key,
                               const VgpuSchedulerSettings *settings)
{
    Device *device = find(self, key);

    if (device == NULL)
        return;
    const guint64 now_ns = now();
    device->settings = *settings;
    const VgpuOrder order = vgpu_scheduler_configure(device->scheduler, settings, now_ns);
    if (order.kind != VGPU_ORDER_NONE)
        obey(order.client->owner, order, now_ns);
    set_timer(self);
}

const VgpuScheduler *vgpu_dispatcher_scheduler(const VgpuDispatcher *self, const char *key)
{
    const Device *device = find(self, key);

    return device != NULL ? device->scheduler : NULL;
}

static Device *device_of(VgpuDispatcher *self, const char *key,
                         const VgpuSchedulerSettings *settings)
{
    Device *device = find(self, key);

    if (device != NULL)
        return device;
    device = g_new0(Device, 1);
    device->key = g_strdup(key);
    device->settings = *settings;
    device->scheduler = vgpu_scheduler_new(settings, now());
    g_ptr_array_add(self->devices, device);
    return device;
}

/* The worker may write into the memory, not take it away from under vgpud. */
static gboolean make_lease(VgpuTenant *tenant, GError **error)
{
    int fd = memfd_create("vgpu-lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    tenant->fds[MEMORY] = fd;
    if (fd < 0 || ftruncate(fd, sizeof(VgpuLease)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return fail(error, "cannot make a lease");
    tenant->lease = mmap(NULL, sizeof(VgpuLease), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (tenant->lease != MAP_FAILED)
        return TRUE;
    tenant->lease = NULL;
    return fail(error, "cannot map a lease");
}

static gboolean make_wakes(VgpuTenant *tenant, GError **error)
{
    int ends[2];

    tenant->fds[TO_VGPUD] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (tenant->fds[TO_VGPUD] < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return fail(error, "cannot make a lease's descriptors");
    tenant->fds[TO_WORKER] = ends[0];
    tenant->wake = ends[1];
    return TRUE;
}

VgpuTenant *vgpu_tenant_new(VgpuDispatcher *dispatcher, const char *key,
                            const VgpuSchedulerSettings *settings, enum vgpu_priority priority,
                            guint weight, VgpuTenantFence fence, gpointer user_data, GError **error)
{
    g_autoptr(VgpuTenant) self = g_new0(VgpuTenant, 1);

    self->fence = fence;
    self->user_data = user_data;
    self->wake = -1;
    for (guint i = 0; i < VGPU_TENANT_FDS; i++)
        self->fds[i] = -1;
    if (!make_lease(self, error) || !make_wakes(self, error) ||
        !watch(dispatcher, self->fds[TO_VGPUD], self, error))
        return NULL;
    self->dispatcher = dispatcher;
    self->device = device_of(dispatcher, key, settings);
    self->client = vgpu_scheduler_add(self->device->scheduler, priority, weight, self);
    g_hash_table_add(dispatcher->tenants, self);
    vgpu_lease_set_stuck(self->lease, self->device->stuck != NULL);
    return g_steal_pointer(&self);
}

void vgpu_tenant_free(VgpuTenant *self)
{
    if (self->dispatcher != NULL)
        leave(self);
    for (guint i = 0; i < VGPU_TENANT_FDS; i++)
        if (self->fds[i] >= 0)
            close(self->fds[i]);
    if (self->wake >= 0)
        close(self->wake);
    if (self->lease != NULL)
        munmap(self->lease, sizeof(VgpuLease));
    g_free(self);
}

void vgpu_tenant_give_up(VgpuTenant *self)
{
    if (self->dispatcher != NULL)
        set_stuck(self->dispatcher, self->device, self);
}

void vgpu_tenant_set_priority(VgpuTenant *self, enum vgpu_priority priority)
{
    const guint64 now_ns = now();

    if (self->dispatcher != NULL)
        carry_out(
            self,
            vgpu_scheduler_set_priority(self->device->scheduler, self->client, priority, now_ns),
            now_ns);
}

void vgpu_tenant_set_weight(VgpuTenant *self, guint weight)
{
    const guint64 now_ns = now();

    if (self->dispatcher != NULL)
        carry_out(self,
                  vgpu_scheduler_set_weight(self->device->scheduler, self->client, weight, now_ns),
                  now_ns);
}

void vgpu_tenant_set_share(VgpuTenant *self, guint percent)
{
    const guint64 now_ns = now();

    if (self->dispatcher != NULL)
        carry_out(self,
                  vgpu_scheduler_set_share(self->device->scheduler, self->client, percent, now_ns),
                  now_ns);
}

const int *vgpu_tenant_descriptors(const VgpuTenant *self)
{
    return self->fds;
}

guint vgpu_tenant_window(const VgpuTenant *self)
{
    return self->device->settings.window;
}

const VgpuSchedulerClient *vgpu_tenant_client(const VgpuTenant *self)
{
    return self->client;
}
