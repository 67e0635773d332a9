/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The trace of jobs: who had the device when, for tests and for looking into a host.
 *
 * One line for each event, "NANOSECONDS EVENT", by CLOCK_MONOTONIC, so that the traces of all
 * workers of a host can be put in one order:
 *
 * - device KEY: which device the worker is on; the first line, by vgpud
 * - want: has a job and no lease
 * - grant: has the lease
 * - job SOURCE TAG OPCODE: begins a job, of queue SOURCE or "1.0"; TAG is the guest's number for it
 * - ended: all that was submitted has ended
 * - recalled: submits nothing more, since it was asked back or the turn is over
 * - return: gives the lease back
 */
#pragma once

#include <glib.h>

typedef struct {
    int fd;       /* -1: there is no trace */
    gsize length; /* bytes that it has */
} VgpuTrace;

/* A trace stops at this size, so that nobody's guest fills a disk, bytes. */
#define VGPU_TRACE_MAX ((gsize)64 << 20)

void vgpu_trace_write(VgpuTrace *trace, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Costs nothing but a look where there is no trace. */
#define vgpu_trace(trace, ...)                                                                     \
    do {                                                                                           \
        if (G_UNLIKELY((trace)->fd >= 0))                                                          \
            vgpu_trace_write((trace), __VA_ARGS__);                                                \
    } while (0)
