/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protocol 2: queues in shared memory. What a guest and its worker write into BAR2.
 *
 * BAR2 is cut into QUEUE_COUNT slots of one size, each a queue with one owner in the guest:
 *
 *   slot    +0x0000  struct vgpu_queue_guest    written by the guest; one page
 *           +0x1000  struct vgpu_queue_host     written by the host; one page
 *           +0x2000  struct vgpu_command[256]   submission ring
 *           +0x6000  struct vgpu_completion[256] completion ring
 *           +0x8000  data arena, to the slot's end
 *
 * Both sides can write every byte. Neither reads back what is its own to write: each keeps its
 * indices in memory of its own and only publishes them; what comes from the other side is copied
 * once, then checked, then used.
 *
 * Indices run free through 32 bits; entry i lies at i % VGPU_QUEUE_ENTRIES. A ring is empty when
 * both of its indices are equal and never holds more than VGPU_QUEUE_ENTRIES.
 *
 * All fields are little-endian, naturally aligned, and the two sides run on one machine.
 *
 * Waking up. A consumer that has found nothing for a while stores 1 in its `parked` word, passes a
 * full barrier, looks once more and sleeps. A producer publishes its index, passes a full barrier,
 * and exchanges the word with 0 (it may look first): if it was not 0, it wakes the consumer, the
 * worker by the queue's doorbell, the guest by the queue's interrupt. A busy queue costs no exit
 * and no wake-up. `session` and `broken` are told without being asked: the driver rings, the worker
 * interrupts, each time.
 *
 * Room. Nobody is woken because entries are given back. A guest that waits for room among the
 * commands waits for a completion, so it asks for one often enough; a completion is never seen
 * before its command's entry and arena bytes are the guest's again. And it has at most
 * VGPU_QUEUE_ANSWERS answers to come that it has not taken and given back: then the worker never
 * meets a full completion ring. It does not fetch while it does, until the doorbell rings.
 */
#ifndef VGPU_QUEUE_H
#define VGPU_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "vgpu-registers.h"

#define VGPU_QUEUE_VERSION 0x00020000u /* QUEUE_VERSION: major << 16 | minor */

#define VGPU_QUEUE_ENTRIES   256u                     /* of each ring; a power of two */
#define VGPU_QUEUE_ANSWERS   (VGPU_QUEUE_ENTRIES - 1) /* one is left for whatever comes next */
#define VGPU_QUEUE_MAX       64u /* queues of one device; its descriptors fit in a process's limit */
#define VGPU_QUEUE_PAGE      4096u
#define VGPU_QUEUE_GUEST     0x0000u
#define VGPU_QUEUE_HOST      0x1000u
#define VGPU_QUEUE_COMMANDS  0x2000u
#define VGPU_QUEUE_RESULTS   0x6000u
#define VGPU_QUEUE_ARENA     0x8000u
#define VGPU_QUEUE_ARENA_MIN 0x8000u /* bytes; a slot is never smaller than the two together */

#define VGPU_SHM_SIZE_MAX (1ull << 34) /* bytes of BAR2: what a guest's firmware finds room for */

/* Bytes of each of @count slots in @shm_size bytes: a multiple of a page; slot i begins at i times.
 */
static inline uint64_t vgpu_queue_slot_size(uint64_t shm_size, uint32_t count)
{
    return count == 0 ? 0 : shm_size / count / VGPU_QUEUE_PAGE * VGPU_QUEUE_PAGE;
}

/* Whether BAR2 may be of @shm_size bytes with @count queues: a power of two, as a BAR's is, and
 * room for a whole slot for each.
 */
static inline int vgpu_queue_shm_fits(uint64_t shm_size, uint32_t count)
{
    return count >= 1 && count <= VGPU_QUEUE_MAX && shm_size <= VGPU_SHM_SIZE_MAX &&
           (shm_size & (shm_size - 1)) == 0 &&
           vgpu_queue_slot_size(shm_size, count) >= VGPU_QUEUE_ARENA + VGPU_QUEUE_ARENA_MIN;
}

