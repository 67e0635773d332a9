/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PCI identity, and what each of the 16 registers and the reserved range does on access. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "registers.h"
#include "test-support.h"

static const uint32_t patterns[] = {0xffffffff, 0xaaaaaaaa, 0x55555555, 0x12345678, 0x80000001, 0};

#define N_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

/* The first @size - 1 characters of a file in the device's folder of sysfs; "" without it. */
static void read_attribute(const VgpuPci *pci, const char *name, char *text, size_t size)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", pci->path, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[length > 0 ? length : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static uint32_t attribute_number(const VgpuPci *pci, const char *name)
{
    char text[32];

    read_attribute(pci, name, text, sizeof(text));
    return (uint32_t)strtoul(text, NULL, 16);
}

static void test_identity(const VgpuPci *pci)
{
    uint64_t start = 0, end = 0;
    char text[128];

    tap_equal(attribute_number(pci, "vendor"), 0x1af4, "PCI vendor");
    tap_equal(attribute_number(pci, "device"), 0x1111, "PCI device");
    tap_equal(attribute_number(pci, "class"), 0x120000, "PCI class: processing accelerator");
    tap_equal(attribute_number(pci, "revision"), 0x02, "PCI revision");
    read_attribute(pci, "resource", text, sizeof(text));
    sscanf(text, "%" SCNx64 " %" SCNx64, &start, &end);
    tap_equal((uint32_t)(end - start + 1), 4096, "BAR0 size");
}

static void test_constants(const VgpuPci *pci)
{
    uint32_t pool = vgpu_pci_read32(pci, VGPU_REG_POOL_ID);

    tap_equal(vgpu_pci_read32(pci, VGPU_REG_PROTOCOL_VER), 0x00010000, "PROTOCOL_VER is 1.0");
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_CAPABILITIES) & 0xf, 0x3,
              "CAPABILITIES: basic and interrupt; neither DMA nor several requests");
    tap_ok(pool >= 'A' && pool <= 'Z', "POOL_ID is a letter (0x%x)", pool);
    tap_ok(vgpu_pci_read32(pci, VGPU_REG_PRIORITY) <= 2, "PRIORITY is 0, 1 or 2");
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_DOORBELL), 0, "DOORBELL reads 0");
}

static void read_all(const VgpuPci *pci, uint32_t *values)
{
    for (int i = 0; i < REGISTER_COUNT; i++)
        values[i] = vgpu_pci_read32(pci, registers[i].offset);
}

/* Whether all registers but number @except are as in @before; a note says which is not. */
static bool unchanged(const VgpuPci *pci, const uint32_t *before, int except)
{
    for (int i = 0; i < REGISTER_COUNT; i++) {
        uint32_t now = vgpu_pci_read32(pci, registers[i].offset);
        if (i != except && now != before[i]) {
            tap_note("%s changed from 0x%x to 0x%x", registers[i].name, before[i], now);
            return false;
        }
    }
    return true;
}

static void test_read_only(VgpuPci *pci)
{
    uint32_t before[REGISTER_COUNT];

    read_all(pci, before);
    for (int i = 0; i < REGISTER_COUNT; i++) {
        if (registers[i].access != REGISTER_RO)
            continue;
        bool same = true;
        for (size_t p = 0; p < N_PATTERNS; p++) {
            vgpu_pci_write32(pci, registers[i].offset, patterns[p]);
            same = same && unchanged(pci, before, -1);
        }
        tap_ok(same, "%s ignores writes", registers[i].name);
    }
}

static bool keeps(VgpuPci *pci, uint32_t offset, uint32_t value)
{
    vgpu_pci_write32(pci, offset, value);
    uint32_t got = vgpu_pci_read32(pci, offset);
    if (got != value)
        tap_note("wrote 0x%x, read 0x%x", value, got);
    return got == value;
}

static void test_read_write(VgpuPci *pci)
{
    uint32_t before[REGISTER_COUNT];

    read_all(pci, before);
    for (int i = 0; i < REGISTER_COUNT; i++) {
        const uint32_t offset = registers[i].offset;
        bool kept = true;

        if (offset != VGPU_REG_REQUEST_LEN && offset != VGPU_REG_REQUEST_ID &&
            offset != VGPU_REG_SCRATCH)
            continue;
        for (size_t p = 0; p < N_PATTERNS; p++)
            kept = kept && keeps(pci, offset, patterns[p]);
        for (int bit = 0; bit < 32; bit++)
            kept = kept && keeps(pci, offset, 1u << bit);
        tap_ok(kept, "%s keeps every value", registers[i].name);
        tap_ok(unchanged(pci, before, i), "%s: writes touch no other register", registers[i].name);
        vgpu_pci_write32(pci, offset, before[i]);
    }
}

static void test_interrupt_control(VgpuPci *pci)
{
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_CTRL, VGPU_INTERRUPT_COMPLETION);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_CTRL) & 1, 1, "INTERRUPT_CTRL: bit 0 set");
    vgpu_pci_write32(pci, VGPU_REG_INTERRUPT_CTRL, 0);
    tap_equal(vgpu_pci_read32(pci, VGPU_REG_INTERRUPT_CTRL) & 1, 0,
              "INTERRUPT_CTRL: bit 0 cleared");
}

/* Where nothing is defined: behind protocol 2's registers, if it has them. */
static uint32_t first_reserved(const VgpuPci *pci)
{
    return vgpu_pci_read32(pci, VGPU_REG_CAPABILITIES) & VGPU_CAP_QUEUES
               ? VGPU_REG_QUEUE_GENERATION + 4
               : VGPU_REG_RESERVED;
}

static bool reserved_is_zero(const VgpuPci *pci)
{
    for (uint32_t offset = first_reserved(pci); offset < VGPU_BAR0_SIZE; offset += 4) {
        uint32_t value = vgpu_pci_read32(pci, offset);
        if (value != 0) {
            tap_note("0x%03x reads 0x%x", offset, value);
            return false;
        }
    }
    return true;
}

static void test_reserved(VgpuPci *pci)
{
    uint32_t before[REGISTER_COUNT];

    tap_ok(reserved_is_zero(pci), "0x840..0xfff: what is reserved reads 0");
    read_all(pci, before);
    for (uint32_t offset = VGPU_REG_RESERVED; offset < VGPU_BAR0_SIZE; offset += 4)
        vgpu_pci_write32(pci, offset, 0xffffffff);
    tap_ok(reserved_is_zero(pci), "0x840..0xfff: what is reserved ignores writes");
    tap_ok(unchanged(pci, before, -1), "0x840..0xfff: writes touch no register");
}

int main(int argc, char **argv)
{
    VgpuPci pci;

    test_begin(&pci, argc, argv,
               "Tests the PCI identity and the 16 registers. Needs no mediator on the host.");
    test_identity(&pci);
    test_constants(&pci);
    test_read_only(&pci);
    test_read_write(&pci);
    test_interrupt_control(&pci);
    test_reserved(&pci);
    vgpu_pci_close(&pci);
    return tap_end();
}
