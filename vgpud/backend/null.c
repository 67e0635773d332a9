/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend without a device: what a request costs when the computing costs nothing.
 *
 * Buffers are memory of the process, and write, read, copy and fill do what they say at once, so
 * nothing ever runs behind a call. Any program builds and has a kernel of any name, which takes up
 * to NULL_ARGUMENTS arguments and does nothing.
 */
#include "backend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define NULL_ARGUMENTS 64u
#define NULL_MEMORY    (G_GUINT64_CONSTANT(1) << 30)
#define NULL_LOCAL     (G_GUINT64_CONSTANT(64) << 10)
#define NULL_GROUP     1024u

struct VgpuBackendQueue {
    guint8 nothing;
};

struct VgpuBackendBuffer {
    guint64 length;
    guint8 bytes[];
};

struct VgpuBackendProgram {
    GBytes *bytes;
    gboolean built;
};

struct VgpuBackendKernel {
    guint8 nothing;
};

struct VgpuBackendEvent {
    guint references;
    guint64 at_ns;
};

static VgpuBackend *null_open(const char *device, GError **error)
{
    if (*device != '\0') {
        g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                    "the null backend has one device, \"\", not \"%s\"", device);
        return NULL;
    }

    VgpuBackend *backend = g_new0(VgpuBackend, 1);
    backend->info = (VgpuBackendInfo){
        .name = g_strdup("null: CPU"),
        .in_process = TRUE,
        .compute_units = 1,
        .kind = VGPU_BACKEND_NULL,
        .texts = {g_strdup("CPU"), g_strdup("vgpud"), g_strdup("null"), g_strdup(VGPU_VERSION)},
        .memory = NULL_MEMORY,
        .local_memory = NULL_LOCAL,
        .max_buffer = NULL_MEMORY,
        .max_group = NULL_GROUP,
        .max_item = {NULL_GROUP, NULL_GROUP, NULL_GROUP},
        .programs =
            1u << VGPU_PROGRAM_SOURCE | 1u << VGPU_PROGRAM_SPIRV | 1u << VGPU_PROGRAM_BINARY,
    };
    return backend;
}

static enum vgpu_error null_vector_add(VgpuBackend *backend, guint32 a, guint32 b, guint32 *sum,
                                       GError **error)
{
    (void)backend;
    (void)error;
    *sum = a + b;
    return VGPU_ERROR_NONE;
}

static gboolean null_is_lost(VgpuBackend *backend)
{
    (void)backend;
    return FALSE;
}

static void null_close(VgpuBackend *backend)
{
    g_free(backend);
}

static enum vgpu_result give_event(VgpuBackendEvent **event)
{
    struct timespec now;

    if (event == NULL)
        return VGPU_RESULT_OK;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *event = g_new(VgpuBackendEvent, 1);
    (*event)->references = 1;
    (*event)->at_ns = (guint64)now.tv_sec * G_GUINT64_CONSTANT(1000000000) + (guint64)now.tv_nsec;
    return VGPU_RESULT_OK;
}

static enum vgpu_result null_queue_new(VgpuBackend *backend, VgpuBackendQueue **queue,
                                       GError **error)
{
    (void)backend;
    (void)error;
    *queue = g_new0(VgpuBackendQueue, 1);
    return VGPU_RESULT_OK;
}

static void null_queue_free(VgpuBackendQueue *queue)
{
    g_free(queue);
}

static enum vgpu_result null_queue_flush(VgpuBackendQueue *queue, GError **error)
{
    (void)queue;
    (void)error;
    return VGPU_RESULT_OK;
}

static enum vgpu_result null_barrier(VgpuBackendQueue *queue, VgpuBackendEvent **event,
                                     GError **error)
{
    (void)queue;
    (void)error;
    return give_event(event);
}

static enum vgpu_result null_buffer_new(VgpuBackend *backend, guint64 length,
                                        VgpuBackendBuffer **buffer, GError **error)
{
    (void)backend;
    (void)error;
    if (length > NULL_MEMORY)
        return VGPU_RESULT_OUT_OF_MEMORY;
    *buffer = calloc(1, sizeof(**buffer) + length);
    if (*buffer == NULL)
        return VGPU_RESULT_OUT_OF_MEMORY;
    (*buffer)->length = length;
    return VGPU_RESULT_OK;
}

static void null_buffer_free(VgpuBackendBuffer *buffer)
{
    free(buffer);
}

static enum vgpu_result null_buffer_write(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                          guint64 offset, guint64 length, const void *data,
                                          VgpuBackendEvent **event, GError **error)
{
    (void)queue;
    (void)error;
    memcpy(buffer->bytes + offset, data, length);
    return give_event(event);
}

static enum vgpu_result null_buffer_read(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, void *data,
                                         VgpuBackendEvent **event, GError **error)
{
    (void)queue;
    (void)error;
    memcpy(data, buffer->bytes + offset, length);
    return give_event(event);
}

static enum vgpu_result null_buffer_copy(VgpuBackendQueue *queue, VgpuBackendBuffer *to,
                                         guint64 to_offset, VgpuBackendBuffer *from,
                                         guint64 from_offset, guint64 length,
                                         VgpuBackendEvent **event, GError **error)
{
    (void)queue;
    (void)error;
    memcpy(to->bytes + to_offset, from->bytes + from_offset, length);
    return give_event(event);
}

