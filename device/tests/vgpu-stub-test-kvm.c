/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest of vgpu-stub: a guest of a few instructions under KVM, that rings and is interrupted
 * without QEMU having a part in it. Skipped where there is no KVM.
 */
#include "qemu/osdep.h"
/* 10.0 moved it. */
#if __has_include("qobject/qdict.h")
#include "qobject/qdict.h"
#else
#include "qapi/qmp/qdict.h"
#endif
#include "standard-headers/linux/pci_regs.h"

#include <poll.h>

#include "vgpu-guest.h"
#include "vgpu-stub-test.h"

#define QUEUE  1 /* the one that is used */
#define ROUNDS 100

/* What guest and test have in common, in the guest's memory. */
#define DOORBELL_ADDRESS 0x8000 /* where to ring: set before the guest runs */
#define INTERRUPTS       0x8004 /* how many have come */

/* The firmware: the last 64 KiB below 1 MiB, and below 4 GiB. */
#define ROM_SIZE   0x10000
#define ROM_IRQ    0x60
#define ROM_GDTR   0x90
#define ROM_IDTR   0x98
#define ROM_GDT    0xa0
#define ROM_RESET  0xfff0
#define IRQ_VECTOR 0x40

static const uint8_t code[] = {
    /* 16 bits: into protected mode, flat. */
    0xfa,                                     /* cli */
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0x90, 0x00, /* lgdt %cs:ROM_GDTR */
    0x0f, 0x20, 0xc0,                         /* mov %cr0, %eax */
    0x0c, 0x01,                               /* or $1, %al */
    0x0f, 0x22, 0xc0,                         /* mov %eax, %cr0 */
    0x66, 0xea, 0x18, 0x00, 0x0f, 0x00, 8, 0, /* ljmp $8, $0xf0018: the next instruction */
    /* 32 bits: stack, interrupts. */
    0x66, 0xb8, 0x10, 0x00,                               /* mov $16, %ax */
    0x8e, 0xd8,                                           /* mov %ax, %ds */
    0x8e, 0xd0,                                           /* mov %ax, %ss */
    0xbc, 0x00, 0x70, 0x00, 0x00,                         /* mov $0x7000, %esp */
    0x0f, 0x01, 0x1d, 0x98, 0x00, 0x0f, 0x00,             /* lidt ROM_IDTR */
    0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 0x01, 0, 0, /* movl $0x1ff: APIC, spurious: on */
    0xc7, 0x05, 0x50, 0x03, 0xe0, 0xfe, 0, 0, 0x01, 0,    /* movl $0x10000: APIC, LINT0: masked */
    /* Ring, and sleep for ever. */
    0xa1, 0x00, 0x80, 0x00, 0x00,       /* mov DOORBELL_ADDRESS, %eax */
    0xc7, 0x00, 0x01, 0x00, 0x00, 0x00, /* movl $1, (%eax) */
    0xfb,                               /* sti */
    0xf4,                               /* hlt */
    0xeb, 0xfd,                         /* jmp, back to that */
};

/*
 * At ROM_IRQ: counts, and rings again. It does not return, but sleeps here: where the CPU cannot
 * run such old modes KVM emulates them, and has no iret there.
 */
static const uint8_t irq_code[] = {
    0xbc, 0x00, 0x70, 0x00, 0x00,                   /* mov $0x7000, %esp */
    0xff, 0x05, 0x04, 0x80, 0x00, 0x00,             /* incl INTERRUPTS */
    0xc7, 0x05, 0xb0, 0x00, 0xe0, 0xfe, 0, 0, 0, 0, /* movl $0: APIC, end of interrupt */
    0xa1, 0x00, 0x80, 0x00, 0x00,                   /* mov DOORBELL_ADDRESS, %eax */
    0xc7, 0x00, 0x01, 0x00, 0x00, 0x00,             /* movl $1, (%eax) */
    0xfb,                                           /* sti */
    0xf4,                                           /* hlt */
    0xeb, 0xfd,                                     /* jmp, back to that */
};

static const uint8_t gdt[] = {
    0,    0,    0, 0, 0, 0,    0,    0, /* none */
    0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, /* code, */
    0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0, /* data: all 4 GiB */
};

/* Limit and address, for lgdt and lidt. */
static const uint8_t gdt_register[] = {sizeof(gdt) - 1, 0, ROM_GDT, 0, 0x0f, 0};
static const uint8_t idt_register[] = {7, IRQ_VECTOR * 8 / 256, 0, 0, 0x0f, 0};
static const uint8_t irq_entry[] = {ROM_IRQ, 0, 8, 0, 0, 0x8e, 0x0f, 0};
static const uint8_t reset_code[] = {0xea, 0x00, 0x00, 0x00, 0xf0}; /* ljmp $0xf000, $0 */

QEMU_BUILD_BUG_ON(sizeof(code) > ROM_IRQ || ROM_IRQ + sizeof(irq_code) > ROM_GDTR);
QEMU_BUILD_BUG_ON(ROM_GDT + sizeof(gdt) > IRQ_VECTOR * 8);

