/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers, buffers and the life of one request. */
#include "vgpu-pci-private.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000u
#define NS_PER_S  1000000000u

/*
 * Waiting: a request that the host answers at once ends while we spin. After that each sleep is an
 * eighth of the time waited so far, so that the sleep adds at most that much to the latency.
 */
#define SPIN_NS      50000u
#define MIN_SLEEP_NS 20000u
#define MAX_SLEEP_NS 1000000u

int vgpu_pci_fail(VgpuPci *pci, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(pci->error, sizeof(pci->error), format, args);
    va_end(args);
    return code;
}

void vgpu_pci_init(VgpuPci *pci, volatile void *bar)
{
    memset(pci, 0, sizeof(*pci));
    pci->bar = bar;
    pci->fd = -1;
    pci->timeout_ms = VGPU_PCI_TIMEOUT_MS;
    pci->next_id = 1;
    /* A program that died in the middle of a request may have left the device busy. */
    pci->pending = true;
}

uint32_t vgpu_pci_read32(const VgpuPci *pci, uint32_t offset)
{
    return le32toh(*(const volatile uint32_t *)(pci->bar + offset));
}

void vgpu_pci_write32(VgpuPci *pci, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(pci->bar + offset) = htole32(value);
}

uint64_t vgpu_pci_timestamp(const VgpuPci *pci)
{
    uint32_t low = vgpu_pci_read32(pci, VGPU_REG_TIMESTAMP_LO);

    return (uint64_t)vgpu_pci_read32(pci, VGPU_REG_TIMESTAMP_HI) << 32 | low;
}

static int check_copy(VgpuPci *pci, uint32_t offset, size_t length, unsigned int access)
{
    if (access != 1 && access != 2 && access != 4 && access != 8)
        return vgpu_pci_fail(pci, -EINVAL, "access size %u: must be 1, 2, 4 or 8", access);
    if (offset % access != 0 || length % access != 0)
        return vgpu_pci_fail(pci, -EINVAL,
                             "offset 0x%x, length %zu: not multiples of the access size %u", offset,
                             length, access);
    if (offset > VGPU_BAR0_SIZE || length > VGPU_BAR0_SIZE - offset)
        return vgpu_pci_fail(pci, -EINVAL, "offset 0x%x, length %zu: outside BAR0", offset, length);
    return 0;
}

/* One access of exactly this type, and the bytes in the order in which they lie in the BAR. */
#define COPY_FROM(type)                                                                            \
    do {                                                                                           \
        type value = *(const volatile type *)(pci->bar + offset + i);                              \
        memcpy((uint8_t *)bytes + i, &value, sizeof(value));                                       \
    } while (0)

#define COPY_TO(type)                                                                              \
    do {                                                                                           \
        type value;                                                                                \
        memcpy(&value, (const uint8_t *)bytes + i, sizeof(value));                                 \
        *(volatile type *)(pci->bar + offset + i) = value;                                         \
    } while (0)

int vgpu_pci_read(VgpuPci *pci, uint32_t offset, void *bytes, size_t length, unsigned int access)
{
    int result = check_copy(pci, offset, length, access);
    if (result != 0)
        return result;

    for (size_t i = 0; i < length; i += access) {
        if (access == 1)
            COPY_FROM(uint8_t);
        else if (access == 2)
            COPY_FROM(uint16_t);
        else if (access == 4)
            COPY_FROM(uint32_t);
        else
            COPY_FROM(uint64_t);
    }
    return 0;
}

int vgpu_pci_write(VgpuPci *pci, uint32_t offset, const void *bytes, size_t length,
                   unsigned int access)
{
    int result = check_copy(pci, offset, length, access);
    if (result != 0)
        return result;

    for (size_t i = 0; i < length; i += access) {
        if (access == 1)
            COPY_TO(uint8_t);
        else if (access == 2)
            COPY_TO(uint16_t);
        else if (access == 4)
            COPY_TO(uint32_t);
        else
            COPY_TO(uint64_t);
    }
    return 0;
}

/* Else the doorbell would be refused, and the old request's end be taken for the new one's. */
static int check_idle(VgpuPci *pci)
{
    if (pci->pending && vgpu_pci_read32(pci, VGPU_REG_STATUS) == VGPU_STATUS_BUSY)
        return vgpu_pci_fail(pci, -EBUSY, "an earlier request is still live in the device");
    pci->pending = false;
    return 0;
}

