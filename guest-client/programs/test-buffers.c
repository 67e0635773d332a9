/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both buffers: every access size, every offset, and nothing spilling over their ends. */
#include <string.h>

#include "random.h"
#include "test-support.h"

static const unsigned int sizes[] = {1, 2, 4, 8};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void fill(uint8_t *bytes, uint32_t seed)
{
    struct random random = random_seed(seed);

    for (uint32_t i = 0; i < VGPU_BUFFER_SIZE; i++)
        bytes[i] = (uint8_t)random_next(&random);
}

/* Whether the request buffer holds @expected, read with accesses of @access bytes. */
static bool holds(VgpuPci *pci, const uint8_t *expected, unsigned int access)
{
    uint8_t got[VGPU_BUFFER_SIZE];

    vgpu_pci_read(pci, VGPU_REQUEST_BUFFER, got, sizeof(got), access);
    for (uint32_t i = 0; i < sizeof(got); i++) {
        if (got[i] != expected[i]) {
            tap_note("byte %u is 0x%02x, expected 0x%02x", i, got[i], expected[i]);
            return false;
        }
    }
    return true;
}

static void test_access_sizes(VgpuPci *pci)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];

    for (size_t w = 0; w < N_SIZES; w++) {
        for (size_t r = 0; r < N_SIZES; r++) {
            fill(bytes, (uint32_t)(w * N_SIZES + r));
            vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, bytes, sizeof(bytes), sizes[w]);
            tap_ok(holds(pci, bytes, sizes[r]),
                   "request buffer: written by %u, read by %u bytes at a time", sizes[w], sizes[r]);
        }
    }
}

static void test_each_offset(VgpuPci *pci)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];

    for (size_t s = 0; s < N_SIZES; s++) {
        const unsigned int access = sizes[s];
        bool exact = true;

        fill(bytes, access);
        vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, bytes, sizeof(bytes), 4);
        for (uint32_t i = 0; exact && i < sizeof(bytes); i += access) {
            for (uint32_t j = i; j < i + access; j++)
                bytes[j] ^= 0xff;
            vgpu_pci_write(pci, VGPU_REQUEST_BUFFER + i, bytes + i, access, access);
            exact = holds(pci, bytes, 4);
        }
        tap_ok(exact, "request buffer: one write of %u bytes changes these bytes alone", access);
    }
}

static void test_byte_order(VgpuPci *pci)
{
    static const uint8_t expected[] = {0x78, 0x56, 0x34, 0x12};
    uint8_t got[4];

    vgpu_pci_write32(pci, VGPU_REQUEST_BUFFER, 0x12345678);
    vgpu_pci_read(pci, VGPU_REQUEST_BUFFER, got, sizeof(got), 1);
    tap_ok(memcmp(got, expected, sizeof(got)) == 0, "words lie in the buffer little-endian");
}

static void test_response_read_only(VgpuPci *pci)
{
    uint8_t before[VGPU_BUFFER_SIZE], inverted[VGPU_BUFFER_SIZE], after[VGPU_BUFFER_SIZE];

    vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, before, sizeof(before), 4);
    for (uint32_t i = 0; i < sizeof(before); i++)
        inverted[i] = before[i] ^ 0xff;
    for (size_t s = 0; s < N_SIZES; s++) {
        vgpu_pci_write(pci, VGPU_RESPONSE_BUFFER, inverted, sizeof(inverted), sizes[s]);
        vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, after, sizeof(after), sizes[s]);
        tap_ok(memcmp(before, after, sizeof(before)) == 0,
               "response buffer ignores writes of %u bytes", sizes[s]);
    }
}

static void test_neighbours(VgpuPci *pci)
{
    uint8_t bytes[VGPU_BUFFER_SIZE], before[VGPU_BUFFER_SIZE], after[VGPU_BUFFER_SIZE];

    vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, before, sizeof(before), 4);
    vgpu_pci_write32(pci, VGPU_REG_SCRATCH, 0x5c4a7c11);
    for (int value = 0; value <= 0xff; value += 0xff) {
        memset(bytes, value, sizeof(bytes));
        for (size_t s = 0; s < N_SIZES; s++)
            vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, bytes, sizeof(bytes), sizes[s]);
    }
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_SCRATCH), 0x5c4a7c11,
              "request buffer: nothing spills into SCRATCH");
    vgpu_pci_read(pci, VGPU_RESPONSE_BUFFER, after, sizeof(after), 4);
    tap_ok(memcmp(before, after, sizeof(before)) == 0,
           "request buffer: nothing spills into the response buffer");
    vgpu_pci_write32(pci, VGPU_REG_SCRATCH, 0);
    tap_ok(holds(pci, bytes, 4), "SCRATCH: nothing spills into the request buffer");
}

int main(int argc, char **argv)
{
    VgpuPci pci;

    test_begin(&pci, argc, argv, "Tests both buffers. Needs no mediator on the host.");
    test_access_sizes(&pci);
    test_each_offset(&pci);
    test_byte_order(&pci);
    test_response_read_only(&pci);
    test_neighbours(&pci);
    vgpu_pci_close(&pci);
    return tap_end();
}
