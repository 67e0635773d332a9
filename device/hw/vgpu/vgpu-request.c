/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vgpu-stub: the life of a request. STATUS is BUSY exactly while a request is live, and each
 * live request has a deadline: whatever the host does, BUSY ends.
 */
#include "qemu/osdep.h"

#include "trace.h"
#include "vgpu-stub.h"

/* What the device itself finds wrong, in the order that docs/specs/vgpu-stub.rst gives. */
static uint32_t vgpu_request_check(VgpuStub *s)
{
    if (s->request_length == 0) {
        return VGPU_ERROR_INVALID_LENGTH;
    }
    if (s->request_length > VGPU_BUFFER_SIZE) {
        return VGPU_ERROR_REQUEST_TOO_LARGE;
    }
    if (!s->link.ready) {
        return VGPU_ERROR_UNAVAILABLE;
    }
    return s->link.error;
}

void vgpu_request_submit(VgpuStub *s)
{
    if (s->status == VGPU_STATUS_BUSY) {
        trace_vgpu_stub_busy(vgpu_stub_name(s), s->sequence);
        s->error_code = VGPU_ERROR_QUEUE_FULL;
        return;
    }

    uint32_t error = vgpu_request_check(s);
    if (error != VGPU_ERROR_NONE) {
        vgpu_request_fail(s, error);
        return;
    }

    struct vgpu_channel_header header = {
        .type = VGPU_CHANNEL_REQUEST,
        .length = s->request_length,
        .sequence = ++s->sequence,
        .request_id = s->request_id,
    };
    vgpu_channel_encode(&header, s->live.packet);
    memcpy(s->live.packet + sizeof(header), s->request, header.length);
    s->live.length = sizeof(header) + header.length;
    s->live.sent = false;
    s->status = VGPU_STATUS_BUSY;
    s->error_code = VGPU_ERROR_NONE;
    trace_vgpu_stub_submit(vgpu_stub_name(s), header.sequence, header.request_id, header.length);

    vgpu_request_extend(s);
    vgpu_channel_send(s);
}

void vgpu_request_extend(VgpuStub *s)
{
    timer_mod(&s->deadline, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + s->link.timeout_ms);
}

void vgpu_request_finish(VgpuStub *s, uint32_t error, const uint8_t *response, size_t length)
{
    if (error != VGPU_ERROR_NONE && length == 0) {
        vgpu_request_fail(s, error);
        return;
    }

    timer_del(&s->deadline);
    memcpy(s->response, response, length);
    /* Nothing of an earlier, longer response stays behind this one. */
    memset(s->response + length, 0, sizeof(s->response) - length);
    s->response_length = length;
    s->error_code = error;
    s->status = error == VGPU_ERROR_NONE ? VGPU_STATUS_DONE : VGPU_STATUS_ERROR;
    s->timestamp_us = qemu_clock_get_us(QEMU_CLOCK_VIRTUAL);
    trace_vgpu_stub_finish(vgpu_stub_name(s), vgpu_error_name(error), length);

    s->interrupt_status |= VGPU_INTERRUPT_COMPLETION;
    vgpu_interrupt_raise(s);
}

void vgpu_request_fail(VgpuStub *s, uint32_t error)
{
    const struct vgpu_response response = {.status = error};
    uint8_t bytes[VGPU_HEADER_SIZE];
    size_t length = vgpu_response_encode(&response, bytes, sizeof(bytes));

    vgpu_request_finish(s, error, bytes, length);
}

void vgpu_request_timeout(void *opaque)
{
    VgpuStub *s = opaque;

    trace_vgpu_stub_timeout(vgpu_stub_name(s), s->sequence);
    vgpu_request_fail(s, VGPU_ERROR_TIMEOUT);
}

void vgpu_request_reset(VgpuStub *s)
{
    timer_del(&s->deadline);
    s->status = VGPU_STATUS_IDLE;
    s->error_code = VGPU_ERROR_NONE;
    s->request_length = 0;
    s->response_length = 0;
    s->interrupt_ctrl = 0;
    s->interrupt_status = 0;
    s->request_id = 0;
    s->scratch = 0;
    s->timestamp_us = 0;
    memset(s->request, 0, sizeof(s->request));
    memset(s->response, 0, sizeof(s->response));
    vgpu_interrupt_update(s);
}