/*
 * An owner's time is a session. The guest's driver begins one by storing a number in `session` that
 * is not 0 and not the last one, and ringing; the worker drops all that the former owner had, sets
 * its indices to 0, empties the host's page and stores the same number in its own `session`. Only
 * then are the rings in use. 0 ends a session in the same way. A worker that has just started
 * leaves alone a number that it finds: that session was another worker's and is lost. It reads
 * those numbers before it says VGPU_CHANNEL_READY, and only then QUEUE_GENERATION is not 0 any
 * more, so a number that the driver stores after it has read a generation is never taken for such
 * a one. When the guest is reset, the device stores 0 in each guest's `session` and rings each
 * doorbell.
 */
struct vgpu_queue_guest {
    uint32_t command_tail; /* commands submitted */
    uint32_t pad0[15];
    uint32_t completion_head; /* completions taken */
    uint32_t pad1[15];
    uint32_t parked; /* 1: wake the guest at the next completion */
    uint32_t pad2[15];
    uint32_t session; /* written by the driver; 0: nobody owns the queue */
    uint32_t lost;    /* written by the driver: not 0 when the session's worker is gone */
    uint32_t pad3[14];
};

struct vgpu_queue_host {
    uint32_t command_head; /* commands taken: their entries, and the arena bytes that they wrote
                              from, are the guest's again */
    uint32_t pad0[15];
    uint32_t completion_tail; /* completions made */
    uint32_t pad1[15];
    uint32_t parked; /* 1: ring at the next command */
    uint32_t pad2[15];
    uint32_t session; /* the guest's number, once this queue is ready for it */
    uint32_t broken;  /* enum vgpu_result: why the worker has stopped serving this session; 0 */
    uint32_t pad3[14];
};

/* What a handle's bits are. The guest mints them: creating something needs no answer. */
#define VGPU_HANDLE_MAX                4096u /* handles of one queue: index 0..4095 */
#define VGPU_HANDLE(index, generation) ((uint64_t)(generation) << 32 | (uint32_t)(index))
#define VGPU_HANDLE_INDEX(handle)      ((uint32_t)(handle))
/* Not 0; for the same index larger than that of any handle before it in this session. */
#define VGPU_HANDLE_GENERATION(handle) ((uint32_t)((handle) >> 32))

/*
 * A command. Commands of one queue are carried out in order. One without VGPU_COMMAND_ANSWER gets
 * no completion; if it fails, the next completion carries the first such failure.
 */
struct vgpu_command {
    uint16_t opcode; /* enum vgpu_command_opcode */
    uint16_t flags;  /* VGPU_COMMAND_*; others 0 */
    uint32_t tag;    /* the guest's own; the completion repeats it */
    uint64_t handle; /* the object that it is about */
    uint64_t event;  /* a new handle for its event, or 0: none */
    union {
        uint64_t arg[5]; /* unused ones 0 */
        struct {
            uint32_t dimensions; /* 1..3; the rest of each array is ignored */
            uint32_t offset[3];
            uint32_t global[3];
            uint32_t local[3]; /* all 0: the backend chooses */
        } launch;
    };
};

#define VGPU_COMMAND_ANSWER (1u << 0) /* a completion is wanted */

/* arg[] of each; "arena" is an offset in the slot's arena, lengths are bytes. */
enum vgpu_command_opcode {
    VGPU_CMD_NOP = 0x0100,
    VGPU_CMD_SNAPSHOT = 0x0101, /* 0 arena, 1 length; result: bytes of the whole snapshot (struct
                                   vgpu_snapshot and its texts), of which length are written */
    VGPU_CMD_RELEASE = 0x0102,  /* the handle, of whatever kind */
    VGPU_CMD_BARRIER = 0x0103,  /* what follows begins when all before has ended */
    VGPU_CMD_FINISH = 0x0104,   /* the completion comes when all before has ended */

