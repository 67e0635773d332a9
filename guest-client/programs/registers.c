/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registers.h"

#include <stdio.h>

#include "vgpu-codec.h"
#include "vgpu-registers.h"

const struct register_entry registers[REGISTER_COUNT] = {
    {"DOORBELL", VGPU_REG_DOORBELL, REGISTER_RW},
    {"STATUS", VGPU_REG_STATUS, REGISTER_RO},
    {"POOL_ID", VGPU_REG_POOL_ID, REGISTER_RO},
    {"PRIORITY", VGPU_REG_PRIORITY, REGISTER_RO},
    {"VM_ID", VGPU_REG_VM_ID, REGISTER_RO},
    {"ERROR_CODE", VGPU_REG_ERROR_CODE, REGISTER_RO},
    {"REQUEST_LEN", VGPU_REG_REQUEST_LEN, REGISTER_RW},
    {"RESPONSE_LEN", VGPU_REG_RESPONSE_LEN, REGISTER_RO},
    {"PROTOCOL_VER", VGPU_REG_PROTOCOL_VER, REGISTER_RO},
    {"CAPABILITIES", VGPU_REG_CAPABILITIES, REGISTER_RO},
    {"INTERRUPT_CTRL", VGPU_REG_INTERRUPT_CTRL, REGISTER_RW},
    {"INTERRUPT_STATUS", VGPU_REG_INTERRUPT_STATUS, REGISTER_RW1C},
    {"REQUEST_ID", VGPU_REG_REQUEST_ID, REGISTER_RW},
    {"TIMESTAMP_LO", VGPU_REG_TIMESTAMP_LO, REGISTER_RO},
    {"TIMESTAMP_HI", VGPU_REG_TIMESTAMP_HI, REGISTER_RO},
    {"SCRATCH", VGPU_REG_SCRATCH, REGISTER_RW},
};

static void capabilities(uint32_t value, char *text, size_t size)
{
    static const char *const names[] = {"basic", "interrupt", "dma", "multi", "queues"};
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++) {
        if (value & 1u << bit)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "", names[bit]);
    }
}

void register_meaning(uint32_t offset, uint32_t value, char *text, size_t size)
{
    switch (offset) {
    case VGPU_REG_STATUS:
        snprintf(text, size, "%s", vgpu_status_name(value));
        return;
    case VGPU_REG_POOL_ID:
        if (value >= 'A' && value <= 'Z')
            snprintf(text, size, "%c", (int)value);
        else
            snprintf(text, size, "not a letter");
        return;
    case VGPU_REG_PRIORITY:
        snprintf(text, size, "%s", vgpu_priority_name(value));
        return;
    case VGPU_REG_ERROR_CODE:
        snprintf(text, size, "%s", vgpu_error_name(value));
        return;
    case VGPU_REG_PROTOCOL_VER:
        snprintf(text, size, "%u.%u", value >> 16, value & 0xffff);
        return;
    case VGPU_REG_CAPABILITIES:
        capabilities(value, text, size);
        return;
    case VGPU_REG_INTERRUPT_CTRL:
        snprintf(text, size, "%s", value & VGPU_INTERRUPT_COMPLETION ? "on completion" : "off");
        return;
    case VGPU_REG_INTERRUPT_STATUS:
        snprintf(text, size, "%s", value & VGPU_INTERRUPT_COMPLETION ? "pending" : "none");
        return;
    case VGPU_REG_VM_ID:
    case VGPU_REG_REQUEST_LEN:
    case VGPU_REG_RESPONSE_LEN:
    case VGPU_REG_REQUEST_ID:
        snprintf(text, size, "%u", value);
        return;
    default:
        text[0] = '\0';
    }
}
