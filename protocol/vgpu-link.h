/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What travels between the device in QEMU and the host's mediator. No guest ever sees these bytes.
 *
 * Two sockets per VM, so that a worker which dies takes no half-written frame with it:
 *
 * Control: the device's chardev, a UNIX stream socket that vgpud listens on. It stays with vgpud:
 * HELLO and QUEUE up; STATE, CHANNEL and REFUSE down. Each message is a header and its payload,
 * sent with one sendmsg(); descriptors ride on the message that needs them.
 *
 * Channel: one end of a UNIX seqpacket pair, handed to the device with CHANNEL; the other end is
 * the worker's. One packet per message: REQUEST up, READY and RESPONSE down. End of file means that
 * the worker is gone: the device ends the live request with VGPU_ERROR_EXECUTION_FAILED and keeps a
 * later one until the next CHANNEL comes.
 *
 *   device                       vgpud                        worker
 *     | HELLO (memfd) ----------> | peer is the domain's QEMU
 *     | QUEUE (eventfds) -------> | one for each queue
 *     | <------------------ STATE | pool, priority, id; in service
 *     | <---------- CHANNEL (fd)  | starts the worker -------> |
 *     | REQUEST ---------------------------------------------> |
 *     | <-------------------------------------------- RESPONSE |
 *
 * With protocol 2, QEMU owns what the worker and the guest share, and hands it over with the
 * greeting: the memfd behind BAR2, and of each queue the eventfd that its doorbell rings and the
 * one that raises its interrupt. vgpud keeps them for this connection and gives them to each
 * worker.
 *
 * All fields are little-endian. Both ends of these sockets run on one host but may be of different
 * versions, and neither trusts the other's lengths. LINK_VERSION stands for the layout of HELLO and
 * REFUSE; of everything else VGPU_PROTOCOL_HASH must be the same, else vgpud refuses the device.
 */
#ifndef VGPU_LINK_H
#define VGPU_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "vgpu-queue.h"
#include "vgpu-registers.h"

#define VGPU_LINK_MAGIC       0x4b4c4756u /* "VGLK" */
#define VGPU_LINK_VERSION     2u
#define VGPU_LINK_MAX_PAYLOAD 256u /* bytes; the longest payload of a control message */

/* Control messages. */
enum vgpu_link_type {
    VGPU_LINK_HELLO = 1,   /* device: struct vgpu_link_hello, first and once per connection; with
                              queues, one descriptor: BAR2's memfd, sealed by VGPU_LINK_SEALS */
    VGPU_LINK_STATE = 2,   /* vgpud: struct vgpu_link_state; the first one ends the handshake,
                              later ones change a running VM */
    VGPU_LINK_CHANNEL = 3, /* vgpud: no payload, one descriptor; replaces the channel before it */
    VGPU_LINK_REFUSE = 4,  /* vgpud: one line of text, then it closes the connection */
    VGPU_LINK_QUEUE = 5,   /* device: struct vgpu_link_queue, right behind HELLO, one for each queue
                              in order; two descriptors: its doorbell's eventfd, which is readable
                              once the guest has rung, and its interrupt's, which is written to */
};

struct vgpu_link_header {
    uint32_t magic;    /* VGPU_LINK_MAGIC */
    uint32_t type;     /* enum vgpu_link_type */
    uint32_t length;   /* bytes of the payload, at most VGPU_LINK_MAX_PAYLOAD */
    uint32_t reserved; /* 0 */
};

struct vgpu_link_hello {
    uint32_t link_version;     /* VGPU_LINK_VERSION */
    uint32_t protocol_version; /* highest guest protocol: VGPU_PROTOCOL_VERSION */
    uint32_t capabilities;     /* VGPU_CAP_* that the device announces to the guest */
    uint32_t pool;             /* the device's property: ASCII letter */
    uint32_t priority;         /* the device's property: enum vgpu_priority */
    uint32_t vm_id;            /* the device's property */
    uint32_t queues;           /* 0 without VGPU_CAP_QUEUES; else 1..VGPU_QUEUE_MAX */
    uint32_t reserved;         /* 0 */
    uint64_t shm_size;         /* bytes of BAR2: vgpu_queue_shm_fits(); 0 without queues */
    uint64_t protocol_hash;    /* VGPU_PROTOCOL_HASH */
};

