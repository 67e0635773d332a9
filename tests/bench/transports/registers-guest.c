/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our protocol 1.0 as a program calls it: a NOP of 64 bytes, and a sum that the host's GPU
 * computes. */
#include <errno.h>
#include <stdio.h>

#include "channel.h"
#include "measure.h"
#include "vgpu-pci.h"

#define NOP_PARAMETERS 8u /* behind the header of 32 bytes: 64 in all */

static bool call_nop(void *context)
{
    static const struct vgpu_request nop = {.opcode = VGPU_OP_NOP, .param_count = NOP_PARAMETERS};
    VgpuPci *pci = context;
    VgpuPciResponse response;

    if (vgpu_pci_call(pci, &nop, &response) == 0)
        return true;
    fprintf(stderr, "bench: %s\n", pci->error);
    return false;
}

static bool call_add(void *context)
{
    VgpuPci *pci = context;
    uint32_t sum = 0;

    if (vgpu_pci_vector_add(pci, 40, 2, &sum) == 0 && sum == 42)
        return true;
    fprintf(stderr, "bench: vector add: %u %s\n", sum, pci->error);
    return false;
}

void registers_measure(double seconds)
{
    VgpuPci pci;
    const struct measure_plan plan = {.seconds = seconds, .least = 100};
    int result = vgpu_pci_open(&pci, NULL, VGPU_PCI_USE);

    errno = 0;
    if (result != 0)
        measure_die("%s", pci.error);
    struct measure_row row = measure_latency("vgpu-registers", call_nop, &pci, &plan);
    measure_print(&row);
    row = measure_latency("opencl-registers-add", call_add, &pci, &plan);
    measure_print(&row);
    vgpu_pci_close(&pci);
}
