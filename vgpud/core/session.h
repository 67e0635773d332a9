/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session: one running VM as vgpud sees it, from the moment its start is let through until its
 * QEMU is gone. Pure data and rules; sockets and processes are the link room's.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "accounts.h"
#include "faults.h"
#include "page.h"
#include "pool.h"
#include "quarantine.h"
#include "vgpu-registers.h"

typedef enum {
    VGPU_SESSION_RESERVED,    /* place taken, socket bound; QEMU has not connected yet */
    VGPU_SESSION_LINKED,      /* QEMU's handshake is done; no worker has the channel */
    VGPU_SESSION_SERVING,     /* a worker has the channel */
    VGPU_SESSION_QUARANTINED, /* too many faults: every request gets 0x0B until it is released */
    VGPU_SESSION_ENDED,       /* over; only references keep it */
} VgpuSessionState;

/*
 * VM numbers are 1..VGPU_VM_ID_MAX. The bound keeps worker-uid-base + number inside the uids that
 * settings.c takes for workers.
 */
#define VGPU_VM_ID_MAX 1000000u

typedef struct VgpuSessions VgpuSessions;

typedef struct {
    gatomicrefcount references;
    VgpuSessions *sessions; /* that it is one of; NULL: none yet, or no longer */
    char *uuid;             /* canonical lower-case text: the key */
    char *name;             /* libvirt's name for it, for people */
    guint32 vm_id;          /* 1..VGPU_VM_ID_MAX */
    char pool;
    enum vgpu_priority priority;
    VgpuLimits wish;        /* the limits of the domain's own element; zeros: none */
    VgpuLimits limits;      /* what holds within its pool; only vgpu_session_limit() writes it */
    VgpuSessionState state; /* only vgpu_session_set_state() writes it */
    VgpuMember *member;     /* its place, borrowed from VgpuPools; NULL: none, or given back */
    gint64 waiting_us;      /* g_get_monotonic_time() since when it has none; 0: it has one */
    VgpuFaults faults;      /* ends of its workers that were not wanted */
    guint64 fault_counts[VGPU_FAULT_KINDS]; /* the same by kind */
    VgpuQuarantine quarantine;              /* in state QUARANTINED: until when and why */
    gint64 since_us;                        /* g_get_real_time() of the reservation */
    pid_t qemu_pid;                         /* 0: none */
    pid_t worker_pid;                       /* 0: none */
    VgpuPage *page;                         /* accounting; shared with the workers */
    int page_fd;
    VgpuAccounts accounts; /* what the VM has had; only vgpu_session_look() writes it */
    guint64 looked_ns;     /* when, CLOCK_MONOTONIC */
} VgpuSession;

/*
 * vgpu_session_new:
 * Makes a session in state RESERVED on @member, whose slot it takes over; NULL for a VM that runs
 * but has no place. Returns NULL with @error set when there is no memory for its accounting page;
 * the slot is then still the caller's.
 */
VgpuSession *vgpu_session_new(const char *uuid, const char *name, guint32 vm_id, char pool,
                              enum vgpu_priority priority, VgpuMember *member, GError **error);

/*
 * vgpu_session_limit:
 * Sets the limits that the domain asks for, and tells its worker, now or to come, what holds in
 * @pool; NULL: its pool is not there.
 */
void vgpu_session_limit(VgpuSession *session, const VgpuLimits *wish, const VgpuPool *pool);

/*
 * vgpu_session_look:
 * Brings the session's accounts, and those of its pool if it is in a registry, up to date. @now_ns
 * is CLOCK_MONOTONIC. To be called before they are read; done before the pool changes, and when it
 * leaves the registry.
 */
void vgpu_session_look(VgpuSession *session, guint64 now_ns);

/* Another pool: what it had until @now_ns stays in the accounts of the former one. */
void vgpu_session_set_pool(VgpuSession *session, char pool, guint64 now_ns);

/*
 * vgpu_session_used:
 * What the VM holds now, as its worker says: within 0..G_MAXINT64, and 0 without a worker.
 */
guint64 vgpu_session_used(const VgpuSession *session, VgpuQuotaKind kind);

VgpuSession *vgpu_session_ref(VgpuSession *session);
void vgpu_session_unref(VgpuSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuSession, vgpu_session_unref)

/*
 * vgpu_session_set_state:
 * The one place where a state changes. A change that the table in session.c does not allow is a bug
 * of ours: it is asserted. ENDED gives the place back to the pool. Tells the watcher.
 */
void vgpu_session_set_state(VgpuSession *session, VgpuSessionState state);

/*
 * vgpu_session_set_member:
 * Gives the former place back and takes @member over; NULL: from now on it waits for one.
 */
void vgpu_session_set_member(VgpuSession *session, VgpuMember *member);

/* It has no place and would be served if it had one. Legacy VMs take one for each request. */
gboolean vgpu_session_is_waiting(const VgpuSession *session);

/*
 * vgpu_session_is_idle:
 * Its worker can be ended without anybody noticing: no program of its guest has a queue or anything
 * on the device, and no request of protocol 1.0 was answered in the last second before @now_us
 * (g_get_real_time()). That is what the worker says: one that lies harms its own VM only.
 */
gboolean vgpu_session_is_idle(const VgpuSession *session, gint64 now_us);

/* Tells the watcher. To be called by whoever has changed another field than the state. */
void vgpu_session_changed(VgpuSession *session);

/* "reserved", "linked", "serving", "quarantined", "ended". */
const char *vgpu_session_state_name(VgpuSessionState state);

typedef enum {
    VGPU_SESSION_NEWS_ADDED,
    VGPU_SESSION_NEWS_CHANGED, /* state, pool, priority, place, a process, or a fault; or nothing */
    VGPU_SESSION_NEWS_REMOVED, /* it is no longer in the registry, but still whole */
} VgpuSessionNews;

/* It may come in the middle of a change: look at @session, do not act on it. */
typedef void (*VgpuSessionWatcher)(VgpuSession *session, VgpuSessionNews news, gpointer user_data);

/* The sessions that there are, by UUID. Each holds one reference. */
struct VgpuSessions {
    GHashTable *by_uuid;
    VgpuSessionWatcher watcher; /* NULL: nobody watches */
    gpointer watcher_data;
    VgpuAccounts pools[26]; /* of all sessions that there were, by letter */
};

VgpuSessions *vgpu_sessions_new(void);
void vgpu_sessions_free(VgpuSessions *sessions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VgpuSessions, vgpu_sessions_free)

/* From now on @watcher hears of every change; NULL: nobody does. There is one at most. */
void vgpu_sessions_watch(VgpuSessions *sessions, VgpuSessionWatcher watcher, gpointer user_data);

/* Takes a reference. There must be none of this UUID yet. */
void vgpu_sessions_add(VgpuSessions *sessions, VgpuSession *session);
void vgpu_sessions_remove(VgpuSessions *sessions, const char *uuid);

/*
 * vgpu_sessions_accounts:
 * What all VMs have had in @pool, 'A'..'Z', since vgpud has started, also those that are gone.
 * Brings the accounts of all sessions up to date. Borrowed.
 */
const VgpuAccounts *vgpu_sessions_accounts(VgpuSessions *sessions, char pool, guint64 now_ns);

/* Borrowed; NULL when there is none. */
VgpuSession *vgpu_sessions_by_uuid(const VgpuSessions *sessions, const char *uuid);
VgpuSession *vgpu_sessions_by_vm_id(const VgpuSessions *sessions, guint32 vm_id);

/* All of them, sorted by name; the array holds references. */
GPtrArray *vgpu_sessions_list(const VgpuSessions *sessions);
