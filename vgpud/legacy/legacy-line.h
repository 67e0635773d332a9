/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The line in a legacy guest's request.txt, and the one in its response.txt. Pure.
 *
 *   request    POOL:PRIORITY:VM:NUMBER:NUMBER\n
 *   response   SUM\n, or "ERROR 0xCODE name\n"
 *
 * POOL is a letter, PRIORITY 0 to 2, VM 1 to 20: the legacy format's own bounds. The numbers are
 * decimal and whole, and both from 0 to 2^32-1 or both from -2^31 to 2^31-1, which is all that the
 * one operation, protocol 1.0's vector add, can tell apart; the sum is modulo 2^32 and is written
 * with a sign if one of the numbers had one.
 */
#pragma once

#include <glib.h>

#include "vgpu-registers.h"

/* Bytes of a request, newline included: more than twice what the longest line takes. */
#define VGPU_LEGACY_LINE_MAX 64u

#define VGPU_LEGACY_LINE_MAX_VM 20u

typedef struct {
    char pool; /* 'A'..'Z'; whether there is such a pool is not judged here */
    enum vgpu_priority priority;
    guint32 vm; /* 1..VGPU_LEGACY_LINE_MAX_VM: what the guest says, believed by nobody */
    guint32 numbers[2];
    gboolean is_signed; /* one of them is negative */
} VgpuLegacyLine;

typedef enum {
    VGPU_LEGACY_LINE_OK,
    VGPU_LEGACY_LINE_PARTIAL,   /* no newline yet: the guest is still writing, or has not begun */
    VGPU_LEGACY_LINE_MALFORMED, /* will never become a request */
} VgpuLegacyLineResult;

/*
 * vgpu_legacy_line_parse:
 * Checks the @length bytes of a request.txt; @line is filled for OK only. A carriage return before
 * the newline is put up with; what is behind the newline is not looked at.
 */
VgpuLegacyLineResult vgpu_legacy_line_parse(const char *bytes, gsize length, VgpuLegacyLine *line);

/* The response for @line's sum modulo 2^32. */
char *vgpu_legacy_line_result(const VgpuLegacyLine *line, guint32 sum);

/* The response for an error: no legacy guest can take it for a number. */
char *vgpu_legacy_line_error(enum vgpu_error error);
