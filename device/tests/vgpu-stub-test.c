/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QTest of vgpu-stub: what a guest sees without a mediator, and interrupts. */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"

#include "vgpu-guest.h"
#include "vgpu-stub-test.h"

static void test_identity(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    g_assert_cmphex(qpci_config_readw(g->device, PCI_VENDOR_ID), ==, 0x1af4);
    g_assert_cmphex(qpci_config_readw(g->device, PCI_DEVICE_ID), ==, 0x1111);
    g_assert_cmphex(qpci_config_readl(g->device, PCI_CLASS_REVISION), ==, 0x12000002);
    g_assert_cmphex(qpci_config_readb(g->device, PCI_INTERRUPT_PIN), ==, 1);
    g_assert_cmpuint(g->bar_size, ==, 4096);
    g_assert_cmpuint(qpci_find_capability(g->device, PCI_CAP_ID_MSI, 0), !=, 0);
    vgpu_guest_free(g);
}

static void test_registers(void)
{
    VgpuGuest *g = vgpu_guest_new(",pool=Q,priority=high,vm-id=4000000000,queues=0");
    const uint32_t defaults[16] = {
        [VGPU_REG_POOL_ID / 4] = 'Q',       [VGPU_REG_PRIORITY / 4] = 2,
        [VGPU_REG_VM_ID / 4] = 4000000000u, [VGPU_REG_PROTOCOL_VER / 4] = 0x00010000,
        [VGPU_REG_CAPABILITIES / 4] = 3,
    };

    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(vgpu_guest_read(g, 4 * i), ==, defaults[i]);
    }
    for (unsigned i = 0; i < 16; i++) {
        /* Not 1: that would ring the doorbell. */
        vgpu_guest_write(g, 4 * i, 0xfffffffe);
    }
    for (unsigned i = 0; i < 16; i++) {
        bool writable = 4 * i == VGPU_REG_REQUEST_LEN || 4 * i == VGPU_REG_REQUEST_ID ||
                        4 * i == VGPU_REG_SCRATCH;
        g_assert_cmphex(vgpu_guest_read(g, 4 * i), ==, writable ? 0xfffffffe : defaults[i]);
    }
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 0xffffffff);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_INTERRUPT_CTRL), ==, 1);

    for (uint32_t offset = VGPU_REG_RESERVED; offset < VGPU_BAR0_SIZE; offset += 4) {
        vgpu_guest_write(g, offset, 0xffffffff);
        g_assert_cmphex(vgpu_guest_read(g, offset), ==, 0);
    }
    vgpu_guest_free(g);
}

static void test_defaults(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_POOL_ID), ==, 'A');
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_PRIORITY), ==, 1);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_VM_ID), ==, 0);
    vgpu_guest_free(g);
}

static void test_register_sizes(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    vgpu_guest_write(g, VGPU_REG_SCRATCH, 0x44332211);
    vgpu_guest_write(g, VGPU_REG_REQUEST_ID, 0x88776655);

    /* A part of a word can be read, not written. */
    for (unsigned i = 0; i < 4; i++) {
        qpci_io_writeb(g->device, g->bar, VGPU_REG_SCRATCH + i, 0xee);
        g_assert_cmphex(qpci_io_readb(g->device, g->bar, VGPU_REG_SCRATCH + i), ==, 0x11 * (i + 1));
    }
    for (unsigned i = 0; i < 4; i += 2) {
        qpci_io_writew(g->device, g->bar, VGPU_REG_SCRATCH + i, 0xeeee);
    }
    g_assert_cmphex(qpci_io_readw(g->device, g->bar, VGPU_REG_SCRATCH), ==, 0x2211);
    g_assert_cmphex(qpci_io_readw(g->device, g->bar, VGPU_REG_SCRATCH + 2), ==, 0x4433);
    qpci_io_writeb(g->device, g->bar, VGPU_REG_DOORBELL, 1);
    qpci_io_writew(g->device, g->bar, VGPU_REG_DOORBELL, 1);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_IDLE);

    /* Eight bytes are two words, in ascending order. */
    g_assert_cmphex(qpci_io_readq(g->device, g->bar, VGPU_REG_TIMESTAMP_HI), ==,
                    0x4433221100000000ull);
    qpci_io_writeq(g->device, g->bar, VGPU_REG_REQUEST_LEN, 0xaaaaaaaa00000405ull);
    g_assert_cmphex(qpci_io_readq(g->device, g->bar, VGPU_REG_REQUEST_LEN), ==, 0x405);
    qpci_io_writeq(g->device, g->bar, VGPU_REG_DOORBELL, 0xffffffff00000001ull);
    vgpu_guest_expect_error(g, VGPU_ERROR_REQUEST_TOO_LARGE);
    vgpu_guest_free(g);
}

