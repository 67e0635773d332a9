/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker-exit.h"

#define BATCH     32u     /* commands of one queue before it is another's turn */
#define PASSES    16u     /* busy turns of all queues between two looks at the clock, */
#define LOOK_NS   50000u  /* and the time between two at the channel, which take a system call */
#define SPIN_NS   100000u /* at most: what a sleep and a wake-up cost on a slow machine */
#define DEVICE_NS 20000u  /* the same while the device works, which may be this very CPU */
#define NS_PER_MS 1000000u

/* What woke the loop, in epoll's data. */
enum { FROM_CHANNEL, FROM_QUEUE, FROM_VGPUD };

static guint64 now(void *data)
{
    (void)data;
    return vgpu_deadline_now();
}

static void relax(void *data)
{
    (void)data;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static gboolean watch(const VgpuLoop *loop, int fd, guint32 events, guint64 source, GError **error)
{
    struct epoll_event event = {.events = events, .data = {.u64 = source}};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return TRUE;
    int saved = errno;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot wait for a descriptor: %s",
                g_strerror(saved));
    return FALSE;
}

/*
 * Eventfds are told by their edges: each write is one, and nobody has to read them. However often a
 * guest rings, it is one event for each sleep; and their counters do not wrap, they stop.
 */
static gboolean watch_all(const VgpuLoop *loop, int doorbells, GError **error)
{
    if (!watch(loop, loop->service->channel, EPOLLIN, FROM_CHANNEL, error) ||
        !watch(loop, loop->device, EPOLLIN | EPOLLET, FROM_QUEUE, error))
        return FALSE;
    /* Its level: what is in it is read. */
    if (loop->granted >= 0 && !watch(loop, loop->granted, EPOLLIN, FROM_VGPUD, error))
        return FALSE;
    for (guint i = 0; i < loop->count; i++)
        if (!watch(loop, doorbells + 2 * (int)i, EPOLLIN | EPOLLET, FROM_QUEUE, error))
            return FALSE;
    return TRUE;
}

gboolean vgpu_loop_init(VgpuLoop *loop, VgpuService *service, void *memory, gsize size, guint count,
                        int doorbells, int granted, GError **error)
{
    const gsize slot = vgpu_queue_slot_size(size, count);
    const VgpuSpinMachine machine = {.now = now, .relax = relax};
    const gboolean alone = sysconf(_SC_NPROCESSORS_ONLN) == 1;

    *loop = (VgpuLoop){
        .service = service,
        .lanes = g_new0(VgpuLane, count),
        .count = count,
        .granted = granted,
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .device = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .spin = vgpu_spin_new(machine, alone ? 0 : SPIN_NS),
        .device_spin = vgpu_spin_new(machine, alone ? 0 : DEVICE_NS),
    };
    service->build_wake = loop->device;
    for (guint i = 0; i < count; i++)
        vgpu_lane_init(&loop->lanes[i], service, i, (guint8 *)memory + i * slot, slot,
                       doorbells + 2 * (int)i + 1);
    if (watch_all(loop, doorbells, error))
        return TRUE;
    vgpu_loop_clear(loop);
    return FALSE;
}

gboolean vgpu_loop_is_busy(const VgpuLoop *loop)
{
    for (guint i = 0; i < loop->count; i++)
        if (vgpu_lane_due(&loop->lanes[i]) != G_MAXUINT64)
            return TRUE;
    return FALSE;
}

void vgpu_loop_clear(VgpuLoop *loop)
{
    const gboolean runs = vgpu_loop_is_busy(loop);

    for (guint i = 0; i < loop->count; i++)
        if (vgpu_lane_due(&loop->lanes[i]) == G_MAXUINT64)
            vgpu_lane_clear(&loop->lanes[i]);
    /* The device may still write the eventfd, and what runs has its buffers. */
    if (!runs) {
        g_free(loop->lanes);
        if (loop->device >= 0)
            close(loop->device);
    }
    if (loop->epoll >= 0)
        close(loop->epoll);
}

static gboolean serve_lanes(VgpuLoop *loop)
{
    gboolean worked = FALSE;

    for (guint i = 0; i < loop->count; i++)
        worked |= vgpu_lane_serve(&loop->lanes[i], BATCH);
    return worked;
}

