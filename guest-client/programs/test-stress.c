/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Good requests of all kinds as fast as they go, each answer checked. */
#include <string.h>

#include "latency.h"
#include "options.h"
#include "random.h"
#include "test-support.h"

#define NS_PER_S 1000000000u

/* A NOP that fills the buffer, so that sizes change from request to request. */
static bool right_nop(VgpuPci *pci, uint32_t params)
{
    const struct vgpu_request nop = {.opcode = VGPU_OP_NOP, .param_count = params};
    VgpuPciResponse response;

    int result = vgpu_pci_call(pci, &nop, &response);
    if (result != 0)
        tap_note("NOP: %s", pci->error);
    else if (response.length != VGPU_HEADER_SIZE)
        tap_note("NOP: a response of %zu bytes", response.length);
    return result == 0 && response.length == VGPU_HEADER_SIZE;
}

static bool right_info(VgpuPci *pci, const VgpuPciDeviceInfo *first)
{
    VgpuPciDeviceInfo info;

    if (vgpu_pci_device_info(pci, &info) != 0) {
        tap_note("device information: %s", pci->error);
        return false;
    }
    if (memcmp(&info, first, sizeof(info)) != 0)
        tap_note("device information changed to '%s'", info.name);
    return memcmp(&info, first, sizeof(info)) == 0;
}

static bool one_request(VgpuPci *pci, struct random *random, const VgpuPciDeviceInfo *first)
{
    switch (random_below(random, 10)) {
    case 0:
        return right_info(pci, first);
    case 1:
        return right_nop(pci, random_below(random, VGPU_MAX_WORDS + 1));
    default:
        return test_sum(pci, random_next(random), random_next(random));
    }
}

int main(int argc, char **argv)
{
    const char *device = NULL;
    uint32_t seconds = 5, count = 0, seed = 1;
    const struct option_entry options[] = {
        OPTION_DEVICE(&device),
        {.name = "seconds",
         .argument = "S",
         .help = "for how long (default: 5)",
         .number = &seconds},
        {.name = "count",
         .argument = "N",
         .help = "N requests, however long they take",
         .number = &count},
        {.name = "seed",
         .argument = "N",
         .help = "which random requests (default: 1)",
         .number = &seed},
        {NULL},
    };
    VgpuPciDeviceInfo first;
    VgpuPci pci;

    if (options_parse(argc, argv, "[OPTION...]",
                      "Sends random good requests without a pause and checks each answer.",
                      options) < argc)
        options_mistake("takes no operands");
    test_open(&pci, device);
    if (vgpu_pci_device_info(&pci, &first) != 0)
        tap_bail_out("device information: %s", pci.error);

    struct random random = random_seed(seed);
    const uint64_t start = latency_now();
    uint64_t elapsed = 0;
    uint32_t done = 0;
    bool right = true;
    while (right && (count > 0 ? done < count : elapsed < (uint64_t)seconds * NS_PER_S)) {
        right = one_request(&pci, &random, &first);
        elapsed = latency_now() - start;
        done += right;
    }
    tap_ok(right, "every answer was right");
    tap_note("%u requests in %.3f s, %.0f requests/s", done, (double)elapsed / NS_PER_S,
             elapsed > 0 ? (double)done * NS_PER_S / (double)elapsed : 0);
    vgpu_pci_close(&pci);
    return tap_end();
}
