/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity, the rule of each register's access, and what lies outside of the map. */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

static const uint32_t patterns[] = {0, 1, 0x12345678, 0xffffffff, 0x80000000, 0xa5a5a5a5};
#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static void test_identity(void)
{
    tap(device_attribute("vendor") == 0x1af4 && device_attribute("device") == 0x1111,
        "vendor and device");
    tap(device_attribute("class") == 0x120000, "class 0x120000, got 0x%06llx",
        (unsigned long long)device_attribute("class"));
    tap(device_attribute("revision") == 0x02, "revision 0x02");
    tap(device_bar_size() == 4096, "BAR0 has 4 KiB");
    tap(device_get(0x020) == 0x00010000, "PROTOCOL_VER");
    /* Basic and interrupt there; DMA and several outstanding requests are no part of 1.0. */
    tap((device_get(0x024) & 0xf) == 0x3, "CAPABILITIES, got 0x%x", device_get(0x024));
}

static void test_place(const char *pool, const char *priority, const char *vm_id)
{
    static const char *const words[] = {"low", "medium", "high"};
    uint32_t letter = device_get(0x008), level = device_get(0x00c);

    tap(pool != NULL ? letter == (uint8_t)pool[0] : letter >= 'A' && letter <= 'Z',
        "POOL_ID, got 0x%x", letter);
    tap(level <= 2 && (priority == NULL || strcmp(words[level], priority) == 0), "PRIORITY, got %u",
        level);
    tap(vm_id == NULL || device_get(0x010) == strtoul(vm_id, NULL, 10), "VM_ID, got %u",
        device_get(0x010));
}

/* Words of any value come back. */
static void test_writable(unsigned offset, const char *name)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < PATTERNS; i++) {
        device_set(offset, patterns[i]);
        bad += device_get(offset) != patterns[i];
    }
    device_set(offset, 0);
    tap(bad == 0, "%s keeps what is written", name);
}

static void test_read_only(void)
{
    static const struct {
        unsigned offset;
        const char *name;
    } registers[] = {
        {0x004, "STATUS"},       {0x008, "POOL_ID"},      {0x00c, "PRIORITY"},
        {0x010, "VM_ID"},        {0x014, "ERROR_CODE"},   {0x01c, "RESPONSE_LEN"},
        {0x020, "PROTOCOL_VER"}, {0x024, "CAPABILITIES"}, {0x034, "TIMESTAMP_LO"},
        {0x038, "TIMESTAMP_HI"},
    };

    for (unsigned r = 0; r < sizeof(registers) / sizeof(registers[0]); r++) {
        uint32_t before = device_get(registers[r].offset);
        unsigned bad = 0;
        for (unsigned i = 0; i < PATTERNS; i++) {
            device_set(registers[r].offset, patterns[i]);
            bad += device_get(registers[r].offset) != before;
        }
        tap(bad == 0, "%s ignores writes", registers[r].name);
    }
}

static void test_reserved(void)
{
    unsigned not_zero = 0, changed = 0;
    uint32_t map[16];
    /* Protocol 2 has five registers there, if CAPABILITIES says so. */
    unsigned begin = device_get(0x024) & 0x10 ? 0x854 : 0x840;

    for (unsigned i = 0; i < 16; i++)
        map[i] = device_get(4 * i);
    for (unsigned offset = begin; offset < 0x1000; offset += 4) {
        not_zero += device_get(offset) != 0;
        for (unsigned i = 0; i < PATTERNS; i++)
            device_set(offset, patterns[i]);
        not_zero += device_get(offset) != 0;
    }
    for (unsigned i = 0; i < 16; i++)
        changed += device_get(4 * i) != map[i];
    tap(not_zero == 0, "0x%x..0xfff read 0, whatever is written", begin);
    tap(changed == 0, "such writes change no register");
}

static void test_interrupt_bits(void)
{
    device_set(0x028, 1);
    tap((device_get(0x028) & 1) == 1, "INTERRUPT_CTRL bit 0 is set");
    device_set(0x028, 0);
    tap((device_get(0x028) & 1) == 0, "INTERRUPT_CTRL bit 0 is cleared");
    device_set(0x02c, 1);
    tap((device_get(0x02c) & 1) == 0, "INTERRUPT_STATUS bit 0 is cleared by writing 1");
}

void test_registers(const char *pool, const char *priority, const char *vm_id)
{
    test_identity();
    test_place(pool, priority, vm_id);
    tap(device_get(0x000) == 0, "DOORBELL reads 0");
    test_writable(0x03c, "SCRATCH");
    test_writable(0x030, "REQUEST_ID");
    test_writable(0x018, "REQUEST_LEN");
    test_read_only();
    test_reserved();
    test_interrupt_bits();
    tap(device_get(0x004) != 1, "nothing of this has submitted a request");
}
