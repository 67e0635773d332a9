/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for /dev/vgpuN and the host: it takes the place of lib/node.c. A slot in a memfd, the
 * doorbell and the interrupt as eventfds, and a worker on a thread that knows a few operations.
 *
 * Its kernels do what their names say, whatever their source: "add" (buffer, a, b) and "invert"
 * (buffer, bytes). A source with "#error" does not build. The library's files work on it unchanged,
 * but vgpu_fd() is not for poll(): an eventfd does not set `parked`.
 */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include <stdint.h>

#define FAKE_NODE_NAME "fake worker"

/* How the nodes opened from now on are. */
struct fake_node_setup {
    uint64_t slot_size; /* bytes */
    int open_fails;     /* a VGPU_E_* for the next vgpu_node_open(); 0 */
};
extern struct fake_node_setup fake_node_setup;

/* Makes the worker stop before its next command, and go on. For tests with one context. */
void fake_node_hold(void);
void fake_node_release(void);

/* Held, with the library's commands before it, the worker dies as by a kill -9, which the driver
 * notices; or declares the session broken, of which the driver knows nothing. Both let go. */
void fake_node_kill(void);
void fake_node_break(void);

#endif
