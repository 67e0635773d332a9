/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest gets from its vgpu-stub device, step by step, in words. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "latency.h"
#include "options.h"
#include "random.h"
#include "vgpu-pci.h"

#define SHOWN_SUMS 5u

static int fail(const VgpuPci *pci, const char *what)
{
    printf("FAILED: %s: %s\n", what, pci->error);
    return 1;
}

static void show_device(const VgpuPci *pci)
{
    uint32_t version = vgpu_pci_read32(pci, VGPU_REG_PROTOCOL_VER);

    printf("1. The device\n");
    printf("   PCI device %04x:%04x at %s, protocol %u.%u\n", VGPU_PCI_VENDOR_ID,
           VGPU_PCI_DEVICE_ID, vgpu_pci_address(pci), version >> 16, version & 0xffff);
    printf("   pool %c, priority %s, VM %u\n\n", (int)vgpu_pci_read32(pci, VGPU_REG_POOL_ID),
           vgpu_priority_name(vgpu_pci_read32(pci, VGPU_REG_PRIORITY)),
           vgpu_pci_read32(pci, VGPU_REG_VM_ID));
}

static const char *backend_name(uint32_t backend)
{
    switch (backend) {
    case VGPU_BACKEND_NULL:
        return "no GPU (the null backend)";
    case VGPU_BACKEND_OPENCL:
        return "OpenCL device";
    case VGPU_BACKEND_CUDA:
        return "CUDA device";
    default:
        return "device";
    }
}

static int show_gpu(VgpuPci *pci)
{
    VgpuPciDeviceInfo info;

    printf("2. What computes on the host\n");
    if (vgpu_pci_device_info(pci, &info) != 0)
        return fail(pci, "device information");
    printf("   %s: %s\n", backend_name(info.backend), info.name);
    printf("   %u compute units, %u MHz, %u MiB of memory\n\n", info.compute_units, info.clock_mhz,
           info.memory_mib);
    return 0;
}

static int show_sums(VgpuPci *pci, uint32_t count)
{
    struct random numbers = random_seed(1);
    uint32_t wrong = 0;

    printf("3. Sums, each one checked against this guest's CPU\n");
    for (uint32_t i = 0; i < count; i++) {
        /* A few that a reader can check, then the whole range with its wrap-around. */
        uint32_t bound = i < SHOWN_SUMS ? 1000 : 0;
        uint32_t a = random_below(&numbers, bound), b = random_below(&numbers, bound), sum;

        if (vgpu_pci_vector_add(pci, a, b, &sum) != 0)
            return fail(pci, "vector add");
        if (sum != a + b)
            wrong++;
        if (i < SHOWN_SUMS || (sum != a + b && wrong <= SHOWN_SUMS))
            printf("   %u + %u = %u%s\n", a, b, sum, sum != a + b ? "  WRONG" : "");
    }
    printf("   %u sums, %u right, %u wrong\n\n", count, count - wrong, wrong);
    return wrong > 0;
}

static int nop(VgpuPci *pci)
{
    return vgpu_pci_nop(pci);
}

static int add(VgpuPci *pci)
{
    uint32_t sum;

    return vgpu_pci_vector_add(pci, 1, 2, &sum);
}

static int measure(VgpuPci *pci, const char *name, int (*request)(VgpuPci *pci),
                   uint64_t *durations, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = latency_now();

        if (request(pci) != 0)
            return fail(pci, name);
        durations[i] = latency_now() - start;
    }

    struct latency_summary summary = latency_summarize(durations, count);
    printf("   %-10s  %8.1f  %8.1f  %8.1f  %10.0f\n", name, (double)summary.min / 1e3,
           (double)summary.median / 1e3, (double)summary.p99 / 1e3, summary.per_second);
    return 0;
}

static int show_latency(VgpuPci *pci, uint32_t count)
{
    uint64_t *durations = calloc(count, sizeof(*durations));

    if (durations == NULL) {
        printf("FAILED: no memory for %u measurements\n", count);
        return 1;
    }
    printf("4. Latency of %u requests of each kind, in microseconds\n", count);
    printf("   %-10s  %8s  %8s  %8s  %10s\n", "", "min", "median", "p99", "requests/s");
    int result = measure(pci, "NOP", nop, durations, count);
    if (result == 0)
        result = measure(pci, "vector add", add, durations, count);
    free(durations);
    return result;
}

int main(int argc, char **argv)
{
    const char *device = NULL;
    uint32_t sums = 1000, requests = 1000;
    const struct option_entry options[] = {
        OPTION_DEVICE(&device),
        {.name = "sums",
         .argument = "N",
         .help = "sums to compute (default: 1000)",
         .number = &sums},
        {.name = "requests",
         .argument = "N",
         .help = "requests to time, at least 1 (default: 1000)",
         .number = &requests},
        {NULL},
    };
    VgpuPci pci;

    if (options_parse(
            argc, argv, "[OPTION...]",
            "Shows the vgpu-stub device of this VM and what computes behind it, has sums\n"
            "computed by it, checks them, and measures how long a request takes.\n"
            "Exit status: 0 all right, 1 a request failed or a sum was wrong, 69 no "
            "device.",
            options) < argc)
        options_mistake("takes no operands");
    if (requests == 0)
        options_mistake("--requests: at least 1");

    if (vgpu_pci_open(&pci, device, VGPU_PCI_USE) != 0) {
        fprintf(stderr, "vgpu-demo: %s\n", pci.error);
        vgpu_pci_close(&pci);
        return EX_UNAVAILABLE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* each step is seen when it happens */
    show_device(&pci);
    int result = show_gpu(&pci);
    if (result == 0)
        result = show_sums(&pci, sums);
    if (result == 0)
        result = show_latency(&pci, requests);
    vgpu_pci_close(&pci);
    return result;
}
