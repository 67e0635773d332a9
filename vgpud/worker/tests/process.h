/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vgpu-worker as a child process, and the device's side of its channel; for tests. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "page.h"
#include "vgpu-codec.h"
#include "vgpu-queue.h"

/* What a device shares with its workers. */
typedef struct {
    guint queues;
    int fd;         /* the memfd */
    guint8 *memory; /* mapped here; slot i begins at i * PROCESS_SLOT */
    int doorbell[VGPU_QUEUE_MAX];
    int completion[VGPU_QUEUE_MAX];
} Share;

#define PROCESS_SLOT (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    pid_t pid;
    int channel; /* the device's end */
    int log_fd;  /* a file with what the worker wrote to stderr */
    VgpuPage *page;
    guint64 sequence;
    const Share *share; /* NULL: the device has no queues */
} Process;

/* One answer; its data points into bytes. */
typedef struct {
    guint8 bytes[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;
    struct vgpu_response response;
} Answer;

/* The next worker that is started gets these three as --lease-fd, and the fourth, unless it is -1,
 * as
 * --trace-fd; once. */
void process_lend(const int fds[4]);

/* The user and group that sandboxed workers get here. */
#define PROCESS_UID 61987

/* Are workers sandboxed here? Only root can. */
gboolean process_sandboxed(void);

/* Memory for @queues queues, a power of two; the next worker that is started with it may serve
 * them.
 */
void share_init(Share *share, guint queues);
void share_clear(Share *share);

/*
 * As process_start(), with queues, and waits until it is ready to serve them. @share is borrowed
 * until process_clear().
 */
void process_start_with_queues(Process *process, const Share *share, const char *const *options);

/*
 * Starts the worker that VGPU_WORKER names, with @options (ended by NULL) behind those that are
 * always needed; without the sandbox unless process_sandboxed().
 */
void process_start(Process *process, const char *const *options);

/* As process_start(), and waits for READY or FAILED, which is returned. */
VgpuPageState process_start_and_wait(Process *process, const char *const *options);

/* Sends a request; process->sequence is its number. */
void process_send(Process *process, const void *bytes, gsize length);
void process_send_request(Process *process, guint32 opcode, guint32 param_count, guint32 a,
                          guint32 b);

/* The next answer, checked to be well-formed; WAITS is passed over. FALSE at the channel's end.
 * Fails after 60 s. */
gboolean process_receive(Process *process, Answer *answer);

/* Sends a request and returns the error code of its answer. */
enum vgpu_error process_call(Process *process, guint32 opcode, guint32 param_count, guint32 a,
                             guint32 b, Answer *answer);

/* Closes the channel, waits for the end, and returns wait()'s status. The log stays. */
int process_end(Process *process);

/* What the worker has logged. */
char *process_log(const Process *process);

/* Gives back what process_end() left. */
void process_clear(Process *process);
