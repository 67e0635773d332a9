/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The doorbell and what a request does to the registers around it. */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"
#include "test-support.h"

#define BUSY_ATTEMPTS 1000
#define PARAM_OFFSET  (VGPU_REQUEST_BUFFER + VGPU_HEADER_SIZE)

static void test_other_values(VgpuPci *pci)
{
    static const uint32_t values[] = {0, 2, 3, 0x100, 0x10001, 0x80000000, 0xffffffff};
    uint8_t bytes[VGPU_BUFFER_SIZE];

    /* A good request lies ready: were it submitted, TIMESTAMP would move. */
    uint32_t length = test_put_add(bytes, 1, 2);
    tap_equal((uint32_t)test_send(pci, bytes, length, length), 0, "a request with doorbell 1");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const struct timespec pause = {.tv_nsec = 5000000};
        uint64_t before = vgpu_pci_timestamp(pci);

        vgpu_pci_write32(pci, VGPU_REG_DOORBELL, values[i]);
        uint32_t status = vgpu_pci_read32(pci, VGPU_REG_STATUS);
        nanosleep(&pause, NULL);
        tap_ok(status == VGPU_STATUS_DONE && vgpu_pci_timestamp(pci) == before,
               "doorbell 0x%x submits nothing", values[i]);
        tap_equal(vgpu_pci_read32(pci, VGPU_REG_DOORBELL), 0, "DOORBELL reads 0 after 0x%x",
                  values[i]);
    }
}

static void test_status_sequence(VgpuPci *pci)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];
    uint32_t length = test_put_add(bytes, 20, 22), status;
    bool stays = true;

    vgpu_pci_submit(pci, bytes, length);
    do
        status = vgpu_pci_read32(pci, VGPU_REG_STATUS);
    while (status == VGPU_STATUS_BUSY);
    tap_equal(status, VGPU_STATUS_DONE, "STATUS goes from busy to done");
    for (int i = 0; i < 1000; i++)
        stays = stays && vgpu_pci_read32(pci, VGPU_REG_STATUS) == VGPU_STATUS_DONE;
    tap_ok(stays, "STATUS stays done");

    tap_equal((uint32_t)test_send(pci, bytes, length, 0), VGPU_ERROR_INVALID_LENGTH,
              "an empty request");
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_STATUS), VGPU_STATUS_ERROR, "STATUS is error");
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_ERROR_CODE), VGPU_ERROR_INVALID_LENGTH,
              "ERROR_CODE says which");
    tap_ok(test_good_request(pci), "a good request right after it");
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_STATUS), VGPU_STATUS_DONE, "STATUS is done again");
}

static void test_request_id(VgpuPci *pci)
{
    static const uint32_t ids[] = {0, 1, 0x80000000, 0xffffffff, 42, 42};
    uint8_t bytes[VGPU_BUFFER_SIZE];
    uint32_t length = test_put_add(bytes, 1, 1);

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, bytes, length, 4);
        vgpu_pci_write32(pci, VGPU_REG_REQUEST_LEN, length);
        vgpu_pci_write32(pci, VGPU_REG_REQUEST_ID, ids[i]);
        vgpu_pci_write32(pci, VGPU_REG_DOORBELL, 1);
        int result = vgpu_pci_wait(pci, pci->timeout_ms);
        tap_ok(result == 0 && vgpu_pci_read32(pci, VGPU_REG_REQUEST_ID) == ids[i] &&
                   vgpu_pci_read32(pci, VGPU_REG_REQUEST_LEN) == length,
               "REQUEST_ID 0x%x and REQUEST_LEN outlive the request", ids[i]);
    }
}

static void test_timestamps(VgpuPci *pci)
{
    const struct timespec pause = {.tv_nsec = 50000000};

    test_good_request(pci);
    uint64_t first = vgpu_pci_timestamp(pci), before = latency_now();
    nanosleep(&pause, NULL);
    tap_ok(vgpu_pci_timestamp(pci) == first, "TIMESTAMP stands still without a request");
    test_good_request(pci);
    uint64_t device_us = vgpu_pci_timestamp(pci) - first,
             guest_us = (latency_now() - before) / 1000;

    /* The first request ended a little before @before; a tenth for clocks that drift apart. */
    tap_ok(device_us >= 50000 - 5000 && device_us <= guest_us + guest_us / 10 + 10000,
           "TIMESTAMP counts microseconds");
    tap_note("%llu us on the device's clock, %llu us on the guest's", (unsigned long long)device_us,
             (unsigned long long)guest_us);
}

