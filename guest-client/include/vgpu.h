/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvgpu: the virtual GPU of this VM, for programs in C.
 *
 * A context is one queue of the device, through /dev/vgpuN; no root is needed. Commands of a
 * context are carried out in the order in which they were submitted. Calls of two kinds:
 *
 *   - Those whose names end in _async, and all that give nothing back, submit and return. They wait
 *     only while the queue is full. Data that they take is copied before they return. What they
 * were asked to do may still fail; the first such error is told by the next call that waits.
 *   - The others wait for their result.
 *
 * Without the driver vgpu.ko a context uses protocol 1.0 through sysfs, which takes root. Then
 * vgpu_nop(), vgpu_vector_add() and vgpu_device_info() work; others give VGPU_E_UNSUPPORTED.
 *
 * Every function that returns int returns VGPU_OK or a VGPU_E_*. vgpu_last_error() then says in
 * words what happened.
 *
 * Threads: a context may be used by many at once; vgpu_close() is for the last. Fork: a child gets
 * VGPU_E_FORKED from its parent's contexts, and may close them without disturbing the parent. It
 * can open its own. Signals: a handler must not call these functions; waiting goes on after it.
 *
 * See libvgpu(3).
 */
#ifndef VGPU_H
#define VGPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Up to 0x2f the host's answers, with the numbers that they have in the protocol. */
enum {
    VGPU_OK = 0,
    VGPU_E_INVALID = 0x01,       /* an argument that is not allowed there */
    VGPU_E_TOO_LARGE = 0x02,     /* more than the queue can carry at once */
    VGPU_E_UNAVAILABLE = 0x03,   /* the host has no vgpud, or it does not serve this VM */
    VGPU_E_TIMEOUT = 0x04,       /* it took longer than the host allows */
    VGPU_E_EXECUTION = 0x05,     /* the device or its driver failed */
    VGPU_E_POOL = 0x06,          /* the host does not have this VM's pool */
    VGPU_E_FULL = 0x07,          /* too many at once */
    VGPU_E_UNSUPPORTED = 0x08,   /* not by this backend, or not without the driver */
    VGPU_E_LENGTH = 0x09,        /* the length of a request */
    VGPU_E_RATE_LIMITED = 0x0a,  /* more calls than this VM may make */
    VGPU_E_QUARANTINED = 0x0b,   /* the host has shut this VM out for its faults */
    VGPU_E_HANDLE = 0x20,        /* there is no such object, or it is of another kind */
    VGPU_E_RANGE = 0x21,         /* outside the buffer */
    VGPU_E_DEVICE_MEMORY = 0x22, /* the device has no memory left */
    VGPU_E_QUOTA = 0x23,         /* a limit of this VM */
    VGPU_E_BUILD = 0x24,         /* see vgpu_program_log() */
    VGPU_E_NO_KERNEL = 0x25,     /* the program has none of that name, or is not built */
    VGPU_E_ARGUMENT = 0x26,      /* a kernel's argument; or not all of them are set */
    VGPU_E_LAUNCH = 0x27,        /* sizes that the device or the kernel does not allow */
    VGPU_E_PROTOCOL = 0x28,      /* the other side does not keep to the protocol */

    VGPU_E_LOST = 0x100,       /* the worker is gone and all objects with it: vgpu_reopen() */
    VGPU_E_NO_DEVICE = 0x101,  /* this VM has no virtual GPU, or it was unplugged */
    VGPU_E_BUSY = 0x102,       /* every queue has an owner */
    VGPU_E_PERMISSION = 0x103, /* this user may not */
    VGPU_E_FORKED = 0x104,     /* the context is the parent process's */
    VGPU_E_MEMORY = 0x105,     /* this process has no memory left */
    VGPU_E_SYSTEM = 0x106,     /* a system call failed */
    VGPU_E_AGAIN = 0x107,      /* not yet */
    VGPU_E_LIMIT = 0x108,      /* too many objects or tickets in this context */
    VGPU_E_TICKET = 0x109,     /* no such ticket, or it has been waited for */
};

/* One line for a VGPU_E_*; static. */
const char *vgpu_error_text(int code);

/* What failed in the calling thread's last call that failed, in words; "" before. Valid until that
 * thread's next failure. */
const char *vgpu_last_error(void);

/* The library's version, "0.1.0"; static. */
const char *vgpu_version(void);

typedef struct VgpuContext VgpuContext;

/* Objects on the device; 0 is none. Each is of the context that created it, and gone with it. */
typedef uint64_t VgpuBuffer;
typedef uint64_t VgpuProgram;
typedef uint64_t VgpuKernel;
typedef uint64_t VgpuEvent;