static enum vgpu_result null_buffer_fill(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                         guint64 offset, guint64 length, const void *pattern,
                                         gsize size, VgpuBackendEvent **event, GError **error)
{
    (void)queue;
    (void)error;
    for (guint64 done = 0; done < length; done += size)
        memcpy(buffer->bytes + offset + done, pattern, size);
    return give_event(event);
}

static enum vgpu_result null_program_new(VgpuBackend *backend, enum vgpu_program_kind kind,
                                         const void *bytes, gsize length,
                                         VgpuBackendProgram **program, GError **error)
{
    (void)backend;
    (void)kind;
    (void)error;
    *program = g_new0(VgpuBackendProgram, 1);
    (*program)->bytes = g_bytes_new(bytes, length);
    return VGPU_RESULT_OK;
}

static void null_program_free(VgpuBackendProgram *program)
{
    g_bytes_unref(program->bytes);
    g_free(program);
}

static enum vgpu_result null_program_build(VgpuBackendProgram *program, const char *options,
                                           GError **error)
{
    (void)options;
    (void)error;
    program->built = TRUE;
    return VGPU_RESULT_OK;
}

static enum vgpu_result null_program_log(VgpuBackendProgram *program, guint8 **log, gsize *length,
                                         GError **error)
{
    (void)program;
    (void)error;
    *log = NULL;
    *length = 0;
    return VGPU_RESULT_OK;
}

/* The binary is what the program was made from. */
static enum vgpu_result null_program_binary(VgpuBackendProgram *program, guint8 **binary,
                                            gsize *length, GError **error)
{
    (void)error;
    if (!program->built)
        return VGPU_RESULT_NO_KERNEL;

    const void *bytes = g_bytes_get_data(program->bytes, length);
    *binary = g_memdup2(bytes, *length);
    return VGPU_RESULT_OK;
}

static enum vgpu_result null_kernel_new(VgpuBackendProgram *program, const char *name,
                                        VgpuBackendKernel **kernel, guint *arguments,
                                        GError **error)
{
    (void)error;
    if (!program->built || *name == '\0')
        return VGPU_RESULT_NO_KERNEL;
    *kernel = g_new0(VgpuBackendKernel, 1);
    *arguments = NULL_ARGUMENTS;
    return VGPU_RESULT_OK;
}

static void null_kernel_free(VgpuBackendKernel *kernel)
{
    g_free(kernel);
}

static enum vgpu_result null_kernel_argument(VgpuBackendKernel *kernel, guint index,
                                             const VgpuBackendArgument *argument, GError **error)
{
    (void)kernel;
    (void)index;
    (void)argument;
    (void)error;
    return VGPU_RESULT_OK;
}

static enum vgpu_result null_launch(VgpuBackendQueue *queue, VgpuBackendKernel *kernel,
                                    const VgpuBackendLaunch *launch, VgpuBackendEvent **event,
                                    GError **error)
{
    (void)queue;
    (void)kernel;
    (void)launch;
    (void)error;
    return give_event(event);
}

static VgpuBackendEvent *null_event_ref(VgpuBackendEvent *event)
{
    event->references++;
    return event;
}

static void null_event_unref(VgpuBackendEvent *event)
{
    if (--event->references == 0)
        g_free(event);
}

static VgpuBackendProgress null_event_progress(VgpuBackendEvent *event)
{
    (void)event;
    return VGPU_BACKEND_ENDED;
}

static enum vgpu_result null_event_notify(VgpuBackendEvent *event, int fd, GError **error)
{
    (void)event;
    (void)error;
    eventfd_write(fd, 1);
    return VGPU_RESULT_OK;
}

static enum vgpu_result null_event_times(VgpuBackendEvent *event, struct vgpu_event_times *times,
                                         GError **error)
{
    const guint64 at = event->at_ns;

    (void)error;
    *times = (struct vgpu_event_times){at, at, at, at};
    return VGPU_RESULT_OK;
}

const VgpuBackendClass vgpu_null_backend = {
    .name = "null",
    .open = null_open,
    .close = null_close,
    .vector_add = null_vector_add,
    .is_lost = null_is_lost,
    .queue_new = null_queue_new,
    .queue_free = null_queue_free,
    .queue_flush = null_queue_flush,
    .barrier = null_barrier,
    .buffer_new = null_buffer_new,
    .buffer_free = null_buffer_free,
    .buffer_write = null_buffer_write,
    .buffer_read = null_buffer_read,
    .buffer_copy = null_buffer_copy,
    .buffer_fill = null_buffer_fill,
    .program_new = null_program_new,
    .program_free = null_program_free,
    .program_build = null_program_build,
    .program_log = null_program_log,
    .program_binary = null_program_binary,
    .kernel_new = null_kernel_new,
    .kernel_free = null_kernel_free,
    .kernel_argument = null_kernel_argument,
    .launch = null_launch,
    .event_ref = null_event_ref,
    .event_unref = null_event_unref,
    .event_progress = null_event_progress,
    .event_notify = null_event_notify,
    .event_times = null_event_times,
};
