/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: the state of the device, and what its parts ask of each other.
 *
 *   vgpu-stub.c     PCI: properties, realize, reset, interrupts
 *   vgpu-mmio.c     BAR0: registers and buffers
 *   vgpu-request.c  the life of a request, from the doorbell to its end
 *   vgpu-channel.c  the worker's socket: requests out, responses in
 *   vgpu-link.c     the control link: handshake, state, new channels
 *   vgpu-queues.c   protocol 2: memory, doorbells, their registers
 *   vgpu-vectors.c  protocol 2: interrupts
 *
 * Everything runs under the big QEMU lock. The guest-visible contract is docs/specs/vgpu-stub.rst;
 * the bytes on both sockets are defined in vgpu-link.h.
 */
#ifndef HW_VGPU_STUB_H
#define HW_VGPU_STUB_H

#include "chardev/char-fe.h"
#include "qemu/event_notifier.h"
#include "qemu/timer.h"
#include "qom/object.h"

#include "vgpu-codec.h"
#include "vgpu-compat.h"

#define TYPE_VGPU_STUB "vgpu-stub"
OBJECT_DECLARE_SIMPLE_TYPE(VgpuStub, VGPU_STUB)

/* The control link and what it last said. */
typedef struct VgpuLink {
    VgpuChardev chr;
    struct vgpu_link_hello hello;            /* how each connection begins: the properties */
    bool ready;                              /* connected, and the first STATE has come */
    uint32_t error;                          /* STATE: enum vgpu_error that requests get at once */
    uint32_t timeout_ms;                     /* STATE: how long a request may be live */
    uint8_t received[VGPU_LINK_MAX_MESSAGE]; /* the beginning of a message */
    size_t received_length;
    int descriptor;    /* came in and waits for its CHANNEL; -1: none */
    char *warned;      /* the last warning, */
    int64_t warned_ms; /* and when it was given, QEMU_CLOCK_REALTIME */
} VgpuLink;

/* The request that STATUS is BUSY for. */
typedef struct VgpuLive {
    bool sent; /* false: waits for a channel that takes it */
    size_t length;
    uint8_t packet[VGPU_CHANNEL_MAX_PACKET];
} VgpuLive;

/* One queue: what the device does of it. */
typedef struct VgpuQueue {
    VgpuStub *stub;
    EventNotifier doorbell;   /* signalled by the guest, the worker waits */
    EventNotifier completion; /* signalled by the worker, raises the interrupt */
    int virq;                 /* the interrupt that KVM raises on it; -1: we do */
} VgpuQueue;

typedef struct VgpuQueues {
    uint32_t count;           /* the property, then how many there are; 0: no protocol 2 */
    uint64_t shm_size;        /* the property: bytes of BAR2 */
    MemoryRegion memory;      /* BAR2 */
    MemoryRegion doorbells;   /* BAR4 */
    VgpuQueue *queue;         /* count of them; NULL: none */
    bool rings;               /* BAR4 knows the doorbells' eventfds */
    uint32_t generation;      /* QUEUE_GENERATION */
    uint32_t last_generation; /* the last one that was not 0 */
} VgpuQueues;

struct VgpuStub {
    PCIDevice parent_obj;
    MemoryRegion bar0;
    Error *migration_blocker;

    /* Properties. */
    char *pool_property;
    char *priority_property;
    uint32_t vm_id_property;

    /* Who the VM is: the properties at first, then what STATE says. A reset does not change it. */
    uint32_t pool;
    uint32_t priority;
    uint32_t vm_id;

    /* Registers and buffers. */
    uint32_t status;
    uint32_t error_code;
    uint32_t request_length;
    uint32_t response_length;
    uint32_t interrupt_ctrl;
    uint32_t interrupt_status;
    uint32_t request_id;
    uint32_t scratch;
    uint64_t timestamp_us;
    uint8_t request[VGPU_BUFFER_SIZE];
    uint8_t response[VGPU_BUFFER_SIZE];

