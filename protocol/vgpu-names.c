/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-names.h"

#include <stddef.h>

#include "vgpu-registers.h"
#include "vgpu-message.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const char *name_of(const char *const *names, size_t count, uint32_t number)
{
    return number < count && names[number] != NULL ? names[number] : "unknown";
}

const char *vgpu_error_name(uint32_t error)
{
    static const char *const names[] = {
        [VGPU_ERROR_NONE] = "none",
        [VGPU_ERROR_INVALID_REQUEST] = "invalid-request",
        [VGPU_ERROR_REQUEST_TOO_LARGE] = "request-too-large",
        [VGPU_ERROR_UNAVAILABLE] = "mediator-unavailable",
        [VGPU_ERROR_TIMEOUT] = "timeout",
        [VGPU_ERROR_EXECUTION_FAILED] = "execution-failed",
        [VGPU_ERROR_INVALID_POOL] = "invalid-pool",
        [VGPU_ERROR_QUEUE_FULL] = "queue-full",
        [VGPU_ERROR_UNSUPPORTED] = "unsupported-operation",
        [VGPU_ERROR_INVALID_LENGTH] = "invalid-length",
        [VGPU_ERROR_RATE_LIMITED] = "rate-limited",
        [VGPU_ERROR_QUARANTINED] = "quarantined",
    };
    return name_of(names, N_ELEMENTS(names), error);
}

const char *vgpu_opcode_name(uint32_t opcode)
{
    static const char *const names[] = {
        [VGPU_OP_NOP] = "nop",
        [VGPU_OP_VECTOR_ADD] = "vector-add",
        [VGPU_OP_MEM_ALLOC] = "mem-alloc",
        [VGPU_OP_MEM_FREE] = "mem-free",
        [VGPU_OP_MEM_COPY] = "mem-copy",
        [VGPU_OP_DEVICE_INFO] = "device-info",
    };
    return name_of(names, N_ELEMENTS(names), opcode);
}

const char *vgpu_status_name(uint32_t status)
{
    static const char *const names[] = {
        [VGPU_STATUS_IDLE] = "idle",
        [VGPU_STATUS_BUSY] = "busy",
        [VGPU_STATUS_DONE] = "done",
        [VGPU_STATUS_ERROR] = "error",
    };
    return name_of(names, N_ELEMENTS(names), status);
}

const char *vgpu_priority_name(uint32_t priority)
{
    static const char *const names[] = {
        [VGPU_PRIORITY_LOW] = "low",
        [VGPU_PRIORITY_MEDIUM] = "medium",
        [VGPU_PRIORITY_HIGH] = "high",
    };
    return name_of(names, N_ELEMENTS(names), priority);
}
