/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our protocol 1.0: a NOP of 64 bytes, as a program calls it. */
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
    vgpu_pci_close(&pci);
}
