/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The null backend with faults put in, to see how everything around it stands them.
 *
 * The device selector is a list, separated by commas, of at most one of
 *   fail       the request fails on the device
 *   hang       the device never answers
 *   crash      the driver takes the process down (abort)
 *   lost       the request fails, and so does all that follows: the device is lost to this process
 *   open-fail, open-hang   the same while the device is opened
 * and any of
 *   delay=TIME   wait first; TIME is a number and its unit, ms or s: 50ms, 2s
 *   after=N      the first N requests are spared; a request is one of protocol 1.0, or a command
 *                that writes, reads, copies or fills a buffer or launches a kernel
 *   every=N      of the requests behind these, each Nth is struck; 1 when not given
 *   gone=FILE    the device is gone while there is this file, in the worker's own folder: opening
 *                it fails, and whoever has it open has lost it
 * It must hold one of the six words, a delay or a file. With an open- word the delay is at opening,
 * and requests are spared; so "after" and "every" mean nothing then and are refused.
 */
#include "backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DELAY_MS 3600000u /* an hour, VGPU_LINK_MAX_TIMEOUT_MS: no request lives longer */

typedef enum { NO_ACTION, FAIL, HANG, CRASH, LOSE } Action;

typedef struct {
    Action action;
    gboolean at_open;
    guint64 delay_ms;
    guint64 after;
    guint64 every; /* 0: not given */
    char *gone;    /* NULL: not given */
} Fault;

typedef struct {
    VgpuBackend base;
    VgpuBackendClass class; /* the null backend's, but for what is struck */
    VgpuBackend *below;
    Fault fault;
    guint64 requests;
    gboolean lost;
} VgpuFaultBackend;

struct VgpuBackendQueue {
    VgpuFaultBackend *backend;
    VgpuBackendQueue *below;
};

static const struct {
    const char *word;
    Action action;
    gboolean at_open;
} actions[] = {
    {"fail", FAIL, FALSE}, {"hang", HANG, FALSE},     {"crash", CRASH, FALSE},
    {"lost", LOSE, FALSE}, {"open-fail", FAIL, TRUE}, {"open-hang", HANG, TRUE},
};

static gboolean parse_delay(const char *text, guint64 *delay_ms)
{
    gsize digits = strspn(text, "0123456789");
    g_autofree char *number = g_strndup(text, digits);
    guint64 unit = g_str_equal(text + digits, "s") ? 1000 : 1;

    if (unit == 1 && !g_str_equal(text + digits, "ms"))
        return FALSE;
    if (!g_ascii_string_to_unsigned(number, 10, 0, MAX_DELAY_MS / unit, delay_ms, NULL))
        return FALSE;
    *delay_ms *= unit;
    return TRUE;
}

/* The folder that a worker may write to is its HOME, sandbox.h. */
static gboolean parse_file(const char *name, Fault *fault)
{
    if (name[0] == '\0' || fault->gone != NULL)
        return FALSE;
    fault->gone =
        g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(g_get_home_dir(), name, NULL);
    return TRUE;
}

static gboolean parse_word(const char *word, Fault *fault)
{
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (!g_str_equal(word, actions[i].word))
            continue;
        if (fault->action != NO_ACTION)
            return FALSE;
        fault->action = actions[i].action;
        fault->at_open = actions[i].at_open;
        return TRUE;
    }

    if (g_str_has_prefix(word, "delay="))
        return parse_delay(word + strlen("delay="), &fault->delay_ms);
    if (g_str_has_prefix(word, "after="))
        return g_ascii_string_to_unsigned(word + strlen("after="), 10, 0, G_MAXUINT32,
                                          &fault->after, NULL);
    if (g_str_has_prefix(word, "every="))
        return g_ascii_string_to_unsigned(word + strlen("every="), 10, 1, G_MAXUINT32,
                                          &fault->every, NULL);
    if (g_str_has_prefix(word, "gone="))
        return parse_file(word + strlen("gone="), fault);
    return FALSE;
}

static gboolean parse(const char *spec, Fault *fault, GError **error)
{
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);

    for (gsize i = 0; words[i] != NULL; i++) {
        if (!parse_word(words[i], fault)) {
            g_set_error(
                error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                "fault \"%s\": \"%s\" is not understood here; a fault is one of fail, hang, "
                "crash, lost, open-fail, open-hang, and delay=50ms, after=N, every=N, gone=FILE",
                spec, words[i]);
            return FALSE;
        }
    }
    if (fault->action == NO_ACTION && fault->delay_ms == 0 && fault->gone == NULL) {
        g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
                    "fault \"%s\": nothing would happen; name one of fail, hang, crash, lost, "
                    "open-fail, open-hang, delay=50ms, gone=FILE",
                    spec);
        return FALSE;
    }
    if (fault->at_open && (fault->after > 0 || fault->every > 0)) {
        g_set_error(
            error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_SELECTOR,
            "fault \"%s\": \"after\" and \"every\" count requests; a fault at opening comes "
            "before the first",
            spec);
        return FALSE;
    }
    return TRUE;
}

