/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "deadline.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdatomic.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S G_GUINT64_CONSTANT(1000000000)

/* Values of at_ns besides a time. */
#define IDLE    G_GUINT64_CONSTANT(0)
#define EXPIRED G_MAXUINT64

struct VgpuDeadline {
    int timer;
    /* Who turns a time into something else owns the end: IDLE by main, EXPIRED by the watcher. */
    _Atomic guint64 at_ns;
    VgpuDeadlineExpired expired; /* these two are written before at_ns gets a time */
    gpointer data;
    /*
     * When the timer goes off; 0: not set. It is left as it is by a disarm, and by an arm if it
     * goes off early enough; so a busy worker makes no system call for each command. The watcher
     * sets it anew where it was too early.
     */
    _Atomic guint64 timer_ns;
    gboolean used; /* by main: armed since vgpu_deadline_rest() */
};

guint64 vgpu_deadline_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (guint64)now.tv_sec * NS_PER_S + (guint64)now.tv_nsec;
}

static void set_timer(VgpuDeadline *deadline, guint64 at_ns)
{
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};

    atomic_store(&deadline->timer_ns, at_ns);
    if (timerfd_settime(deadline->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        g_error("cannot set the deadline: %s", g_strerror(errno));
}

/* The timer has gone off, or a signal has come: at_ns says what it means. */
static void look(VgpuDeadline *deadline)
{
    guint64 at_ns;

    /* First this, then the look; main stores a time first, then looks at this: one sees the other.
     */
    atomic_store(&deadline->timer_ns, 0);
    at_ns = atomic_load(&deadline->at_ns);
    if (at_ns != IDLE && at_ns <= vgpu_deadline_now() &&
        atomic_compare_exchange_strong(&deadline->at_ns, &at_ns, EXPIRED)) {
        deadline->expired(deadline->data);
        return;
    }
    /* Too early. Main may set the timer at the same time: the earlier of both must hold. */
    for (guint64 set_ns = G_MAXUINT64; at_ns != IDLE && at_ns < set_ns;
         at_ns = atomic_load(&deadline->at_ns)) {
        set_ns = at_ns;
        set_timer(deadline, at_ns);
    }
}

static gpointer watch(gpointer data)
{
    VgpuDeadline *deadline = data;
    guint64 expirations;

    for (;;) {
        if (read(deadline->timer, &expirations, sizeof(expirations)) < 0 && errno != EINTR)
            g_error("cannot wait for the deadline: %s", g_strerror(errno));
        look(deadline);
    }
    return NULL;
}

VgpuDeadline *vgpu_deadline_new(GError **error)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (timer < 0) {
        int saved = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot make a timer: %s",
                    g_strerror(saved));
        return NULL;
    }

    VgpuDeadline *deadline = g_new0(VgpuDeadline, 1);
    deadline->timer = timer;
    GThread *thread = g_thread_try_new("deadline", watch, deadline, error);
    if (thread == NULL) {
        close(timer);
        g_free(deadline);
        return NULL;
    }
    g_thread_unref(thread);
    return deadline;
}

void vgpu_deadline_arm(VgpuDeadline *deadline, guint64 at_ns, VgpuDeadlineExpired expired,
                       gpointer data)
{
    deadline->expired = expired;
    deadline->data = data;
    deadline->used = TRUE;
    atomic_store(&deadline->at_ns, at_ns);

    const guint64 timer_ns = atomic_load(&deadline->timer_ns);
    if (timer_ns == 0 || timer_ns > at_ns)
        set_timer(deadline, at_ns);
}

void vgpu_deadline_disarm(VgpuDeadline *deadline)
{
    if (atomic_exchange(&deadline->at_ns, IDLE) == EXPIRED)
        for (;;)
            pause();
}

void vgpu_deadline_rest(VgpuDeadline *deadline)
{
    if (deadline->used)
        set_timer(deadline, 0);
    deadline->used = FALSE;
}