static void write_sized(VgpuGuest *g, uint64_t offset, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        qpci_io_writeb(g->device, g->bar, offset, value);
        break;
    case 2:
        qpci_io_writew(g->device, g->bar, offset, value);
        break;
    case 4:
        qpci_io_writel(g->device, g->bar, offset, value);
        break;
    default:
        qpci_io_writeq(g->device, g->bar, offset, value);
        break;
    }
}

static uint64_t read_sized(VgpuGuest *g, uint64_t offset, unsigned size)
{
    switch (size) {
    case 1:
        return qpci_io_readb(g->device, g->bar, offset);
    case 2:
        return qpci_io_readw(g->device, g->bar, offset);
    case 4:
        return qpci_io_readl(g->device, g->bar, offset);
    default:
        return qpci_io_readq(g->device, g->bar, offset);
    }
}

/* A value of @size bytes whose bytes tell their offset. */
static uint64_t pattern(uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)(uint8_t)((offset + i) * 7 + 3) << (8 * i);
    }
    return value;
}

static void test_buffers(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    for (unsigned write = 1; write <= 8; write *= 2) {
        for (uint64_t o = VGPU_REQUEST_BUFFER; o < VGPU_RESPONSE_BUFFER; o += 8) {
            write_sized(g, o, 8, 0);
        }
        for (uint64_t o = VGPU_REQUEST_BUFFER; o < VGPU_RESPONSE_BUFFER; o += write) {
            write_sized(g, o, write, pattern(o, write));
        }
        for (unsigned read = 1; read <= 8; read *= 2) {
            for (uint64_t o = VGPU_REQUEST_BUFFER; o < VGPU_RESPONSE_BUFFER; o += read) {
                g_assert_cmphex(read_sized(g, o, read), ==, pattern(o, read));
            }
        }
        for (uint64_t o = VGPU_RESPONSE_BUFFER; o < VGPU_REG_RESERVED; o += write) {
            write_sized(g, o, write, UINT64_MAX);
            g_assert_cmphex(read_sized(g, o, write), ==, 0);
        }
    }
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_SCRATCH), ==, 0);
    vgpu_guest_free(g);
}

static void test_no_chardev(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    for (uint64_t value = 0; value < 16; value++) {
        vgpu_guest_write(g, VGPU_REG_DOORBELL, value == 1 ? 0x10001 : value);
        g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_IDLE);
    }
    qtest_clock_step(g->qts, 5000000000ll * 1000);
    vgpu_guest_submit(g, 0, 0);
    vgpu_guest_expect_error(g, VGPU_ERROR_INVALID_LENGTH);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_DOORBELL), ==, 0);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_TIMESTAMP_LO), ==, 5000000000ull % (1ull << 32));
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_TIMESTAMP_HI), ==, 1);
    vgpu_guest_submit(g, 0, VGPU_BUFFER_SIZE + 1);
    vgpu_guest_expect_error(g, VGPU_ERROR_REQUEST_TOO_LARGE);
    vgpu_guest_submit(g, 0, UINT32_MAX);
    vgpu_guest_expect_error(g, VGPU_ERROR_REQUEST_TOO_LARGE);
    vgpu_guest_submit(g, 0, VGPU_BUFFER_SIZE);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);
    vgpu_guest_submit(g, 0, 1);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);
    vgpu_guest_free(g);
}