    VGPU_CMD_BUFFER_CREATE = 0x0110, /* new handle; 0 length */
    VGPU_CMD_BUFFER_WRITE = 0x0111,  /* 0 offset, 1 length, 2 arena */
    VGPU_CMD_BUFFER_READ = 0x0112,   /* 0 offset, 1 length, 2 arena; there with the completion */
    VGPU_CMD_BUFFER_COPY = 0x0113,   /* to handle; 0 source handle, 1 source offset, 2 offset,
                                        3 length */
    VGPU_CMD_BUFFER_FILL = 0x0114,   /* 0 offset, 1 length, 2 pattern, 3 bytes of it: 1, 2, 4, 8 */

    VGPU_CMD_PROGRAM_CREATE = 0x0120, /* new handle; 0 enum vgpu_program_kind, 1 arena, 2 length */
    VGPU_CMD_PROGRAM_BUILD = 0x0121,  /* options: 0 arena, 1 length */
    VGPU_CMD_PROGRAM_LOG = 0x0122,    /* 0 arena, 1 length; result: bytes of the whole log */
    VGPU_CMD_PROGRAM_BINARY = 0x0123, /* 0 arena, 1 length; result: bytes of the whole binary */

    VGPU_CMD_KERNEL_CREATE = 0x0130, /* new handle; 0 program, name: 1 arena, 2 length */
    VGPU_CMD_KERNEL_ARG = 0x0131,    /* 0 index, 1 enum vgpu_argument_kind, 2 what: see there,
                                        3 length */
    VGPU_CMD_LAUNCH = 0x0132,        /* the kernel; launch */

    VGPU_CMD_EVENT_TIMES = 0x0140, /* the event; 0 arena: struct vgpu_event_times. Waits for it */
};

enum vgpu_program_kind {
    VGPU_PROGRAM_SOURCE = 0, /* OpenCL C */
    VGPU_PROGRAM_SPIRV = 1,
    VGPU_PROGRAM_BINARY = 2, /* the same backend's */
};

enum vgpu_argument_kind {
    VGPU_ARGUMENT_BUFFER = 0, /* arg[2] a buffer's handle, 0: a null pointer; arg[3] 0 */
    VGPU_ARGUMENT_LOCAL = 1,  /* arg[3] bytes of local memory; arg[2] 0 */
    VGPU_ARGUMENT_INLINE = 2, /* arg[2] the value, arg[3] its length: 1..8 */
    VGPU_ARGUMENT_ARENA = 3,  /* arg[2] arena, arg[3] length: 1..VGPU_ARGUMENT_MAX */
};
#define VGPU_ARGUMENT_MAX                                                                          \
    4096u /* bytes of one argument by value; OpenCL asks for 1024 at least                         \
           */

struct vgpu_completion {
    uint32_t tag;        /* its command's */
    uint32_t status;     /* enum vgpu_result of its command */
    uint32_t first;      /* enum vgpu_result: the first failure since the last completion of a
                            command that wanted none; 0: there was none */
    uint32_t first_tag;  /* that command's tag */
    uint64_t result;     /* what the operation gives */
    uint64_t elapsed_ns; /* on the device; 0: not known */
};