    uint64_t sequence; /* of the last submitted request; never starts again */
    VgpuLive live;
    QEMUTimer deadline;

    VgpuQueues queues;
    VgpuLink link;
    int channel; /* the worker's socket; -1: none */
};

/* Name of the device in traces and warnings: its id, or its type when it has none. */
const char *vgpu_stub_name(VgpuStub *s);

/* What the device announces in CAPABILITIES and HELLO: VGPU_CAP_*. */
uint32_t vgpu_stub_capabilities(const VgpuStub *s);

/* Drives the INTx line to what the registers say: after each change of them. */
void vgpu_interrupt_update(VgpuStub *s);

/* Tells the guest of a completion that INTERRUPT_STATUS shows, if INTERRUPT_CTRL lets it. */
void vgpu_interrupt_raise(VgpuStub *s);

/* BAR0's accesses; opaque is the VgpuStub. */
extern const MemoryRegionOps vgpu_mmio_ops;

/* The guest rang: checks the request in the buffer and sends it or refuses it, without waiting. */
void vgpu_request_submit(VgpuStub *s);

/*
 * Ends the request with @error (enum vgpu_error; VGPU_ERROR_NONE: DONE) and a response of @length
 * bytes, at most VGPU_BUFFER_SIZE. A request that fails without a response gets a header.
 */
void vgpu_request_finish(VgpuStub *s, uint32_t error, const uint8_t *response, size_t length);

/* The live request's deadline begins now: it is new, or has waited for others so far. */
void vgpu_request_extend(VgpuStub *s);

/* Ends the request with an error that the device found itself. */
void vgpu_request_fail(VgpuStub *s, uint32_t error);

/* Forgets the live request and puts every register and buffer back to its default. */
void vgpu_request_reset(VgpuStub *s);

/* The deadline's timer callback. */
void vgpu_request_timeout(void *opaque);

/*
 * Checks the properties and makes BAR1, BAR2 and BAR4, unless there are to be no queues. Returns
 * false with @errp set; nothing is left then but what goes with the device.
 */
bool vgpu_queues_init(VgpuStub *s, Error **errp);

/* Undoes it; harmless when there is nothing to undo. */
void vgpu_queues_exit(VgpuStub *s);

/* Ends all sessions, as the guest's driver would: it is gone. The worker hears of it. */
void vgpu_queues_reset(VgpuStub *s);

/* What the guest reads at @offset in BAR0, VGPU_REG_RESERVED or above. */
uint32_t vgpu_queues_read(VgpuStub *s, hwaddr offset);

/* The worker is ready: a new generation. Returns false when it must not say so, or not again. */
bool vgpu_queues_open(VgpuStub *s);

/* The worker is gone: no generation. */
void vgpu_queues_close(VgpuStub *s);

/* Makes BAR1 and lets completions raise interrupts. Returns false with @errp set. */
bool vgpu_vectors_init(VgpuStub *s, Error **errp);
void vgpu_vectors_exit(VgpuStub *s);

/* The guest has written to the configuration space, or it was reset. */
void vgpu_vectors_update(VgpuStub *s);

/* Raises a vector if the guest has enabled MSI-X. */
void vgpu_vectors_raise(VgpuStub *s, unsigned vector);

/* Takes @fd, a connected seqpacket socket, as the channel, and sends a request that waits. */
void vgpu_channel_open(VgpuStub *s, int fd);

/* Closes the channel. A request that was sent on it fails: VGPU_ERROR_EXECUTION_FAILED. */
void vgpu_channel_close(VgpuStub *s);

/* Sends the live request now, or when the channel has room, or when there is a channel. */
void vgpu_channel_send(VgpuStub *s);

/* Attaches to the chardev, if the device has one. Does not wait. */
void vgpu_link_start(VgpuStub *s);

/* Closes both sockets and detaches, once no request is live. */
void vgpu_link_stop(VgpuStub *s);

/* Warns about what the host's side did; the same text not again within a minute. */
void vgpu_link_warn(VgpuStub *s, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
