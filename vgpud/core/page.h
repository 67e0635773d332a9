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

#include "limiter.h"
#include "vgpu-message.h"

#define VGPU_PAGE_VERSION    2u
#define VGPU_PAGE_TEXT_BYTES 256 /* a device name or a one-line error, NUL included */

typedef enum {
    VGPU_PAGE_STARTING = 0, /* the worker opens its backend */
    VGPU_PAGE_READY = 1,    /* device_name holds what runs the requests */
    VGPU_PAGE_FAILED = 2,   /* failure says why there is no backend; GPU work gets 0x05 */
} VgpuPageState;

typedef struct {
    guint32 version;      /* VGPU_PAGE_VERSION, written by vgpud */
    _Atomic guint64 rate; /* the VM's, written by vgpud, also while the worker serves */
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

/* The VM's limit, as one word: a reader never sees half of a change. */
void vgpu_page_set_rate(VgpuPage *page, VgpuRate rate);

static inline VgpuRate vgpu_page_rate(guint64 word)
{
    return (VgpuRate){(guint)(word >> 32), (guint)word};
}
