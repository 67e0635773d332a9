/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-device.h"

#include <sched.h>
#include <string.h>

#include "vgpu-bytes.h"

/* The tests run on little-endian and big-endian machines; the BAR is little-endian on both. */
void fake_device_poke(struct fake_device *fake, uint32_t offset, uint32_t value)
{
    uint8_t bytes[4];
    uint32_t word;

    vgpu_put32(bytes, value);
    memcpy(&word, bytes, sizeof(word));
    __atomic_store_n((uint32_t *)(fake->bar + offset), word, __ATOMIC_SEQ_CST);
}

uint32_t fake_device_peek(const struct fake_device *fake, uint32_t offset)
{
    uint32_t word = __atomic_load_n((const uint32_t *)(fake->bar + offset), __ATOMIC_SEQ_CST);

    return vgpu_get32((const uint8_t *)&word);
}

static void carry_out(const struct vgpu_request *request, struct vgpu_response *response)
{
    switch (request->opcode) {
    case VGPU_OP_NOP:
        return;
    case VGPU_OP_VECTOR_ADD:
        response->result_count = 1;
        response->results[0] = request->params[0] + request->params[1];
        return;
    case VGPU_OP_DEVICE_INFO:
        response->result_count = VGPU_INFO_COUNT;
        response->results[VGPU_INFO_COMPUTE_UNITS] = 4;
        response->results[VGPU_INFO_CLOCK_MHZ] = 1500;
        response->results[VGPU_INFO_MEMORY_MIB] = 2048;
        response->results[VGPU_INFO_BACKEND] = VGPU_BACKEND_OPENCL;
        response->data = (const uint8_t *)FAKE_DEVICE_NAME;
        response->data_length = strlen(FAKE_DEVICE_NAME);
        return;
    default:
        response->status = VGPU_ERROR_UNSUPPORTED;
    }
}

static void answer(struct fake_device *fake)
{
    struct vgpu_request request;
    struct vgpu_response response = {0};

    response.status = vgpu_request_decode(fake->bar + VGPU_REQUEST_BUFFER,
                                          fake_device_peek(fake, VGPU_REG_REQUEST_LEN), &request);
    if (response.status == VGPU_ERROR_NONE)
        carry_out(&request, &response);
    fake_device_poke(fake, VGPU_REG_RESPONSE_LEN,
                     (uint32_t)vgpu_response_encode(&response, fake->bar + VGPU_RESPONSE_BUFFER,
                                                    VGPU_BUFFER_SIZE));
    fake_device_poke(fake, VGPU_REG_ERROR_CODE, response.status);
    fake_device_poke(fake, VGPU_REG_STATUS,
                     response.status == VGPU_ERROR_NONE ? VGPU_STATUS_DONE : VGPU_STATUS_ERROR);
}

static void *run(void *data)
{
    struct fake_device *fake = data;

    for (;;) {
        sem_wait(&fake->armed);
        if (fake->stop)
            return NULL;
        while (fake_device_peek(fake, VGPU_REG_DOORBELL) == 0)
            sched_yield(); /* nothing can be awaited: the doorbell is only memory here */
        fake_device_poke(fake, VGPU_REG_DOORBELL, 0);
        if (fake->hold)
            sem_wait(&fake->answer);
        if (fake->status == VGPU_STATUS_BUSY) {
            answer(fake);
        } else {
            fake_device_poke(fake, VGPU_REG_ERROR_CODE, fake->error);
            fake_device_poke(fake, VGPU_REG_STATUS, fake->status);
        }
    }
}

void fake_device_start(struct fake_device *fake, VgpuPci *pci)
{
    memset(fake, 0, sizeof(*fake));
    fake_device_poke(fake, VGPU_REG_PROTOCOL_VER, VGPU_PROTOCOL_VERSION);
    sem_init(&fake->armed, 0, 0);
    sem_init(&fake->answer, 0, 0);
    pthread_create(&fake->thread, NULL, run, fake);
    vgpu_pci_init(pci, fake->bar);
    pci->pending = false; /* arming makes STATUS busy before the first request */
}

void fake_device_stop(struct fake_device *fake)
{
    fake->stop = true;
    sem_post(&fake->armed);
    pthread_join(fake->thread, NULL);
    sem_destroy(&fake->armed);
    sem_destroy(&fake->answer);
}

static void arm(struct fake_device *fake, uint32_t status, uint32_t error, bool hold)
{
    fake->status = status;
    fake->error = error;
    fake->hold = hold;
    fake_device_poke(fake, VGPU_REG_STATUS, VGPU_STATUS_BUSY);
    sem_post(&fake->armed);
}

void fake_device_arm(struct fake_device *fake)
{
    arm(fake, VGPU_STATUS_BUSY, 0, false);
}

void fake_device_arm_with(struct fake_device *fake, uint32_t status, uint32_t error)
{
    arm(fake, status, error, false);
}

void fake_device_arm_held(struct fake_device *fake)
{
    arm(fake, VGPU_STATUS_BUSY, 0, true);
}

void fake_device_release(struct fake_device *fake)
{
    sem_post(&fake->answer);
}
