/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-support.h"

#include "options.h"

void test_open(VgpuPci *pci, const char *device)
{
    tap_begin(stdout);
    if (vgpu_pci_open(pci, device, VGPU_PCI_USE) != 0)
        tap_bail_out("%s", pci->error);
}

void test_begin(VgpuPci *pci, int argc, char **argv, const char *about)
{
    const char *device = NULL;
    const struct option_entry options[] = {OPTION_DEVICE(&device), {NULL}};

    if (options_parse(argc, argv, "[OPTION...]", about, options) < argc)
        options_mistake("takes no operands");
    test_open(pci, device);
}

void test_need_mediator(VgpuPci *pci)
{
    if (vgpu_pci_nop(pci) != 0)
        tap_bail_out("this test needs the host's answer to a NOP: %s", pci->error);
}

int test_send(VgpuPci *pci, const void *bytes, size_t size, uint32_t length)
{
    int result = vgpu_pci_write(pci, VGPU_REQUEST_BUFFER, bytes, size, 4);
    if (result == 0)
        result = vgpu_pci_ring(pci, length);
    return result == 0 ? vgpu_pci_wait(pci, pci->timeout_ms) : result;
}

uint32_t test_put_add(uint8_t *bytes, uint32_t a, uint32_t b)
{
    const struct vgpu_request add = {
        .opcode = VGPU_OP_VECTOR_ADD, .param_count = 2, .params = {a, b}};

    return (uint32_t)vgpu_request_encode(&add, bytes, VGPU_BUFFER_SIZE);
}

bool test_sum(VgpuPci *pci, uint32_t a, uint32_t b)
{
    uint32_t sum;

    if (vgpu_pci_vector_add(pci, a, b, &sum) != 0) {
        tap_note("%u + %u: %s", a, b, pci->error);
        return false;
    }
    if (sum != a + b)
        tap_note("%u + %u: got %u, expected %u", a, b, sum, a + b);
    return sum == a + b;
}

bool test_good_request(VgpuPci *pci)
{
    static uint32_t counter;

    counter++;
    return test_sum(pci, counter * 0x9e3779b9u, counter);
}