/* Something that was submitted; 0 is none. */
typedef uint64_t VgpuTicket;

/*
 * Opens a context. @device is a file ("/dev/vgpu0"), a number ("0": /dev/vgpu0), "registers" for
 * protocol 1.0 on the first device or a PCI address ("0000:01:00.0") for it on another. NULL: what
 * VGPU_DEVICE in the environment names, else the first file with a free queue, else, without a
 * file, protocol 1.0. Waits up to 5 seconds for a worker that is just being started.
 */
int vgpu_open(VgpuContext **context, const char *device);

/* Gives back the queue and all objects; what was submitted may be left undone: vgpu_finish()
 * before. NULL is allowed. */
void vgpu_close(VgpuContext *context);

/* A queue of the same device anew, after VGPU_E_LOST or at any time. All objects are gone and their
 * handles are refused; tickets of before give VGPU_E_LOST. vgpu_fd() may change. When it fails, the
 * context is lost and can be reopened later. */
int vgpu_reopen(VgpuContext *context);

#define VGPU_SPIN_ADAPTIVE (-1L) /* short, by what waiting took before; the default */
#define VGPU_SPIN_ALWAYS   (-2L) /* never sleep: the fastest, at the cost of a CPU */

/* How waiting begins: @microseconds of polling, or VGPU_SPIN_*; then the thread sleeps. Overrides
 * VGPU_SPIN in the environment: a number, "adaptive" or "always". */
void vgpu_set_spin(VgpuContext *context, long microseconds);

enum { VGPU_TRANSPORT_QUEUE = 0, VGPU_TRANSPORT_REGISTERS = 1 };

/* What this context is; set once, but for generation, by vgpu_open(). New members come at the end.
 */
typedef struct VgpuContextInfo {
    int transport;      /* VGPU_TRANSPORT_* */
    uint32_t protocol;  /* major << 16 | minor */
    uint32_t pool;      /* ASCII letter */
    uint32_t priority;  /* 0 low, 1 medium, 2 high */
    uint32_t vm_id;     /* the host's number of this VM */
    uint32_t queue;     /* of the device, from 0; 0 without queues */
    uint64_t slot_size; /* bytes of this queue's shared memory that are used; 0 without */
    char device[128];   /* the file, or the folder in sysfs */
} VgpuContextInfo;
const VgpuContextInfo *vgpu_context_info(const VgpuContext *context);

/* What computes on the host; 0 or "": not known. New members come at the end. */
typedef struct VgpuDeviceInfo {
    uint32_t backend; /* 0 null, 1 OpenCL, 2 CUDA */
    uint32_t compute_units;
    uint32_t clock_mhz;
    uint32_t programs;     /* bits of what it takes: 1 source, 2 SPIR-V, 4 binary */
    uint64_t memory;       /* bytes of global memory */
    uint64_t local_memory; /* bytes for a group */
    uint64_t max_buffer;   /* bytes of one buffer */
    uint64_t quota_memory; /* bytes that this VM may have in buffers; 0: no limit of its own */
    uint64_t max_group;    /* work items of a group */
    uint64_t max_item[3];  /* the same in each dimension */
    const char *name;      /* UTF-8, these five */
    const char *vendor;
    const char *version;
    const char *driver;
    const char *extensions;
} VgpuDeviceInfo;

/* Asks the host once; @info stays the context's, valid until vgpu_reopen() or vgpu_close(). */
int vgpu_device_info(VgpuContext *context, const VgpuDeviceInfo **info);

/* The way there and back, nothing else. */
int vgpu_nop(VgpuContext *context);
int vgpu_nop_async(VgpuContext *context, VgpuTicket *ticket);

/* @sum = (@a + @b) modulo 2^32, computed by the host's GPU; builds its program at the first call.
 */
int vgpu_vector_add(VgpuContext *context, uint32_t a, uint32_t b, uint32_t *sum);

/*
 * Buffers. Offsets and lengths are bytes. Where there is a last argument @event, NULL is allowed;
 * else it gets a new event, of the last part where the copy is made in several.
 */
int vgpu_buffer_create(VgpuContext *context, uint64_t length, VgpuBuffer *buffer);
int vgpu_buffer_write(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, const void *data,
                      size_t length, VgpuEvent *event);
int vgpu_buffer_read(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, void *data,
                     size_t length, VgpuEvent *event);
/* @data must stay until the ticket has been waited for or dropped; when the read fails it may have
 * been written in part. */
int vgpu_buffer_read_async(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, void *data,
                           size_t length, VgpuEvent *event, VgpuTicket *ticket);
