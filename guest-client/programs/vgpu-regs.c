/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows the device's registers; changes nothing, and runs beside a program that uses the device. */
#include <stdio.h>
#include <sysexits.h>

#include "options.h"
#include "registers.h"
#include "vgpu-pci.h"

static const char *const access_names[] = {
    [REGISTER_RO] = "ro", [REGISTER_RW] = "rw", [REGISTER_RW1C] = "rw1c"};

static void print_text(const VgpuPci *pci)
{
    printf("vgpu-stub %04x:%04x at %s\n\n", VGPU_PCI_VENDOR_ID, VGPU_PCI_DEVICE_ID,
           vgpu_pci_address(pci));
    for (int i = 0; i < REGISTER_COUNT; i++) {
        uint32_t value = vgpu_pci_read32(pci, registers[i].offset);
        char meaning[64];

        register_meaning(registers[i].offset, value, meaning, sizeof(meaning));
        printf("0x%03x  %-16s  %-4s  0x%08x%s%s\n", registers[i].offset, registers[i].name,
               access_names[registers[i].access], value, meaning[0] != '\0' ? "  " : "", meaning);
    }
    uint64_t timestamp = vgpu_pci_timestamp(pci);
    if (timestamp != 0)
        printf("\nThe last request ended at %.6f s on the VM's clock.\n", (double)timestamp / 1e6);
}

static void print_buffer(VgpuPci *pci, const char *name, uint32_t offset)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];

    vgpu_pci_read(pci, offset, bytes, sizeof(bytes), 4);
    printf("\n%s\n", name);
    for (uint32_t row = 0; row < sizeof(bytes); row += 16) {
        printf("0x%03x ", offset + row);
        for (uint32_t i = row; i < row + 16; i++)
            printf(" %02x", bytes[i]);
        printf("  ");
        for (uint32_t i = row; i < row + 16; i++)
            putchar(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.');
        putchar('\n');
    }
}

static void print_json_buffer(VgpuPci *pci, const char *name, uint32_t offset)
{
    uint8_t bytes[VGPU_BUFFER_SIZE];

    vgpu_pci_read(pci, offset, bytes, sizeof(bytes), 4);
    printf(",\"%s\":\"", name);
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        printf("%02x", bytes[i]);
    putchar('"');
}

/* One object on one line; nothing in it needs escaping. */
static void print_json(VgpuPci *pci, bool buffers)
{
    printf("{\"address\":\"%s\",\"registers\":{", vgpu_pci_address(pci));
    for (int i = 0; i < REGISTER_COUNT; i++) {
        uint32_t value = vgpu_pci_read32(pci, registers[i].offset);
        char meaning[64];

        register_meaning(registers[i].offset, value, meaning, sizeof(meaning));
        printf("%s\"%s\":{\"offset\":%u,\"value\":%u,\"meaning\":\"%s\"}", i > 0 ? "," : "",
               registers[i].name, registers[i].offset, value, meaning);
    }
    putchar('}');
    if (buffers) {
        print_json_buffer(pci, "request_buffer", VGPU_REQUEST_BUFFER);
        print_json_buffer(pci, "response_buffer", VGPU_RESPONSE_BUFFER);
    }
    puts("}");
}

int main(int argc, char **argv)
{
    const char *device = NULL;
    bool json = false, buffers = false;
    const struct option_entry options[] = {
        OPTION_DEVICE(&device),
        {.name = "buffers", .help = "show both buffers too", .flag = &buffers},
        {.name = "json", .help = "print one JSON object", .flag = &json},
        {NULL},
    };
    VgpuPci pci;

    if (options_parse(argc, argv, "[OPTION...]",
                      "Shows the registers of the vgpu-stub device and what they mean. Changes "
                      "nothing.",
                      options) < argc)
        options_mistake("takes no operands");

    if (vgpu_pci_open(&pci, device, VGPU_PCI_OBSERVE) != 0) {
        fprintf(stderr, "vgpu-regs: %s\n", pci.error);
        vgpu_pci_close(&pci);
        return EX_UNAVAILABLE;
    }
    if (json) {
        print_json(&pci, buffers);
    } else {
        print_text(&pci);
        if (buffers) {
            print_buffer(&pci, "REQUEST_BUFFER", VGPU_REQUEST_BUFFER);
            print_buffer(&pci, "RESPONSE_BUFFER", VGPU_RESPONSE_BUFFER);
        }
    }
    vgpu_pci_close(&pci);
    return EX_OK;
}