/* The numbers that enum vgpu_error has too mean the same. */
enum vgpu_result {
    VGPU_RESULT_OK = 0x00,
    VGPU_RESULT_INVALID = 0x01,          /* a field that is not allowed there */
    VGPU_RESULT_UNAVAILABLE = 0x03,      /* no device */
    VGPU_RESULT_TIMEOUT = 0x04,          /* the deadline */
    VGPU_RESULT_EXECUTION_FAILED = 0x05, /* the device or its driver failed */
    VGPU_RESULT_UNSUPPORTED = 0x08,      /* the operation, or this kind of it on this backend */
    VGPU_RESULT_RATE_LIMITED = 0x0a,
    VGPU_RESULT_QUARANTINED = 0x0b,
    VGPU_RESULT_BAD_HANDLE = 0x20,    /* not there, of another kind, stale, or in use already */
    VGPU_RESULT_OUT_OF_RANGE = 0x21,  /* offset and length leave the buffer or the arena */
    VGPU_RESULT_OUT_OF_MEMORY = 0x22, /* the device's */
    VGPU_RESULT_QUOTA = 0x23,         /* a limit of this VM */
    VGPU_RESULT_BUILD_FAILED = 0x24,  /* see the program's log */
    VGPU_RESULT_NO_KERNEL = 0x25,     /* the program has none of that name, or is not built */
    VGPU_RESULT_BAD_ARGUMENT = 0x26,  /* index, size or kind; or not all are set at a launch */
    VGPU_RESULT_BAD_LAUNCH = 0x27,    /* sizes that the device or the kernel does not allow */
    VGPU_RESULT_BAD_QUEUE = 0x28,     /* indices that cannot be: the session is broken */
};

/* All properties that do not change. Texts are UTF-8 without a NUL, right behind, in this order. */
struct vgpu_snapshot {
    uint32_t size;    /* of this struct, as the host knows it; a later version appends */
    uint32_t backend; /* enum vgpu_backend_kind */
    uint32_t compute_units;
    uint32_t clock_mhz; /* 0: unknown */
    uint64_t memory;    /* bytes, global */
    uint64_t local_memory;
    uint64_t max_buffer;   /* bytes of one buffer: the device's limit and the VM's */
    uint64_t quota_memory; /* bytes that this VM may have in buffers; 0: no limit of its own */
    uint64_t max_group;    /* work items of one group */
    uint64_t max_item[3];
    uint32_t programs; /* 1 << enum vgpu_program_kind of those that it takes */
    uint32_t max_handles;
    uint32_t name_length; /* texts: name, vendor, version, driver, extensions */
    uint32_t vendor_length;
    uint32_t version_length;
    uint32_t driver_length;
    uint32_t extensions_length;
    uint32_t reserved;
};

/* Nanoseconds of the device's clock; 0: not known. */
struct vgpu_event_times {
    uint64_t queued;
    uint64_t submitted;
    uint64_t started;
    uint64_t ended;
};

_Static_assert(sizeof(struct vgpu_queue_guest) == 256, "size");
_Static_assert(offsetof(struct vgpu_queue_guest, completion_head) == 0x40, "offset");
_Static_assert(offsetof(struct vgpu_queue_guest, parked) == 0x80, "offset");
_Static_assert(offsetof(struct vgpu_queue_guest, session) == 0xc0, "offset");
_Static_assert(sizeof(struct vgpu_queue_host) == 256, "size");
_Static_assert(offsetof(struct vgpu_queue_host, completion_tail) == 0x40, "offset");
_Static_assert(offsetof(struct vgpu_queue_host, parked) == 0x80, "offset");
_Static_assert(offsetof(struct vgpu_queue_host, session) == 0xc0, "offset");
_Static_assert(sizeof(struct vgpu_command) == 64, "size");
_Static_assert(offsetof(struct vgpu_command, arg) == 24, "offset");
_Static_assert(sizeof(struct vgpu_completion) == 32, "size");
_Static_assert(VGPU_QUEUE_COMMANDS + VGPU_QUEUE_ENTRIES * sizeof(struct vgpu_command) ==
                   VGPU_QUEUE_RESULTS,
               "the rings lie side by side");
_Static_assert(VGPU_QUEUE_RESULTS + VGPU_QUEUE_ENTRIES * sizeof(struct vgpu_completion) ==
                   VGPU_QUEUE_ARENA,
               "then the arena");
_Static_assert(sizeof(struct vgpu_snapshot) == 112, "size");
_Static_assert(sizeof(struct vgpu_event_times) == 32, "size");

#endif