static gboolean is_gone(const Fault *fault)
{
    return fault->gone != NULL && access(fault->gone, F_OK) == 0;
}

static enum vgpu_error lose(VgpuFaultBackend *backend, GError **error)
{
    backend->lost = TRUE;
    g_set_error_literal(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                        "fault backend: the device is lost");
    return VGPU_ERROR_EXECUTION_FAILED;
}

static enum vgpu_error strike(const Fault *fault, GError **error)
{
    switch (fault->action) {
    case NO_ACTION:
    case LOSE: /* the caller's */
        return VGPU_ERROR_NONE;
    case FAIL:
        g_set_error_literal(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                            "fault backend: this failure was asked for");
        return VGPU_ERROR_EXECUTION_FAILED;
    case HANG:
        for (;;)
            pause();
    case CRASH:
        abort();
    }
    g_assert_not_reached();
}

static gboolean is_struck(VgpuFaultBackend *backend)
{
    const Fault *fault = &backend->fault;
    guint64 number = ++backend->requests;

    return !fault->at_open && number > fault->after &&
           (number - fault->after) % MAX(1, fault->every) == 0;
}

/* One request, before it does what it is to do. */
static enum vgpu_error pass(VgpuFaultBackend *backend, GError **error)
{
    const Fault *fault = &backend->fault;
    const gboolean struck = is_struck(backend);

    if (struck)
        g_usleep(fault->delay_ms * 1000);
    if (backend->lost || (struck && fault->action == LOSE) || is_gone(fault))
        return lose(backend, error);
    return struck ? strike(fault, error) : VGPU_ERROR_NONE;
}

static gboolean fault_is_lost(VgpuBackend *base)
{
    return ((VgpuFaultBackend *)base)->lost;
}

static enum vgpu_error fault_vector_add(VgpuBackend *base, guint32 a, guint32 b, guint32 *sum,
                                        GError **error)
{
    VgpuFaultBackend *backend = (VgpuFaultBackend *)base;
    enum vgpu_error result = pass(backend, error);
    guint64 elapsed_ns;

    if (result != VGPU_ERROR_NONE)
        return result;
    return vgpu_backend_vector_add(backend->below, a, b, sum, &elapsed_ns, error);
}

static enum vgpu_result strike_command(VgpuBackendQueue *queue, GError **error)
{
    return pass(queue->backend, error) == VGPU_ERROR_NONE ? VGPU_RESULT_OK
                                                          : VGPU_RESULT_EXECUTION_FAILED;
}

static enum vgpu_result fault_queue_new(VgpuBackend *base, VgpuBackendQueue **queue, GError **error)
{
    VgpuFaultBackend *backend = (VgpuFaultBackend *)base;
    VgpuBackendQueue *below;
    enum vgpu_result result = vgpu_null_backend.queue_new(backend->below, &below, error);

    if (result != VGPU_RESULT_OK)
        return result;
    *queue = g_new0(VgpuBackendQueue, 1);
    (*queue)->backend = backend;
    (*queue)->below = below;
    return VGPU_RESULT_OK;
}

static void fault_queue_free(VgpuBackendQueue *queue)
{
    vgpu_null_backend.queue_free(queue->below);
    g_free(queue);
}

static enum vgpu_result fault_buffer_write(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                           guint64 offset, guint64 length, const void *data,
                                           VgpuBackendEvent **event, GError **error)
{
    enum vgpu_result result = strike_command(queue, error);

    return result != VGPU_RESULT_OK ? result
                                    : vgpu_null_backend.buffer_write(queue->below, buffer, offset,
                                                                     length, data, event, error);
}

static enum vgpu_result fault_buffer_read(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                          guint64 offset, guint64 length, void *data,
                                          VgpuBackendEvent **event, GError **error)
{
    enum vgpu_result result = strike_command(queue, error);

    return result != VGPU_RESULT_OK ? result
                                    : vgpu_null_backend.buffer_read(queue->below, buffer, offset,
                                                                    length, data, event, error);
}

static enum vgpu_result fault_buffer_copy(VgpuBackendQueue *queue, VgpuBackendBuffer *to,
                                          guint64 to_offset, VgpuBackendBuffer *from,
                                          guint64 from_offset, guint64 length,
                                          VgpuBackendEvent **event, GError **error)
{
    enum vgpu_result result = strike_command(queue, error);

    return result != VGPU_RESULT_OK
               ? result
               : vgpu_null_backend.buffer_copy(queue->below, to, to_offset, from, from_offset,
                                               length, event, error);
}