static gboolean is_any(const VgpuLoop *loop, gboolean (*is)(const VgpuLane *lane))
{
    for (guint i = 0; i < loop->count; i++)
        if (is(&loop->lanes[i]))
            return TRUE;
    return FALSE;
}

/* When something that waits by the clock is to be tried again; G_MAXUINT64: nothing does. */
static guint64 next_try(const VgpuLoop *loop)
{
    guint64 first = vgpu_service_until(loop->service);

    for (guint i = 0; i < loop->count; i++)
        first = MIN(first, vgpu_lane_until(&loop->lanes[i]));
    return first;
}

/* Whether the device has something of ours that has not been found ended. */
static gboolean is_submitted(const VgpuLoop *loop)
{
    for (guint i = 0; i < loop->count; i++)
        if (loop->lanes[i].owner != NULL && loop->lanes[i].owner->count > 0)
            return TRUE;
    return FALSE;
}

/* Whether serve_lanes() would find something, or the device is to be given back. */
static bool is_ready(void *data)
{
    VgpuLoop *loop = data;
    const VgpuTurn *turn = &loop->service->turn;
    /* Then that something has ended matters, too. */
    gboolean blocked = vgpu_turn_is_over(turn, TRUE);

    if (vgpu_turn_has_news(turn) && (!blocked || !is_submitted(loop)))
        return true;

    for (guint i = 0; i < loop->count; i++) {
        VgpuLane *lane = &loop->lanes[i];

        if (vgpu_lane_has_built(lane))
            return true;
        if (vgpu_lane_is_blocked(lane))
            blocked = TRUE;
        else if (vgpu_queue_ready(&lane->queue))
            return true;
    }
    /* A lane may wait for what another one has on the device: they share the VM's quota. */
    for (guint i = 0; blocked && i < loop->count; i++) {
        const VgpuOwner *owner = loop->lanes[i].owner;

        if (owner != NULL && vgpu_owner_has_ended(owner))
            return true;
    }
    return false;
}

/* Ends the process if something has been on the device for too long; else returns the first time at
 * which that will be so, G_MAXUINT64: nothing is there. */
static guint64 check_deadlines(VgpuLoop *loop)
{
    guint64 first = G_MAXUINT64;

    for (guint i = 0; i < loop->count; i++)
        first = MIN(first, vgpu_lane_due(&loop->lanes[i]));
    if (first == G_MAXUINT64 || first > vgpu_deadline_now())
        return first;
    for (guint i = 0; i < loop->count; i++)
        if (vgpu_lane_due(&loop->lanes[i]) <= first)
            vgpu_lane_give_up(&loop->lanes[i]);
    return first;
}

/* Asks to be woken by each queue, and by the device; FALSE: something has come meanwhile. */
static gboolean park(VgpuLoop *loop)
{
    gboolean quiet = TRUE;

    for (guint i = 0; i < loop->count; i++) {
        VgpuLane *lane = &loop->lanes[i];

        /* What a blocked lane waits for comes from the device; its guest may write on. */
        if (!vgpu_lane_is_blocked(lane))
            quiet &= vgpu_queue_park(&lane->queue);
        if (lane->owner != NULL)
            quiet &= vgpu_owner_notify(lane->owner, !vgpu_lane_wants_room(lane), loop->device);
    }
    return quiet;
}

static void unpark(VgpuLoop *loop)
{
    for (guint i = 0; i < loop->count; i++)
        if (!vgpu_lane_is_blocked(&loop->lanes[i]))
            vgpu_queue_unpark(&loop->lanes[i].queue);
}

/* Milliseconds until @at_ns, rounded up, for epoll_wait(); -1: for ever. */
static int timeout_until(guint64 at_ns)
{
    if (at_ns == G_MAXUINT64)
        return -1;
    const guint64 now_ns = vgpu_deadline_now();
    return at_ns <= now_ns ? 0 : (int)MIN((at_ns - now_ns) / NS_PER_MS + 1, G_MAXINT);
}

/* One byte for each grant, and what it says is in the lease. */
static void drain(int fd)
{
    char bytes[64];

    while (read(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
        continue;
}

/* Waits for @timeout_ms at most; returns whether the channel is readable. */
static gboolean wait_for_events(const VgpuLoop *loop, int timeout_ms)
{
    struct epoll_event events[VGPU_QUEUE_MAX + 3]; /* all that there can be: one wake-up for all */
    int count = epoll_wait(loop->epoll, events, G_N_ELEMENTS(events), timeout_ms);

    gboolean readable = FALSE;

    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == FROM_CHANNEL)
            readable = TRUE;
        else if (events[i].data.u64 == FROM_VGPUD)
            drain(loop->granted);
    }
    return readable;
}