int vgpu_pci_ring(VgpuPci *pci, uint32_t length)
{
    int result = check_idle(pci);
    if (result != 0)
        return result;

    vgpu_pci_write32(pci, VGPU_REG_REQUEST_LEN, length);
    vgpu_pci_write32(pci, VGPU_REG_REQUEST_ID, pci->next_id++);
    pci->pending = true;
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the request, then the doorbell */
    vgpu_pci_write32(pci, VGPU_REG_DOORBELL, 1);
    return 0;
}

int vgpu_pci_submit(VgpuPci *pci, const void *bytes, size_t length)
{
    uint8_t words[VGPU_BUFFER_SIZE];
    size_t padded = (length + 3) & ~(size_t)3;

    if (length > sizeof(words))
        return vgpu_pci_fail(pci, -EMSGSIZE, "a request of %zu bytes: at most %u fit", length,
                             VGPU_BUFFER_SIZE);
    int result = check_idle(pci);
    if (result != 0)
        return result;

    memcpy(words, bytes, length);
    memset(words + length, 0, padded - length);
    vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, words, padded, 4);
    return vgpu_pci_ring(pci, (uint32_t)length);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
    const struct timespec duration = {.tv_sec = (time_t)(ns / NS_PER_S),
                                      .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&duration, NULL); /* cut short by a signal: we only poll earlier */
}

/* @status is not BUSY: what that means for the request. */
static int ended(VgpuPci *pci, uint32_t status)
{
    uint32_t error;

    pci->pending = false;
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* STATUS, then what it announces */
    switch (status) {
    case VGPU_STATUS_DONE:
        return 0;
    case VGPU_STATUS_ERROR:
        error = vgpu_pci_read32(pci, VGPU_REG_ERROR_CODE);
        if (error == VGPU_ERROR_NONE || error > INT32_MAX)
            return vgpu_pci_fail(pci, -EPROTO, "STATUS is error, but ERROR_CODE is 0x%x", error);
        return vgpu_pci_fail(pci, (int)error, "error 0x%02x %s", error, vgpu_error_name(error));
    case VGPU_STATUS_IDLE:
        return vgpu_pci_fail(pci, -ECANCELED, "the device was reset while the request was live");
    case UINT32_MAX:
        return vgpu_pci_fail(pci, -ENODEV, "the device does not answer: was it unplugged?");
    default:
        return vgpu_pci_fail(pci, -EPROTO, "STATUS is 0x%x, which protocol 1.0 does not know",
                             status);
    }
}

int vgpu_pci_wait(VgpuPci *pci, unsigned int timeout_ms)
{
    const uint64_t start = now_ns();
    const uint64_t limit = (uint64_t)timeout_ms * NS_PER_MS;

    for (;;) {
        /* The time first: whoever is not scheduled for long must not call that a timeout. */
        uint64_t waited = now_ns() - start;
        uint32_t status = vgpu_pci_read32(pci, VGPU_REG_STATUS);

        if (status != VGPU_STATUS_BUSY)
            return ended(pci, status);
        if (waited >= limit)
            return vgpu_pci_fail(pci, -ETIMEDOUT, "no end of the request within %u ms", timeout_ms);
        if (waited < SPIN_NS)
            continue;

        uint64_t nap = waited / 8;
        if (nap < MIN_SLEEP_NS)
            nap = MIN_SLEEP_NS;
        if (nap > MAX_SLEEP_NS)
            nap = MAX_SLEEP_NS;
        sleep_ns(nap < limit - waited ? nap : limit - waited);
    }
}

int vgpu_pci_read_response(VgpuPci *pci, VgpuPciResponse *response)
{
    uint32_t length = vgpu_pci_read32(pci, VGPU_REG_RESPONSE_LEN);

    if (length > VGPU_BUFFER_SIZE)
        return vgpu_pci_fail(pci, -EPROTO, "RESPONSE_LEN is %u: more than the buffer holds",
                             length);
    response->length = length;
    vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, response->bytes, (length + 3) & ~(size_t)3, 4);
    if (!vgpu_response_decode(response->bytes, length, &response->message))
        return vgpu_pci_fail(pci, -EPROTO, "the %u bytes in RESPONSE_BUFFER are not a response",
                             length);
    return 0;
}