static enum vgpu_result fault_buffer_fill(VgpuBackendQueue *queue, VgpuBackendBuffer *buffer,
                                          guint64 offset, guint64 length, const void *pattern,
                                          gsize size, VgpuBackendEvent **event, GError **error)
{
    enum vgpu_result result = strike_command(queue, error);

    return result != VGPU_RESULT_OK
               ? result
               : vgpu_null_backend.buffer_fill(queue->below, buffer, offset, length, pattern, size,
                                               event, error);
}

/* Objects can be made of any device but one that is lost. */
static gboolean is_there(VgpuBackend *base, GError **error)
{
    VgpuFaultBackend *backend = (VgpuFaultBackend *)base;

    if (!backend->lost && !is_gone(&backend->fault))
        return TRUE;
    lose(backend, error);
    return FALSE;
}

static enum vgpu_result fault_buffer_new(VgpuBackend *base, guint64 length,
                                         VgpuBackendBuffer **buffer, GError **error)
{
    VgpuFaultBackend *backend = (VgpuFaultBackend *)base;

    return is_there(base, error)
               ? vgpu_null_backend.buffer_new(backend->below, length, buffer, error)
               : VGPU_RESULT_EXECUTION_FAILED;
}

static enum vgpu_result fault_program_new(VgpuBackend *base, enum vgpu_program_kind kind,
                                          const void *bytes, gsize length,
                                          VgpuBackendProgram **program, GError **error)
{
    VgpuFaultBackend *backend = (VgpuFaultBackend *)base;

    return is_there(base, error)
               ? vgpu_null_backend.program_new(backend->below, kind, bytes, length, program, error)
               : VGPU_RESULT_EXECUTION_FAILED;
}

static enum vgpu_result fault_launch(VgpuBackendQueue *queue, VgpuBackendKernel *kernel,
                                     const VgpuBackendLaunch *launch, VgpuBackendEvent **event,
                                     GError **error)
{
    enum vgpu_result result = strike_command(queue, error);

    return result != VGPU_RESULT_OK
               ? result
               : vgpu_null_backend.launch(queue->below, kernel, launch, event, error);
}

static void fault_close(VgpuBackend *base)
{
    VgpuFaultBackend *backend = (VgpuFaultBackend *)base;

    vgpu_backend_close(backend->below);
    g_free(backend->fault.gone);
    g_free(backend);
}

/* What is not struck goes to the null backend at once. */
static void set_class(VgpuFaultBackend *backend)
{
    backend->class = vgpu_null_backend;
    backend->class.name = vgpu_fault_backend.name;
    backend->class.open = vgpu_fault_backend.open;
    backend->class.close = vgpu_fault_backend.close;
    backend->class.vector_add = vgpu_fault_backend.vector_add;
    backend->class.is_lost = vgpu_fault_backend.is_lost;
    backend->class.queue_new = fault_queue_new;
    backend->class.queue_free = fault_queue_free;
    backend->class.buffer_new = fault_buffer_new;
    backend->class.program_new = fault_program_new;
    backend->class.buffer_write = fault_buffer_write;
    backend->class.buffer_read = fault_buffer_read;
    backend->class.buffer_copy = fault_buffer_copy;
    backend->class.buffer_fill = fault_buffer_fill;
    backend->class.launch = fault_launch;
    backend->base.class = &backend->class;
}

static gboolean open_device(const char *device, Fault *fault, GError **error)
{
    if (!parse(device, fault, error))
        return FALSE;
    if (fault->at_open) {
        g_usleep(fault->delay_ms * 1000);
        if (strike(fault, error) != VGPU_ERROR_NONE)
            return FALSE;
    }
    if (!is_gone(fault))
        return TRUE;
    g_set_error(error, VGPU_BACKEND_ERROR, VGPU_BACKEND_ERROR_DEVICE,
                "fault backend: the device is gone: there is %s", fault->gone);
    return FALSE;
}

static VgpuBackend *fault_open(const char *device, GError **error)
{
    Fault fault = {0};

    if (!open_device(device, &fault, error)) {
        g_free(fault.gone);
        return NULL;
    }

    VgpuFaultBackend *backend = g_new0(VgpuFaultBackend, 1);
    backend->fault = fault;
    backend->below = vgpu_backend_open("null", "", NULL);
    backend->base.info = backend->below->info;
    backend->base.info.name = g_strdup_printf("fault: %s", device);
    for (gsize i = 0; i < VGPU_BACKEND_TEXTS; i++)
        backend->base.info.texts[i] = g_strdup(backend->below->info.texts[i]);
    set_class(backend);
    return &backend->base;
}

const VgpuBackendClass vgpu_fault_backend = {
    .name = "fault",
    .open = fault_open,
    .close = fault_close,
    .vector_add = fault_vector_add,
    .is_lost = fault_is_lost,
};