static bool intx_is_high(VgpuGuest *g)
{
    return qpci_config_readw(g->device, PCI_STATUS) & PCI_STATUS_INTERRUPT;
}

static void test_intx(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    /* Not enabled: pending, and silent. */
    vgpu_guest_submit(g, 0, 0);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_INTERRUPT_STATUS), ==, 1);
    g_assert_false(intx_is_high(g));

    /* Enabled while pending; cleared only by a 1. */
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 1);
    g_assert_true(intx_is_high(g));
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_STATUS, 0xfffffffe);
    g_assert_true(intx_is_high(g));
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_STATUS, 1);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_INTERRUPT_STATUS), ==, 0);
    g_assert_false(intx_is_high(g));

    /* The next completion; disabled while pending. */
    vgpu_guest_submit(g, 0, 0);
    g_assert_true(intx_is_high(g));
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 0);
    g_assert_false(intx_is_high(g));
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_INTERRUPT_STATUS), ==, 1);
    vgpu_guest_free(g);
}

/* An MSI is a write to memory: the test points it at RAM. */
#define MSI_ADDRESS 0x200000
#define MSI_DATA    0x4321

static bool take_msi(VgpuGuest *g)
{
    uint32_t data = qtest_readl(g->qts, MSI_ADDRESS);

    qtest_writel(g->qts, MSI_ADDRESS, 0);
    g_assert_true(data == 0 || data == MSI_DATA);
    return data != 0;
}

static void test_msi(void)
{
    VgpuGuest *g = vgpu_guest_new("");
    uint8_t msi = qpci_find_capability(g->device, PCI_CAP_ID_MSI, 0);
    uint16_t flags = qpci_config_readw(g->device, msi + PCI_MSI_FLAGS);

    g_assert_cmphex(flags & PCI_MSI_FLAGS_QMASK, ==, 0); /* one vector */
    qpci_config_writel(g->device, msi + PCI_MSI_ADDRESS_LO, MSI_ADDRESS);
    qpci_config_writel(g->device, msi + PCI_MSI_ADDRESS_HI, 0);
    qpci_config_writew(g->device, msi + PCI_MSI_DATA_64, MSI_DATA);
    qpci_config_writew(g->device, msi + PCI_MSI_FLAGS, flags | PCI_MSI_FLAGS_ENABLE);

    vgpu_guest_submit(g, 0, 0);
    g_assert_false(take_msi(g));
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 1);
    g_assert_true(take_msi(g));
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 1);
    g_assert_false(take_msi(g));

    /* One for each completion, whether the guest has cleared the last one or not. */
    for (unsigned i = 0; i < 3; i++) {
        vgpu_guest_submit(g, 0, 0);
        g_assert_true(take_msi(g));
        g_assert_false(intx_is_high(g));
    }

    /* The guest goes back to INTx: the completion is still pending. */
    qpci_config_writew(g->device, msi + PCI_MSI_FLAGS, flags);
    g_assert_true(intx_is_high(g));
    qpci_config_writew(g->device, msi + PCI_MSI_FLAGS, flags | PCI_MSI_FLAGS_ENABLE);
    g_assert_false(intx_is_high(g));
    vgpu_guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/vgpu-stub/identity", test_identity);
    qtest_add_func("/vgpu-stub/registers", test_registers);
    qtest_add_func("/vgpu-stub/defaults", test_defaults);
    qtest_add_func("/vgpu-stub/register-sizes", test_register_sizes);
    qtest_add_func("/vgpu-stub/buffers", test_buffers);
    qtest_add_func("/vgpu-stub/no-chardev", test_no_chardev);
    qtest_add_func("/vgpu-stub/intx", test_intx);
    qtest_add_func("/vgpu-stub/msi", test_msi);
    vgpu_add_link_tests();
    vgpu_add_host_tests();
    vgpu_add_queue_tests();
    vgpu_add_kvm_tests();
    vgpu_add_hostile_tests();
    return g_test_run();
}
