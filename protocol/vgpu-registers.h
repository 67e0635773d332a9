/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpu-stub: what the guest sees on the PCI bus.
 *
 * Source of every constant: the protocol 1.0 contract, docs/specs/vgpu-stub.rst. Existing guests
 * are built on these numbers: they may be added to, never changed. Only libc's <stdint.h> is
 * needed, so that the QEMU device, the worker, guest programs and tests share this one definition.
 */
#ifndef VGPU_REGISTERS_H
#define VGPU_REGISTERS_H

/* PCI identity. */
#define VGPU_PCI_VENDOR_ID 0x1af4u
#define VGPU_PCI_DEVICE_ID 0x1111u
#define VGPU_PCI_CLASS     0x1200u /* processing accelerator; prog-if 0 */
#define VGPU_PCI_REVISION  0x02u

/* BAR0: registers and both buffers. */
#define VGPU_BAR0_SIZE 4096u

/* Registers: byte offsets in BAR0, 32-bit little-endian words, aligned access. */
#define VGPU_REG_DOORBELL         0x000u /* RW  write 1: submit the request; reads 0 */
#define VGPU_REG_STATUS           0x004u /* RO  enum vgpu_status */
#define VGPU_REG_POOL_ID          0x008u /* RO  ASCII letter of the pool */
#define VGPU_REG_PRIORITY         0x00cu /* RO  enum vgpu_priority */
#define VGPU_REG_VM_ID            0x010u /* RO  number that the host gave this VM */
#define VGPU_REG_ERROR_CODE       0x014u /* RO  enum vgpu_error; meaningful while STATUS is ERROR */
#define VGPU_REG_REQUEST_LEN      0x018u /* RW  bytes of the request, 1..VGPU_BUFFER_SIZE */
#define VGPU_REG_RESPONSE_LEN     0x01cu /* RO  bytes of the response */
#define VGPU_REG_PROTOCOL_VER     0x020u /* RO  VGPU_PROTOCOL_VERSION */
#define VGPU_REG_CAPABILITIES     0x024u /* RO  VGPU_CAP_* */
#define VGPU_REG_INTERRUPT_CTRL   0x028u /* RW  bit 0: interrupt on completion */
#define VGPU_REG_INTERRUPT_STATUS 0x02cu /* RW1C bit 0: completion pending */
#define VGPU_REG_REQUEST_ID       0x030u /* RW  guest's own number for the request */
#define VGPU_REG_TIMESTAMP_LO     0x034u /* RO  completion time, microseconds of the VM's clock */
#define VGPU_REG_TIMESTAMP_HI     0x038u /* RO  upper half of the same */
#define VGPU_REG_SCRATCH          0x03cu /* RW  free for the guest */

#define VGPU_BUFFER_SIZE     1024u  /* bytes of each of the two buffers */
#define VGPU_REQUEST_BUFFER  0x040u /* RW  guest to host */
#define VGPU_RESPONSE_BUFFER 0x440u /* RO  host to guest */
#define VGPU_REG_RESERVED    0x840u /* to the end of BAR0: reads 0, writes are ignored, but for: */

/* Protocol 2, announced by VGPU_CAP_QUEUES. All RO. */
#define VGPU_REG_QUEUE_VERSION    0x840u /* VGPU_QUEUE_VERSION */
#define VGPU_REG_QUEUE_COUNT      0x844u /* queues: slots of BAR2, pages of BAR4, MSI-X vectors */
#define VGPU_REG_SHM_SIZE_LO      0x848u /* bytes of BAR2 that are in use, */
#define VGPU_REG_SHM_SIZE_HI      0x84cu /* the upper half */
#define VGPU_REG_QUEUE_GENERATION 0x850u /* changes with each worker; 0: none */

/* Queue i's doorbell: BAR4, a page for each, so that an owner can map its own and no other. Any
 * 32-bit write at its start rings; it reads 0. */
#define VGPU_DOORBELL_STRIDE 4096u

/* MSI-X vectors. */
#define VGPU_VECTOR_DEVICE   0u /* protocol 1.0's completion; a change of QUEUE_GENERATION */
#define VGPU_VECTOR_QUEUE(i) (1u + (i)) /* queue i has completions for a parked guest */

/* PROTOCOL_VER: major << 16 | minor. */
#define VGPU_PROTOCOL_VERSION 0x00010000u

/* CAPABILITIES. */
#define VGPU_CAP_BASIC     (1u << 0) /* request and response through the buffers */
#define VGPU_CAP_INTERRUPT (1u << 1) /* completion interrupt */
#define VGPU_CAP_DMA       (1u << 2) /* none in protocol 1.0 */
#define VGPU_CAP_MULTI     (1u << 3) /* several outstanding requests; none in protocol 1.0 */
#define VGPU_CAP_QUEUES    (1u << 4) /* protocol 2: registers at 0x840, BAR2, BAR4, vgpu-queue.h */

#define VGPU_INTERRUPT_COMPLETION (1u << 0) /* INTERRUPT_CTRL and INTERRUPT_STATUS */

enum vgpu_status {
    VGPU_STATUS_IDLE = 0,
    VGPU_STATUS_BUSY = 1,
    VGPU_STATUS_DONE = 2,
    VGPU_STATUS_ERROR = 3,
};

enum vgpu_priority {
    VGPU_PRIORITY_LOW = 0,
    VGPU_PRIORITY_MEDIUM = 1,
    VGPU_PRIORITY_HIGH = 2,
};

/* ERROR_CODE, and the status field of a response. */
enum vgpu_error {
    VGPU_ERROR_NONE = 0x00,
    VGPU_ERROR_INVALID_REQUEST = 0x01,
    VGPU_ERROR_REQUEST_TOO_LARGE = 0x02,
    VGPU_ERROR_UNAVAILABLE = 0x03, /* no mediator */
    VGPU_ERROR_TIMEOUT = 0x04,
    VGPU_ERROR_EXECUTION_FAILED = 0x05,
    VGPU_ERROR_INVALID_POOL = 0x06,
    VGPU_ERROR_QUEUE_FULL = 0x07,
    VGPU_ERROR_UNSUPPORTED = 0x08,
    VGPU_ERROR_INVALID_LENGTH = 0x09,
    VGPU_ERROR_RATE_LIMITED = 0x0a,
    VGPU_ERROR_QUARANTINED = 0x0b,
};
#define VGPU_ERROR_COUNT 0x0cu

_Static_assert(VGPU_REG_SCRATCH + 4 == VGPU_REQUEST_BUFFER, "16 registers, then the buffers");
_Static_assert(VGPU_REQUEST_BUFFER + VGPU_BUFFER_SIZE == VGPU_RESPONSE_BUFFER, "no gap");
_Static_assert(VGPU_RESPONSE_BUFFER + VGPU_BUFFER_SIZE == VGPU_REG_RESERVED, "no gap");
_Static_assert(VGPU_REG_RESERVED < VGPU_BAR0_SIZE, "everything lies inside BAR0");
_Static_assert(VGPU_ERROR_QUARANTINED + 1 == VGPU_ERROR_COUNT, "the last error code");

#endif
