/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Well-formed requests, and each field of what comes back. */
#include <string.h>

#include "latency.h"
#include "random.h"
#include "test-support.h"
#include "vgpu-bytes.h"

#define RANDOM_SUMS 500

/* Offsets of the response's fields, from the contract. */
enum { VERSION = 0, STATUS = 4, COUNT = 8, OFFSET = 12, LENGTH = 16, TIME = 20, RESERVED = 24 };

/* Reads the raw response and checks what every good one has in common. */
static bool good_header(VgpuPci *pci, uint8_t *bytes, uint32_t results)
{
    uint32_t length = vgpu_pci_read32(pci, VGPU_REG_RESPONSE_LEN);

    vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, bytes, VGPU_BUFFER_SIZE, 4);
    uint32_t data_offset = vgpu_get32(bytes + OFFSET), data_length = vgpu_get32(bytes + LENGTH);
    uint32_t words_end = VGPU_HEADER_SIZE + 4 * results;
    bool body = data_length == 0 ? data_offset == 0 && length == words_end
                                 : data_offset >= words_end && length == data_offset + data_length;

    bool good = vgpu_get32(bytes + VERSION) == 0x00010000 && vgpu_get32(bytes + STATUS) == 0 &&
                vgpu_get32(bytes + COUNT) == results && body && vgpu_get64(bytes + RESERVED) == 0;
    if (!good)
        tap_note("version 0x%x, status 0x%x, %u results, data %u at %u, RESPONSE_LEN %u",
                 vgpu_get32(bytes + VERSION), vgpu_get32(bytes + STATUS), vgpu_get32(bytes + COUNT),
                 data_length, data_offset, length);
    return good;
}

/* A NOP of @params parameters and @data bytes behind them, submitted as @length bytes. */
static int send_nop(VgpuPci *pci, uint32_t params, uint32_t data, uint32_t length)
{
    static const uint8_t zeros[VGPU_BUFFER_SIZE];
    const struct vgpu_request nop = {
        .opcode = VGPU_OP_NOP, .param_count = params, .data = zeros, .data_length = data};
    uint8_t bytes[VGPU_BUFFER_SIZE] = {0};

    vgpu_request_encode(&nop, bytes, sizeof(bytes));
    return test_send(pci, bytes, sizeof(bytes), length);
}

static void test_nop(VgpuPci *pci)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];

    tap_equal((uint32_t)send_nop(pci, 0, 0, 32), 0, "NOP");
    tap_ok(good_header(pci, bytes, 0), "NOP: the response is a bare header");
    tap_equal((uint32_t)send_nop(pci, 3, 0, 44), 0, "NOP with parameters: they are ignored");
    tap_equal((uint32_t)send_nop(pci, 1, 5, 41), 0, "NOP with data: it is ignored");
    tap_equal((uint32_t)send_nop(pci, 248, 0, 1024), 0, "NOP with 248 parameters, 1024 bytes");
    tap_equal((uint32_t)send_nop(pci, 0, 992, 1024), 0, "NOP with 992 bytes of data");
    tap_equal((uint32_t)send_nop(pci, 0, 0, 1024), 0, "NOP submitted as the whole buffer");
}

static void test_sums(VgpuPci *pci)
{
    static const uint32_t pairs[][2] = {
        {0, 0},
        {1, 2},
        {0, 0xffffffff},
        {0xffffffff, 1},
        {0xffffffff, 0xffffffff},
        {0x7fffffff, 1},
        {0x80000000, 0x80000000},
        {0x01020304, 0x10203040},
        {0xfffffffe, 1},
        {123456789, 987654321},
    };
    struct random random = random_seed(2);
    uint32_t sum, right = 0;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int result = vgpu_pci_vector_add(pci, pairs[i][0], pairs[i][1], &sum);
        tap_ok(result == 0 && sum == pairs[i][0] + pairs[i][1], "0x%x + 0x%x", pairs[i][0],
               pairs[i][1]);
    }
    for (uint32_t i = 0; i < RANDOM_SUMS; i++) {
        uint32_t a = random_next(&random), b = random_next(&random);
        right += vgpu_pci_vector_add(pci, a, b, &sum) == 0 && sum == a + b;
    }
    tap_equal(right, RANDOM_SUMS, "%u sums of random numbers", RANDOM_SUMS);
}

static void test_sum_response(VgpuPci *pci)
{
    uint8_t request[VGPU_BUFFER_SIZE] = {0}, response[VGPU_BUFFER_SIZE];
    uint32_t length = test_put_add(request, 40, 2);

    uint64_t start = latency_now();
    tap_equal((uint32_t)test_send(pci, request, length, length), 0, "vector add, sent as bytes");
    uint64_t elapsed_us = (latency_now() - start) / 1000;
    tap_ok(good_header(pci, response, 1), "vector add: header and one result");
    tap_equal(vgpu_get32(response + VGPU_HEADER_SIZE), 42, "vector add: the sum");
    tap_ok(vgpu_get32(response + TIME) <= elapsed_us,
           "vector add: exec_time_us is not longer than the guest waited");
    tap_note("%u us on the backend, %llu us seen here", vgpu_get32(response + TIME),
             (unsigned long long)elapsed_us);

    tap_equal((uint32_t)test_send(pci, request, sizeof(request), VGPU_BUFFER_SIZE), 0,
              "vector add submitted as the whole buffer");
    tap_ok(good_header(pci, response, 1), "vector add as the whole buffer: the same response");
}

static void test_access_sizes(VgpuPci *pci)
{
    for (unsigned int access = 1; access <= 8; access *= 2) {
        uint8_t request[VGPU_BUFFER_SIZE], result[8];
        uint32_t length = test_put_add(request, 1000 * access, access);

        vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, request, length, access);
        vgpu_pci_ring(pci, length);
        int error = vgpu_pci_wait(pci, pci->timeout_ms);
        vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER + VGPU_HEADER_SIZE, result, sizeof(result), access);
        tap_ok(error == 0 && vgpu_get32(result) == 1001 * access,
               "vector add written and read by %u bytes at a time", access);
    }
}

static bool printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

static void test_device_info(VgpuPci *pci)
{
    VgpuPciDeviceInfo info;
    uint8_t bytes[VGPU_BUFFER_SIZE];

    if (!tap_ok(vgpu_pci_device_info(pci, &info) == 0, "device information")) {
        tap_note("%s", pci->error);
        return;
    }
    /* A later version may append to the results. */
    vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, bytes, sizeof(bytes), 4);
    uint32_t results = vgpu_get32(bytes + COUNT);
    tap_ok(results >= 4 && good_header(pci, bytes, results), "device information: the header");
    tap_ok(info.name[0] != '\0' && printable(info.name), "device information: a name");
    tap_ok(info.compute_units > 0, "device information: compute units");
    tap_ok(info.backend <= VGPU_BACKEND_CUDA, "device information: a known backend");
    tap_note("%s: %u compute units, %u MHz, %u MiB, backend %u", info.name, info.compute_units,
             info.clock_mhz, info.memory_mib, info.backend);
}

int main(int argc, char **argv)
{
    VgpuPci pci;

    test_begin(&pci, argc, argv, "Tests NOP, vector add and device information.");
    test_need_mediator(&pci);
    test_nop(&pci);
    test_sums(&pci);
    test_sum_response(&pci);
    test_access_sizes(&pci);
    test_device_info(&pci);
    vgpu_pci_close(&pci);
    return tap_end();
}
