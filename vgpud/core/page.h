/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The accounting page: shared memory between vgpud and the worker of one VM.
 *
 * The worker writes it, vgpud reads it when somebody asks; so a count costs one store, no message,
 * and an idle VM wakes nobody. The page belongs to the session and outlives its workers: a new
 * worker goes on where the last one ended. vgpud trusts nothing in it: numbers are only shown, and
 * text is copied and made valid first.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>

#include "vm-limits.h"
#include "quota.h"
#include "vgpu-message.h"

#define VGPU_PAGE_VERSION    4u
#define VGPU_PAGE_TEXT_BYTES 256 /* a device name or a one-line error, NUL included */

/*
 * Bucket i of the waits has those of up to 2^i microseconds, the last one all others: from 1 us,
 * less than any wake-up takes, to 8 s, beyond a request's deadline of 5 s.
 */
#define VGPU_PAGE_WAITS 25u

typedef enum {
    VGPU_PAGE_STARTING = 0, /* the worker opens its backend */
    VGPU_PAGE_READY = 1,    /* device_name holds what runs the requests */
    VGPU_PAGE_FAILED = 2,   /* failure says why there is no backend; GPU work gets 0x05 */
} VgpuPageState;

typedef struct {
    guint32 version; /* VGPU_PAGE_VERSION, written by vgpud */

    /* The VM's limits, written by vgpud, also while the worker serves: when the serial is another
     * one, the numbers are. vgpu_page_set_limits(), vgpu_page_get_limits(). */
    _Atomic guint32 limits_serial;
    _Atomic guint32 limits[VGPU_LIMIT_COUNT];
    _Atomic guint32 limits_wait; /* VgpuLimitRules.waits */

    /* A request's deadline, written by vgpud likewise, milliseconds; 0: what the worker was told.
     */
    _Atomic guint32 timeout_ms;

    _Atomic guint32 state;
    char device_name[VGPU_PAGE_TEXT_BYTES];   /* written before state says READY */
    char failure[VGPU_PAGE_TEXT_BYTES];       /* written before state says FAILED */
    _Atomic guint64 requests;                 /* answered, whatever the answer */
    _Atomic guint64 errors[VGPU_ERROR_COUNT]; /* answered with this code; [0] stays 0 */
    _Atomic guint64 bytes_in;                 /* of requests */
    _Atomic guint64 bytes_out;                /* of responses */
    _Atomic guint64 device_ns;                /* time on the backend, nanoseconds */
    _Atomic guint64 service_ns; /* from a request's arrival to its answer, nanoseconds */
    _Atomic gint64 last_us;     /* CLOCK_REALTIME of the last answer, microseconds */
    _Atomic guint64 used[VGPU_QUOTA_COUNT]; /* what the VM holds now; a new worker begins at 0 */

    /* Requests that had to wait before they could begin, by how long: vgpu_page_wait_bucket().
     * Those that did not wait are in none. */
    _Atomic guint64 waits[VGPU_PAGE_WAITS];
    _Atomic guint64 wait_ns; /* the sum of their waits, nanoseconds */
} VgpuPage;

/*
 * vgpu_page_create:
 * Makes a sealed memfd (no shrink, no grow) of one zeroed page and maps it. Returns the mapping, to
 * be given to vgpu_page_unmap(), and the descriptor in @fd, owned by the caller; NULL with @error
 * set.
 */
VgpuPage *vgpu_page_create(int *fd, GError **error);

/*
 * vgpu_page_map:
 * Maps @fd as the worker does; @fd stays the caller's. Fails when it is too small or of another
 * version.
 */
VgpuPage *vgpu_page_map(int fd, GError **error);

void vgpu_page_unmap(VgpuPage *page);

/* Copies text into the page's field: cut at a UTF-8 boundary, control characters replaced. */
void vgpu_page_set_text(char field[VGPU_PAGE_TEXT_BYTES], const char *text);

/* A checked copy of a field that another process may be writing: always valid UTF-8, one line. */
char *vgpu_page_get_text(const char field[VGPU_PAGE_TEXT_BYTES]);

/* The VM's limits; @waits: what comes too fast waits, else it is an error. */
void vgpu_page_set_limits(VgpuPage *page, const VgpuLimits *limits, gboolean waits);

/*
 * vgpu_page_get_limits:
 * The limits, when they are others than those of @serial, which is updated; 0 at first. A reader
 * that meets a change half way finds another serial the next time. FALSE: nothing has changed.
 */
gboolean vgpu_page_get_limits(const VgpuPage *page, guint32 *serial, VgpuLimits *limits,
                              gboolean *waits);

/* The bucket of a wait. */
guint vgpu_page_wait_bucket(guint64 wait_ns);
