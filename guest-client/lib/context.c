/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening, closing, and whose a context is. */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_OURS 1u

/* What vgpu_pci_*() returned, as ours. */
static int fail_pci(const VgpuContext *context, int result)
{
    return vgpu_fail(result > 0 ? result : vgpu_code_of_errno(-result), "%s", context->pci.error);
}

static int open_registers(VgpuContext *context, const char *device)
{
    int result = vgpu_pci_open(&context->pci, device, VGPU_PCI_USE);
    if (result != 0) {
        vgpu_pci_close(&context->pci);
        return fail_pci(context, result);
    }
    context->info = (VgpuContextInfo){
        .transport = VGPU_TRANSPORT_REGISTERS,
        .protocol = vgpu_pci_read32(&context->pci, VGPU_REG_PROTOCOL_VER),
        .pool = vgpu_pci_read32(&context->pci, VGPU_REG_POOL_ID),
        .priority = vgpu_pci_read32(&context->pci, VGPU_REG_PRIORITY),
        .vm_id = vgpu_pci_read32(&context->pci, VGPU_REG_VM_ID),
    };
    snprintf(context->info.device, sizeof(context->info.device), "%s", context->pci.path);
    return VGPU_OK;
}

static int open_queue(VgpuContext *context, const char *path)
{
    int code = vgpu_node_open(&context->node, path);
    if (code != VGPU_OK)
        return code;
    if (madvise(context->node.slot, context->node.info.slot_size, MADV_DONTFORK) < 0) {
        vgpu_node_close(&context->node, false);
        return vgpu_fail(VGPU_E_SYSTEM, "madvise(MADV_DONTFORK) fails");
    }
    context->info = (VgpuContextInfo){
        .transport = VGPU_TRANSPORT_QUEUE,
        .protocol = context->node.info.queue_version,
        .pool = context->node.info.pool,
        .priority = context->node.info.priority,
        .vm_id = context->node.info.vm_id,
        .queue = context->node.info.queue,
        .slot_size = context->node.info.slot_size,
    };
    snprintf(context->info.device, sizeof(context->info.device), "%s", context->node.path);
    vgpu_queue_begin(context);
    return VGPU_OK;
}

static bool is_number(const char *text)
{
    return text[0] != '\0' && strlen(text) < 4 && strspn(text, "0123456789") == strlen(text);
}

/* What @device, or the environment, or nothing names. */
static int open_device(VgpuContext *context, const char *device)
{
    char path[16];

    if (device == NULL) {
        int code = open_queue(context, NULL);
        if (code != VGPU_E_NO_DEVICE)
            return code;
        return open_registers(context, NULL);
    }
    if (strcmp(device, "registers") == 0)
        return open_registers(context, NULL);
    if (is_number(device)) {
        snprintf(path, sizeof(path), "/dev/vgpu%s", device);
        return open_queue(context, path);
    }
    if (strncmp(device, "/dev/", 5) == 0)
        return open_queue(context, device);
    return open_registers(context, device);
}

static void destroy(VgpuContext *context)
{
    if (context->guard != NULL)
        munmap((void *)context->guard, 1);
    free(context->device_texts);
    free(context->device);
    free(context);
}

/* A context without a device; NULL: no memory. */
static VgpuContext *create(const char *device)
{
    pthread_condattr_t attributes;

    VgpuContext *context = calloc(1, sizeof(*context));
    if (context == NULL)
        return NULL;
    context->node.fd = -1;
    context->pci.fd = -1;
    uint8_t *guard = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard != MAP_FAILED) {
        context->guard = guard;
        *guard = GUARD_OURS;
    }
    if (device != NULL)
        context->device = strdup(device);
    if (guard == MAP_FAILED || madvise(guard, 1, MADV_WIPEONFORK) < 0 ||
        (device != NULL && context->device == NULL)) {
        destroy(context);
        return NULL;
    }
    pthread_mutex_init(&context->lock, NULL);
    pthread_mutex_init(&context->adder_lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&context->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    vgpu_handles_init(&context->handles);
    vgpu_tickets_init(&context->tickets);
    const char *spin = secure_getenv("VGPU_SPIN");
    vgpu_patience_init(&context->patience, spin, VGPU_PATIENCE_ANSWER_NS);
    vgpu_patience_init(&context->room_patience, spin, VGPU_PATIENCE_ROOM_NS);
    return context;
}

