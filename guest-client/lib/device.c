/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls that every transport has, and what waits for all before. */
#include "context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_SIZE 8192u /* enough for what there is; asked for again if it is not */
#define SNAPSHOT_MAX  (1u << 20)

static int fail_pci(const VgpuContext *context, int result)
{
    return vgpu_fail(result > 0 ? result : vgpu_code_of_errno(-result), "%s", context->pci.error);
}

static bool by_registers(const VgpuContext *context)
{
    return context->info.transport == VGPU_TRANSPORT_REGISTERS;
}

int vgpu_nop(VgpuContext *context)
{
    static const struct vgpu_command nop = {.opcode = VGPU_CMD_NOP};

    int code = vgpu_context_enter(context);
    if (code != VGPU_OK)
        return code;
    if (!by_registers(context))
        return vgpu_context_leave(context, vgpu_call_bare(context, &nop));
    int result = vgpu_pci_nop(&context->pci);
    return vgpu_context_leave(context, result != 0 ? fail_pci(context, result) : VGPU_OK);
}

/* A command without anything, for a ticket. */
static int async(VgpuContext *context, const struct vgpu_command *command, VgpuTicket *ticket)
{
    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    return vgpu_context_leave(context, vgpu_call_bare_async(context, command, ticket));
}

int vgpu_nop_async(VgpuContext *context, VgpuTicket *ticket)
{
    static const struct vgpu_command nop = {.opcode = VGPU_CMD_NOP};

    return async(context, &nop, ticket);
}

int vgpu_fence(VgpuContext *context, VgpuTicket *ticket)
{
    static const struct vgpu_command finish = {.opcode = VGPU_CMD_FINISH};

    return async(context, &finish, ticket);
}

int vgpu_finish(VgpuContext *context)
{
    static const struct vgpu_command finish = {.opcode = VGPU_CMD_FINISH};

    int code = vgpu_context_enter(context);
    if (code != VGPU_OK)
        return code;
    if (by_registers(context)) /* all its calls wait */
        return vgpu_context_leave(context, VGPU_OK);
    return vgpu_context_leave(context, vgpu_call_bare(context, &finish));
}

int vgpu_barrier(VgpuContext *context)
{
    static const struct vgpu_command barrier = {.opcode = VGPU_CMD_BARRIER};

    int code = vgpu_context_enter_queue(context);
    if (code != VGPU_OK)
        return code;
    return vgpu_context_leave(context, vgpu_call_unanswered(context, &barrier));
}

/* Makes texts of what lies behind one another at @from. Returns false where that is not so. */
static bool take_texts(VgpuDeviceInfo *info, const struct vgpu_snapshot *snapshot, const char *from,
                       size_t length, char **texts)
{
    const uint32_t lengths[] = {snapshot->name_length, snapshot->vendor_length,
                                snapshot->version_length, snapshot->driver_length,
                                snapshot->extensions_length};
    const char **places[] = {&info->name, &info->vendor, &info->version, &info->driver,
                             &info->extensions};

    char *to = malloc(length + 5);
    *texts = to;
    if (to == NULL)
        return false;
    for (unsigned int i = 0; i < 5; i++) {
        if (lengths[i] > length)
            return false;
        memcpy(to, from, lengths[i]);
        to[lengths[i]] = '\0';
        *places[i] = to;
        to += lengths[i] + 1;
        from += lengths[i];
        length -= lengths[i];
    }
    return true;
}

/* Takes @length bytes of a snapshot apart; false: they are none. */
static bool take_snapshot(VgpuDeviceInfo *info, const char *bytes, size_t length, char **texts)
{
    struct vgpu_snapshot snapshot = {0};

    *texts = NULL;
    if (length < sizeof(snapshot))
        return false;
    memcpy(&snapshot, bytes, sizeof(snapshot));
    if (snapshot.size < sizeof(snapshot) || snapshot.size > length)
        return false;
    *info = (VgpuDeviceInfo){
        .backend = snapshot.backend,
        .compute_units = snapshot.compute_units,
        .clock_mhz = snapshot.clock_mhz,
        .programs = snapshot.programs,
        .memory = snapshot.memory,
        .local_memory = snapshot.local_memory,
        .max_buffer = snapshot.max_buffer,
        .quota_memory = snapshot.quota_memory,
        .max_group = snapshot.max_group,
        .max_item = {snapshot.max_item[0], snapshot.max_item[1], snapshot.max_item[2]},
    };
    return take_texts(info, &snapshot, bytes + snapshot.size, length - snapshot.size, texts);
}

static int ask_queue(VgpuContext *context, VgpuDeviceInfo *info, char **texts)
{
    size_t size = SNAPSHOT_SIZE;

    for (;;) {
        uint64_t whole;
        char *bytes = malloc(size);
        if (bytes == NULL)
            return vgpu_fail(VGPU_E_MEMORY, "out of memory");
        VgpuSubmission submission = {
            .command = {.opcode = VGPU_CMD_SNAPSHOT, .arg = {0, size}},
            .to = bytes,
            .length = size,
            .length_is_result = true,
        };
        int code = vgpu_call(context, &submission, &whole);
        if (code == VGPU_OK && whole > size) {
            free(bytes);
            if (whole > SNAPSHOT_MAX || whole > vgpu_queue_most(context))
                return vgpu_fail(VGPU_E_TOO_LARGE, "device info of %" PRIu64 " bytes", whole);
            size = whole;
            continue;
        }
        if (code == VGPU_OK && !take_snapshot(info, bytes, whole, texts)) {
            free(*texts);
            code = vgpu_fail(VGPU_E_PROTOCOL, "the host's device info cannot be understood");
        }
        free(bytes);
        return code;
    }
}

static int ask_registers(VgpuContext *context, VgpuDeviceInfo *info, char **texts)
{
    VgpuPciDeviceInfo answer;

    int result = vgpu_pci_device_info(&context->pci, &answer);
    if (result != 0)
        return fail_pci(context, result);
    *texts = strdup(answer.name);
    if (*texts == NULL)
        return vgpu_fail(VGPU_E_MEMORY, "out of memory");
    *info = (VgpuDeviceInfo){
        .backend = answer.backend,
        .compute_units = answer.compute_units,
        .clock_mhz = answer.clock_mhz,
        .memory = (uint64_t)answer.memory_mib << 20,
        .name = *texts,
        .vendor = "",
        .version = "",
        .driver = "",
        .extensions = "",
    };
    return VGPU_OK;
}

int vgpu_device_info(VgpuContext *context, const VgpuDeviceInfo **result)
{
    VgpuDeviceInfo info;
    char *texts = NULL;

    int code = vgpu_context_enter(context);
    if (code != VGPU_OK)
        return code;
    if (context->device_texts == NULL) {
        code = by_registers(context) ? ask_registers(context, &info, &texts)
                                     : ask_queue(context, &info, &texts);
        if (code != VGPU_OK)
            return vgpu_context_leave(context, code);
        if (context->device_texts == NULL) {
            context->device_info = info;
            context->device_texts = texts;
        } else {
            free(texts); /* another thread has asked, too, and may use its answer already */
        }
    }
    *result = &context->device_info;
    return vgpu_context_leave(context, VGPU_OK);
}
