/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A link whose other end the test has. */
#pragma once

#include "device-link.h"

typedef struct {
    VgpuDeviceLink *link;
    int peer;        /* QEMU's end */
    guint greetings; /* how often the hello handler was called, */
    struct vgpu_link_hello hello;
    gboolean closed; /* and the closed one, */
    char *reason;    /* with what */
} Fixture;

/* For cmocka: *state is a Fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Writes a well-formed HELLO of @version, without queues; VM 5. Returns its length. */
gsize put_hello(guint8 *bytes, guint32 version);

/* Sends with the first @n of @fds, at most 8, unless the link is closed; lets it handle that. */
void deliver_with(Fixture *fixture, const void *bytes, gsize length, const int *fds, guint n);
void deliver(Fixture *fixture, const void *bytes, gsize length);

/* The link closed, and @expected is in the reason. */
void assert_closed(Fixture *fixture, const char *expected);
