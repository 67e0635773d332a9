/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vgpu-stub: BAR0, registers and buffers. Reads have no side effects. */
#include "qemu/osdep.h"
#include "qemu/log.h"

#include "trace.h"
#include "vgpu-bytes.h"
#include "vgpu-stub.h"

static uint32_t vgpu_read_word(VgpuStub *s, hwaddr offset)
{
    switch (offset) {
    case VGPU_REG_STATUS:
        return s->status;
    case VGPU_REG_POOL_ID:
        return s->pool;
    case VGPU_REG_PRIORITY:
        return s->priority;
    case VGPU_REG_VM_ID:
        return s->vm_id;
    case VGPU_REG_ERROR_CODE:
        return s->error_code;
    case VGPU_REG_REQUEST_LEN:
        return s->request_length;
    case VGPU_REG_RESPONSE_LEN:
        return s->response_length;
    case VGPU_REG_PROTOCOL_VER:
        return VGPU_PROTOCOL_VERSION;
    case VGPU_REG_CAPABILITIES:
        return vgpu_stub_capabilities(s);
    case VGPU_REG_INTERRUPT_CTRL:
        return s->interrupt_ctrl;
    case VGPU_REG_INTERRUPT_STATUS:
        return s->interrupt_status;
    case VGPU_REG_REQUEST_ID:
        return s->request_id;
    case VGPU_REG_TIMESTAMP_LO:
        return (uint32_t)s->timestamp_us;
    case VGPU_REG_TIMESTAMP_HI:
        return (uint32_t)(s->timestamp_us >> 32);
    case VGPU_REG_SCRATCH:
        return s->scratch;
    case VGPU_REQUEST_BUFFER ... VGPU_RESPONSE_BUFFER - 1:
        return vgpu_get32(s->request + (offset - VGPU_REQUEST_BUFFER));
    case VGPU_RESPONSE_BUFFER ... VGPU_REG_RESERVED - 1:
        return vgpu_get32(s->response + (offset - VGPU_RESPONSE_BUFFER));
    case VGPU_REG_RESERVED ... VGPU_BAR0_SIZE - 1:
        return vgpu_queues_read(s, offset);
    default: /* DOORBELL */
        return 0;
    }
}

static void vgpu_write_register(VgpuStub *s, hwaddr offset, uint32_t value)
{
    switch (offset) {
    case VGPU_REG_DOORBELL:
        if (value == 1) {
            vgpu_request_submit(s);
        }
        break;
    case VGPU_REG_REQUEST_LEN:
        s->request_length = value;
        break;
    case VGPU_REG_INTERRUPT_CTRL: {
        bool was_enabled = s->interrupt_ctrl & VGPU_INTERRUPT_COMPLETION;

        s->interrupt_ctrl = value & VGPU_INTERRUPT_COMPLETION;
        vgpu_interrupt_update(s);
        if (!was_enabled && (s->interrupt_status & VGPU_INTERRUPT_COMPLETION)) {
            vgpu_interrupt_raise(s);
        }
        break;
    }
    case VGPU_REG_INTERRUPT_STATUS:
        s->interrupt_status &= ~value;
        vgpu_interrupt_update(s);
        break;
    case VGPU_REG_REQUEST_ID:
        s->request_id = value;
        break;
    case VGPU_REG_SCRATCH:
        s->scratch = value;
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "%s: write to read-only offset 0x%" HWADDR_PRIx "\n",
                      vgpu_stub_name(s), offset);
        break;
    }
}

static uint64_t vgpu_mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    VgpuStub *s = opaque;
    uint64_t value = vgpu_read_word(s, offset & ~(hwaddr)3);

    if (size == 8) {
        value |= (uint64_t)vgpu_read_word(s, offset + 4) << 32;
    } else if (size < 4) {
        value = extract64(value, (offset & 3) * 8, size * 8);
    }
    trace_vgpu_stub_read(vgpu_stub_name(s), offset, size, value);
    return value;
}

static void vgpu_mmio_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    VgpuStub *s = opaque;

    trace_vgpu_stub_write(vgpu_stub_name(s), offset, size, value);
    if (offset >= VGPU_REQUEST_BUFFER && offset < VGPU_RESPONSE_BUFFER) {
        /* Both ends of the buffer are multiples of 8, so an aligned access stays inside. */
        for (unsigned i = 0; i < size; i++) {
            s->request[offset - VGPU_REQUEST_BUFFER + i] = extract64(value, i * 8, 8);
        }
    } else if (size < 4) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: write of %u bytes to register 0x%" HWADDR_PRIx "\n",
                      vgpu_stub_name(s), size, offset);
    } else {
        vgpu_write_register(s, offset, (uint32_t)value);
        if (size == 8) {
            vgpu_write_register(s, offset + 4, (uint32_t)(value >> 32));
        }
    }
}

const MemoryRegionOps vgpu_mmio_ops = {
    .read = vgpu_mmio_read,
    .write = vgpu_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid =
        {
            .min_access_size = 1,
            .max_access_size = 8,
        },
    .impl =
        {
            .min_access_size = 1,
            .max_access_size = 8,
        },
};
