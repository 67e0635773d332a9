/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include <stdarg.h>
#include <unistd.h>

#include "deadline.h"

#define LONGEST 128 /* of a line */

void vgpu_trace_write(VgpuTrace *trace, const char *format, ...)
{
    char line[LONGEST];
    va_list arguments;

    if (trace->length + LONGEST > VGPU_TRACE_MAX)
        return;
    gsize length =
        (gsize)g_snprintf(line, sizeof(line), "%" G_GUINT64_FORMAT " ", vgpu_deadline_now());
    va_start(arguments, format);
    length += (gsize)g_vsnprintf(line + length, sizeof(line) - length, format, arguments);
    va_end(arguments);
    length = MIN(length, sizeof(line) - 2);
    line[length++] = '\n';
    /* At once: a worker may be killed at any time. One that cannot be written is missing. */
    ssize_t written = write(trace->fd, line, length);
    trace->length += written > 0 ? (gsize)written : 0;
}