/* Whether a job waits for our turn. */
static gboolean is_waiting(const VgpuLoop *loop)
{
    for (guint i = 0; i < loop->count; i++)
        if (loop->lanes[i].wants_turn)
            return TRUE;
    return loop->service->live.waits || loop->service->suspects;
}

/* The worker is going to sleep; the device may be somebody else's then. */
static void rest(VgpuLoop *loop)
{
    if (!is_waiting(loop) && !is_submitted(loop))
        vgpu_turn_rest(&loop->service->turn);
}

static gboolean sleep_until_event(VgpuLoop *loop)
{
    const guint64 deadline = check_deadlines(loop);
    const guint64 due = MIN(MIN(deadline, next_try(loop)), vgpu_service_due(loop->service));
    const gboolean quiet = park(loop);

    if (quiet) {
        rest(loop);
        vgpu_deadline_rest(loop->service->deadline);
    }
    const guint64 begin = quiet ? vgpu_deadline_now() : 0;
    gboolean readable = wait_for_events(loop, quiet ? timeout_until(due) : 0);
    unpark(loop);
    if (quiet)
        vgpu_spin_slept(&loop->spin, vgpu_deadline_now() - begin);
    return readable;
}

/* Looks again for a while; the time that it takes adapts to what is waited for. */
static gboolean spin(VgpuLoop *loop)
{
    if (is_any(loop, vgpu_lane_is_blocked))
        return vgpu_spin_until(&loop->device_spin, is_ready, loop);
    return is_any(loop, vgpu_lane_is_owned) && vgpu_spin_until(&loop->spin, is_ready, loop);
}

/* Gives the device back when it is time, and nothing of ours is there any more. */
static gboolean end_turn(VgpuLoop *loop, gboolean worked)
{
    VgpuTurn *turn = &loop->service->turn;

    vgpu_turn_look(turn);
    if (!vgpu_turn_is_over(turn, !worked))
        return FALSE;
    const gboolean waiting = is_waiting(loop);
    /* Others wait, but it has only now become our turn, or has not begun. */
    if ((waiting && !vgpu_turn_is_over(turn, FALSE)) || is_submitted(loop))
        return FALSE;
    vgpu_turn_end(turn, waiting);
    return TRUE;
}

/* What was answered has been, and the device is of no use any more. */
static VgpuWorkerExit lose(VgpuLoop *loop)
{
    for (guint i = 0; i < loop->count; i++)
        vgpu_lane_lose(&loop->lanes[i]);
    return VGPU_WORKER_EXIT_LOST;
}

/* A budget is spent: the guest is told, and gets no further. */
static VgpuWorkerExit give_up(VgpuLoop *loop)
{
    for (guint i = 0; i < loop->count; i++)
        vgpu_lane_quarantine(&loop->lanes[i]);
    return loop->service->strikes.exit;
}

VgpuWorkerExit vgpu_loop_run(VgpuLoop *loop)
{
    VgpuWorkerExit how;
    guint passes = 0;
    guint64 look_ns = 0;

    for (;;) {
        vgpu_service_refresh(loop->service);
        gboolean worked = serve_lanes(loop), readable;

        if (!loop->service->lost &&
            vgpu_service_go_on(loop->service, &worked, &how) == VGPU_SERVICE_ENDS)
            return how;
        if (loop->service->lost)
            return lose(loop);
        if (loop->service->strikes.exit != VGPU_WORKER_EXIT_CLOSED)
            return give_up(loop);
        if (end_turn(loop, worked) || worked || spin(loop)) {
            if (++passes % PASSES != 0 || vgpu_deadline_now() < look_ns)
                continue;
            look_ns = vgpu_deadline_now() + LOOK_NS;
            check_deadlines(loop);
            readable = wait_for_events(loop, 0);
        } else {
            readable = sleep_until_event(loop);
        }
        if (readable && vgpu_service_serve(loop->service, &how) == VGPU_SERVICE_ENDS)
            return how;
        if (vgpu_service_resume(loop->service, &how) == VGPU_SERVICE_ENDS)
            return how;
    }
}