int vgpu_open(VgpuContext **result, const char *device)
{
    *result = NULL;
    if (device == NULL)
        device = secure_getenv("VGPU_DEVICE");
    if (device != NULL && *device == '\0')
        device = NULL;
    VgpuContext *context = create(device);
    if (context == NULL)
        return vgpu_fail(VGPU_E_MEMORY, "out of memory, or a kernel before 4.14");
    int code = open_device(context, context->device);
    if (code != VGPU_OK) {
        vgpu_close(context);
        return code;
    }
    *result = context;
    return VGPU_OK;
}

void vgpu_close(VgpuContext *context)
{
    if (context == NULL)
        return;
    bool ours = vgpu_context_is_ours(context);
    vgpu_node_close(&context->node, !ours);
    if (ours || context->info.transport == VGPU_TRANSPORT_REGISTERS)
        vgpu_pci_close(&context->pci);
    if (ours) { /* in a child they may be locked for ever */
        pthread_cond_destroy(&context->progress);
        pthread_mutex_destroy(&context->lock);
        pthread_mutex_destroy(&context->adder_lock);
    }
    destroy(context);
}

int vgpu_reopen(VgpuContext *context)
{
    if (!vgpu_context_is_ours(context))
        return vgpu_fail(VGPU_E_FORKED, "%s", vgpu_error_text(VGPU_E_FORKED));
    vgpu_context_lock(context);
    if (context->info.transport == VGPU_TRANSPORT_REGISTERS)
        return vgpu_context_leave(context, VGPU_OK); /* it has no state that could be lost */

    context->followers++;
    while (context->leading)
        pthread_cond_wait(&context->progress, &context->lock);
    context->by_mutex = true;
    context->followers--;
    vgpu_context_lose(context, "the context was opened anew");
    vgpu_node_close(&context->node, false);
    vgpu_handles_clear(&context->handles);
    free(context->device_texts);
    context->device_texts = NULL;
    context->session++;
    char path[sizeof(context->info.device)];
    memcpy(path, context->info.device, sizeof(path));
    int code = open_queue(context, path);
    context->lost = code != VGPU_OK;
    if (context->lost)
        snprintf(context->lost_text, sizeof(context->lost_text), "%.120s", vgpu_last_error());
    return vgpu_context_leave(context, code);
}

bool vgpu_context_is_ours(const VgpuContext *context)
{
    return *(const volatile uint8_t *)context->guard == GUARD_OURS;
}

int vgpu_context_enter(VgpuContext *context)
{
    if (!vgpu_context_is_ours(context))
        return vgpu_fail(VGPU_E_FORKED,
                         "this process was forked from the one that opened the context; it can "
                         "open its own");
    vgpu_context_lock(context);
    if (context->lost)
        return vgpu_context_leave(context, vgpu_fail(VGPU_E_LOST, "%s", context->lost_text));
    return VGPU_OK;
}

int vgpu_context_enter_queue(VgpuContext *context)
{
    int code = vgpu_context_enter(context);
    if (code == VGPU_OK && context->info.transport != VGPU_TRANSPORT_QUEUE)
        return vgpu_context_leave(
            context,
            vgpu_fail(VGPU_E_UNSUPPORTED, "protocol 1.0 cannot do this: load the driver vgpu.ko"));
    return code;
}

int vgpu_context_leave(VgpuContext *context, int code)
{
    vgpu_context_unlock(context);
    return code;
}

int vgpu_context_lose(VgpuContext *context, const char *why)
{
    context->lost = true;
    snprintf(context->lost_text, sizeof(context->lost_text), "%s", why);
    for (uint32_t i = 0; i < VGPU_QUEUE_ENTRIES; i++) {
        VgpuPending *pending = &context->pending[i];

        if (pending->opcode != 0 && pending->ticket != NULL) {
            vgpu_ticket_failed(pending->ticket, VGPU_E_LOST, pending->opcode, false);
            vgpu_ticket_answered(&context->tickets, pending->ticket);
        }
        pending->opcode = 0;
    }
    pthread_cond_broadcast(&context->progress);
    return VGPU_E_LOST;
}

void vgpu_set_spin(VgpuContext *context, long microseconds)
{
    if (!vgpu_context_is_ours(context))
        return;
    vgpu_context_lock(context);
    context->patience.setting = microseconds < VGPU_SPIN_ALWAYS ? VGPU_SPIN_ADAPTIVE : microseconds;
    context->room_patience.setting = context->patience.setting;
    vgpu_context_unlock(context);
}

const VgpuContextInfo *vgpu_context_info(const VgpuContext *context)
{
    return &context->info;
}

int vgpu_fd(const VgpuContext *context)
{
    return context->info.transport == VGPU_TRANSPORT_QUEUE ? context->node.fd : -1;
}