/* No driver serves this device: an INTx that nobody clears would make the kernel shut its line. */
static void mask_intx(const VgpuPci *pci)
{
    const off_t command = 0x04;
    const uint16_t intx_disable = 1u << 10;
    uint16_t value = 0;
    char path[256];

    snprintf(path, sizeof(path), "%s/config", pci->path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &value, sizeof(value), command) != sizeof(value))
        tap_bail_out("cannot read %s", path);
    value |= intx_disable;
    if (pwrite(fd, &value, sizeof(value), command) != sizeof(value))
        tap_bail_out("cannot write %s", path);
    close(fd);
}

static void test_interrupt_status(VgpuPci *pci)
{
    mask_intx(pci);
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_STATUS, VGPU_INTERRUPT_COMPLETION);
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_CTRL, VGPU_INTERRUPT_COMPLETION);
    test_good_request(pci);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_STATUS), 1, "INTERRUPT_STATUS: pending");
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_STATUS, 0);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_STATUS), 1,
              "INTERRUPT_STATUS: writing 0 clears nothing");
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_STATUS, ~VGPU_INTERRUPT_COMPLETION);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_STATUS), 1,
              "INTERRUPT_STATUS: writing other bits clears nothing");
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_STATUS, VGPU_INTERRUPT_COMPLETION);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_STATUS), 0,
              "INTERRUPT_STATUS: writing 1 clears it");
    test_good_request(pci);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_STATUS), 1,
              "INTERRUPT_STATUS: pending after the next request");
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_CTRL, 0);
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_STATUS, VGPU_INTERRUPT_COMPLETION);
}

enum outcome { REFUSED, MISSED, WRONG };

/*
 * Rings for 1 + 1, and at once again for 1 + 1000. If the device was still busy, the second ring
 * must be refused with QUEUE_FULL, seen while STATUS is BUSY, and the first request end with 2.
 * @was_busy: what STATUS said just before the second ring.
 */
static enum outcome ring_twice(VgpuPci *pci, bool *was_busy)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];
    VgpuPciResponse response;

    vgpu_pci_submit(pci, bytes, test_put_add(bytes, 1, 1));
    vgpu_pci_write32(pci, PARAM_OFFSET + 4, 1000);
    *was_busy = vgpu_pci_read32(pci, VGPU_REG_STATUS) == VGPU_STATUS_BUSY;
    vgpu_pci_write32(pci, VGPU_REG_DOORBELL, 1);
    uint32_t error = vgpu_pci_read32(pci, VGPU_REG_ERROR_CODE);
    bool busy = vgpu_pci_read32(pci, VGPU_REG_STATUS) == VGPU_STATUS_BUSY;
    bool refused = busy && error == VGPU_ERROR_QUEUE_FULL;

    if (vgpu_pci_wait(pci, pci->timeout_ms) != 0 || vgpu_pci_read_response(pci, &response) != 0 ||
        response.message.result_count != 1) {
        tap_note("the live request ended with: %s", pci->error);
        return WRONG;
    }
    uint32_t sum = response.message.results[0];
    if (refused && sum == 2)
        return REFUSED;
    if (!refused && (sum == 1001 || !busy))
        return MISSED; /* the first one had ended before the second ring, or before we looked */
    tap_note("second ring: STATUS %s, ERROR_CODE 0x%x, sum %u", busy ? "busy" : "not busy", error,
             sum);
    return WRONG;
}

static void test_busy(VgpuPci *pci)
{
    unsigned int refused = 0, chances = 0;
    bool right = true, was_busy;

    for (int i = 0; right && i < BUSY_ATTEMPTS; i++) {
        enum outcome outcome = ring_twice(pci, &was_busy);
        right = outcome != WRONG;
        refused += outcome == REFUSED;
        chances += was_busy;
    }
    /* A host can be so fast that the request ends between our look and the second ring. */
    if (right && refused == 0 && chances < BUSY_ATTEMPTS / 10) {
        tap_skip("doorbell while busy", "the host always answered before the second ring");
        return;
    }
    tap_ok(right && refused > 0,
           "doorbell while busy: 0x07 meanwhile, and the live request ends well");
    tap_note("%u of %u second rings were refused; before %u the device was busy", refused,
             BUSY_ATTEMPTS, chances);
    tap_ok(test_good_request(pci), "a good request after that");
}

int main(int argc, char **argv)
{
    VgpuPci pci;

    test_begin(&pci, argc, argv, "Tests the doorbell, STATUS, timestamps and interrupt status.");
    test_need_mediator(&pci);
    test_other_values(&pci);
    test_status_sequence(&pci);
    test_request_id(&pci);
    test_timestamps(&pci);
    test_interrupt_status(&pci);
    test_busy(&pci);
    vgpu_pci_close(&pci);
    return tap_end();
}