int vgpu_buffer_copy(VgpuContext *context, VgpuBuffer to, uint64_t to_offset, VgpuBuffer from,
                     uint64_t from_offset, uint64_t length, VgpuEvent *event);
/* Repeats the @pattern_length (1, 2, 4 or 8) bytes at @pattern; @length is a multiple of it. */
int vgpu_buffer_fill(VgpuContext *context, VgpuBuffer buffer, uint64_t offset, uint64_t length,
                     const void *pattern, size_t pattern_length, VgpuEvent *event);

/* Gives an object back: buffer, program, kernel or event; also one whose creation has failed. */
int vgpu_release(VgpuContext *context, uint64_t object);

/* Programs: OpenCL C, SPIR-V, or what vgpu_program_binary() gave. VGPU_E_TOO_LARGE: more than the
 * queue's shared memory holds. */
int vgpu_program_from_source(VgpuContext *context, const char *source, VgpuProgram *program);
int vgpu_program_from_spirv(VgpuContext *context, const void *code, size_t length,
                            VgpuProgram *program);
int vgpu_program_from_binary(VgpuContext *context, const void *code, size_t length,
                             VgpuProgram *program);
/* @options are the compiler's; NULL: none. VGPU_E_BUILD: the log says why. */
int vgpu_program_build(VgpuContext *context, VgpuProgram program, const char *options);
int vgpu_program_build_async(VgpuContext *context, VgpuProgram program, const char *options,
                             VgpuTicket *ticket);
/* The build's log, cut and ended with a NUL in @size bytes; @length (NULL is allowed) gets what it
 * has without the NUL. */
int vgpu_program_log(VgpuContext *context, VgpuProgram program, char *text, size_t size,
                     size_t *length);
/* The same for the binary, without a NUL. With a @size of 0 it gives the length only. */
int vgpu_program_binary(VgpuContext *context, VgpuProgram program, void *code, size_t size,
                        size_t *length);

/* Kernels. Arguments are counted from 0 and are kept until they are set anew. */
int vgpu_kernel_create(VgpuContext *context, VgpuProgram program, const char *name,
                       VgpuKernel *kernel);
int vgpu_kernel_arg(VgpuContext *context, VgpuKernel kernel, uint32_t index, const void *value,
                    size_t length);
/* @buffer 0: a null pointer. */
int vgpu_kernel_arg_buffer(VgpuContext *context, VgpuKernel kernel, uint32_t index,
                           VgpuBuffer buffer);
/* @length bytes of local memory. */
int vgpu_kernel_arg_local(VgpuContext *context, VgpuKernel kernel, uint32_t index, size_t length);

/* Runs a kernel over @dimensions (1 to 3) sizes each. @offset NULL: 0; @local NULL: the device
 * chooses. */
int vgpu_launch(VgpuContext *context, VgpuKernel kernel, unsigned int dimensions,
                const size_t *offset, const size_t *global, const size_t *local, VgpuEvent *event);

/* Nanoseconds of the device's clock; 0: not known. */
typedef struct VgpuEventTimes {
    uint64_t queued;
    uint64_t submitted;
    uint64_t started;
    uint64_t ended;
} VgpuEventTimes;

/* Waits for the event's command. */
int vgpu_event_times(VgpuContext *context, VgpuEvent event, VgpuEventTimes *times);

/* What follows begins when all before has ended. */
int vgpu_barrier(VgpuContext *context);

/* Waits until all before has ended on the device. */
int vgpu_finish(VgpuContext *context);

/* A ticket that is done when all before has ended on the device. */
int vgpu_fence(VgpuContext *context, VgpuTicket *ticket);

/* Waits for a ticket, at most @timeout_ms; -1: without limit. VGPU_E_AGAIN: not done by then. Any
 * other answer is the result of what the ticket stands for, and the ticket is used up. */
int vgpu_wait(VgpuContext *context, VgpuTicket ticket, int timeout_ms);

/* The same without waiting, and the ticket is used up only when it is done. */
int vgpu_test(VgpuContext *context, VgpuTicket ticket);

/* Forgets a ticket; a read that it stands for does not touch its memory any more. */
void vgpu_drop(VgpuContext *context, VgpuTicket ticket);

/*
 * A descriptor that becomes readable (POLLIN) when something has come back, or POLLERR when the
 * session is lost: then ask vgpu_test() for the tickets. It stays the context's; -1 with protocol
 * 1.0. For one thread: ask vgpu_test() first and poll() only then; the call in which another thread
 * waits may have taken what this one would be woken for.
 */
int vgpu_fd(const VgpuContext *context);

#ifdef __cplusplus
}
#endif

#endif