static void write_rom(const char *path)
{
    g_autofree uint8_t *rom = g_malloc0(ROM_SIZE);

    memcpy(rom, code, sizeof(code));
    memcpy(rom + ROM_IRQ, irq_code, sizeof(irq_code));
    memcpy(rom + ROM_GDTR, gdt_register, sizeof(gdt_register));
    memcpy(rom + ROM_IDTR, idt_register, sizeof(idt_register));
    memcpy(rom + ROM_GDT, gdt, sizeof(gdt));
    memcpy(rom + IRQ_VECTOR * 8, irq_entry, sizeof(irq_entry));
    memcpy(rom + ROM_RESET, reset_code, sizeof(reset_code));
    g_assert_true(g_file_set_contents(path, (const char *)rom, ROM_SIZE, NULL));
}

static bool has_kvm(VgpuGuest *g)
{
    QDict *reply = qtest_qmp(g->qts, "{'execute': 'query-kvm'}");
    bool enabled = qdict_get_bool(qdict_get_qdict(reply, "return"), "enabled");

    qobject_unref(reply);
    return enabled;
}

/* Lets the queue's vector interrupt the guest. */
static void enable_vector(VgpuGuest *g)
{
    const uint64_t entry = 16 * VGPU_VECTOR_QUEUE(QUEUE);
    const struct {
        uint32_t field, value;
    } words[] = {
        {PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee00000}, /* the first CPU */
        {PCI_MSIX_ENTRY_UPPER_ADDR, 0},
        {PCI_MSIX_ENTRY_DATA, IRQ_VECTOR},
        {PCI_MSIX_ENTRY_VECTOR_CTRL, 0},
    };

    qpci_msix_enable(g->device);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        qpci_io_writel(g->device, g->device->msix_table_bar,
                       g->device->msix_table_off + entry + words[i].field, words[i].value);
    }
}

/* Waits until the guest has rung, and takes the signal. */
static void wait_ring(VgpuGuest *g)
{
    struct pollfd state = {.fd = g->mediator->doorbell[QUEUE], .events = POLLIN};
    uint64_t count;

    g_assert_cmpint(poll(&state, 1, VGPU_TEST_PATIENCE_S * 1000), ==, 1);
    g_assert_cmpint(read(state.fd, &count, sizeof(count)), ==, sizeof(count));
    g_assert_cmpuint(count, ==, 1);
}

static unsigned count_traces(const char *path, const char *event)
{
    g_autofree char *text = NULL;
    unsigned count = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (const char *at = text; (at = strstr(at, event)) != NULL; at++) {
        count++;
    }
    return count;
}

static void run_guest(VgpuGuest *g, const char *trace)
{
    const uint64_t one = 1;
    QPCIBar doorbells = qpci_iomap(g->device, 4, NULL);
    uint64_t reset;

    vgpu_mediator_accept(g->mediator, NULL);
    g_assert_cmpint(read(g->mediator->doorbell[QUEUE], &reset, sizeof(reset)), ==, sizeof(reset));
    enable_vector(g);
    qtest_writel(g->qts, DOORBELL_ADDRESS, doorbells.addr + QUEUE * VGPU_DOORBELL_STRIDE);
    qtest_writel(g->qts, INTERRUPTS, 0);
    qtest_qmp_assert_success(g->qts, "{'execute': 'cont'}");

    wait_ring(g);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        g_assert_cmpint(write(g->mediator->completion[QUEUE], &one, sizeof(one)), ==, sizeof(one));
        wait_ring(g);
        g_assert_cmpuint(qtest_readl(g->qts, INTERRUPTS), ==, i);
    }
    g_assert_cmpuint(count_traces(trace, "vgpu_stub_doorbell"), ==, 0);
    g_assert_cmpuint(count_traces(trace, "vgpu_stub_completion"), ==, 0);

    /* So it would have looked: this write is QEMU's own. */
    qpci_io_writel(g->device, doorbells, QUEUE * VGPU_DOORBELL_STRIDE, 1);
    wait_ring(g);
    g_assert_cmpuint(count_traces(trace, "vgpu_stub_doorbell"), ==, 1);
}

static void test_guest(void)
{
    g_autofree char *folder = g_dir_make_tmp("vgpu-kvm-XXXXXX", NULL);
    g_autofree char *rom = g_build_filename(folder, "rom", NULL);
    g_autofree char *trace = g_build_filename(folder, "trace", NULL);
    g_autofree char *options =
        g_strdup_printf(",queues=3,shm-size=1M -accel kvm -S -bios %s -D %s "
                        "-trace vgpu_stub_doorbell -trace vgpu_stub_completion",
                        rom, trace);

    write_rom(rom);
    VgpuGuest *g = vgpu_guest_new_linked_with(options);
    if (has_kvm(g)) {
        run_guest(g, trace);
    } else {
        g_test_skip("no KVM here");
    }
    vgpu_guest_free(g);
    unlink(rom);
    unlink(trace);
    rmdir(folder);
}

void vgpu_add_kvm_tests(void)
{
    qtest_add_func("/vgpu-stub/kvm/guest", test_guest);
}