/* fcntl(F_GET_SEALS) of BAR2's memfd: F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW. Nobody can take away
 * memory that another has mapped. */
#define VGPU_LINK_SEALS 0x0007

struct vgpu_link_queue {
    uint32_t index;    /* 0 for the first, and so on */
    uint32_t reserved; /* 0 */
};

struct vgpu_link_state {
    uint32_t pool;     /* what the guest reads from now on: ASCII letter, */
    uint32_t priority; /* enum vgpu_priority */
    uint32_t vm_id;    /* and its number */
    uint32_t error; /* VGPU_ERROR_NONE: in service; else each request is answered with it at once */
    uint32_t timeout_ms;  /* the device ends a request by itself after this long with
                             VGPU_ERROR_TIMEOUT: the net under the worker's own, shorter deadline;
                             1..VGPU_LINK_MAX_TIMEOUT_MS */
    uint32_t reserved[3]; /* 0 */
};

#define VGPU_LINK_MAX_TIMEOUT_MS                                                                   \
    3600000u /* an hour: nothing that a guest waits for takes longer                               \
              */

/* VGPU_LINK_REFUSE: the payload is UTF-8 text without a NUL, one line for QEMU's log. */
#define VGPU_LINK_REFUSE_TEXT_MAX VGPU_LINK_MAX_PAYLOAD

/* Channel packets. */
enum vgpu_channel_type {
    VGPU_CHANNEL_REQUEST = 1,
    VGPU_CHANNEL_RESPONSE = 2,
    VGPU_CHANNEL_READY = 3, /* worker, once, if it has queues: it has looked at each of them and
                               serves them. Only the header, all else 0. Now the guest reads a new
                               QUEUE_GENERATION, until the channel closes. */
    VGPU_CHANNEL_WAITS = 4, /* worker: the request of this number waits for its turn on the host's
                               device, where others compute. The device's own deadline for it
                               begins anew. Only the header; request_id and error are 0. */
};

/*
 * While a request waits for its turn the worker says so this often, milliseconds. The device's
 * deadline is at least twice that longer than the worker's own, which begins with the turn.
 */
#define VGPU_CHANNEL_WAITS_MS 500u

struct vgpu_channel_header {
    uint32_t type;       /* enum vgpu_channel_type */
    uint32_t length;     /* bytes behind this header: REQUEST 1..1024, RESPONSE 0..1024, others 0 */
    uint64_t sequence;   /* the device's own counter; an answer repeats its request's. The device
                            drops a response whose number is not the live request's. */
    uint32_t request_id; /* REQUEST: the guest's REQUEST_ID, for logs; RESPONSE: 0 */
    uint32_t error;      /* RESPONSE: enum vgpu_error for ERROR_CODE; REQUEST: 0 */
};

#define VGPU_CHANNEL_MAX_PACKET (sizeof(struct vgpu_channel_header) + VGPU_BUFFER_SIZE)

_Static_assert(sizeof(struct vgpu_link_header) == 16, "size");
_Static_assert(sizeof(struct vgpu_link_hello) == 48, "size");
_Static_assert(offsetof(struct vgpu_link_hello, vm_id) == 20, "offset");
_Static_assert(offsetof(struct vgpu_link_hello, shm_size) == 32, "offset");
_Static_assert(sizeof(struct vgpu_link_queue) == 8, "size");
_Static_assert(sizeof(struct vgpu_link_state) == 32, "size");
_Static_assert(offsetof(struct vgpu_link_state, timeout_ms) == 16, "offset");
_Static_assert(sizeof(struct vgpu_channel_header) == 24, "size");
_Static_assert(offsetof(struct vgpu_channel_header, sequence) == 8, "offset");
_Static_assert(offsetof(struct vgpu_channel_header, error) == 20, "offset");

#endif
