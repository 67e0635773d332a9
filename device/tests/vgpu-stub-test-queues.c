/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QTest of vgpu-stub: protocol 2, as far as the device has a part in it. */
#include "qemu/osdep.h"
/* 10.0 moved it. */
#if __has_include("qobject/qdict.h")
#include "qobject/qdict.h"
#else
#include "qapi/qmp/qdict.h"
#endif
#include "standard-headers/linux/pci_regs.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "hw/vgpu/vgpu-bytes.h"
#include "vgpu-guest.h"
#include "vgpu-stub-test.h"

#define SMALL ",queues=3,shm-size=1M"
#define SLOT  0x55000 /* bytes of each of its slots: a third, in whole pages */

/* Where the tests let vectors write to: ordinary memory, a word for each. */
#define VECTOR_ADDRESS(i) (0x200000 + 4 * (i))
#define VECTOR_DATA(i)    (0x1000 + (i))

static uint32_t read_bar(VgpuGuest *g, unsigned bar)
{
    return qpci_config_readl(g->device, PCI_BASE_ADDRESS_0 + 4 * bar);
}

/* Reads a descriptor that does not block; 0 when nothing has been signalled. */
static uint64_t take_signals(int fd)
{
    uint64_t count = 0;
    ssize_t length = read(fd, &count, sizeof(count));

    g_assert_true(length == sizeof(count) || (length < 0 && errno == EAGAIN));
    return count;
}

static void signal_completion(VgpuGuest *g, unsigned queue)
{
    const uint64_t one = 1;

    g_assert_cmpint(write(g->mediator->completion[queue], &one, sizeof(one)), ==, sizeof(one));
}

static void *map_memory(VgpuGuest *g)
{
    void *memory = mmap(NULL, g->mediator->hello.shm_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                        g->mediator->memory, 0);

    g_assert_true(memory != MAP_FAILED);
    return memory;
}

static void test_default(void)
{
    VgpuGuest *g = vgpu_guest_new("");
    uint64_t size;

    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_CAPABILITIES), ==, 0x13);
    g_assert_cmphex(vgpu_guest_read(g, 0x840), ==, 0x00020000);
    g_assert_cmphex(vgpu_guest_read(g, 0x844), ==, 8);
    g_assert_cmphex(vgpu_guest_read(g, 0x848), ==, 64 << 20);
    g_assert_cmphex(vgpu_guest_read(g, 0x84c), ==, 0);
    g_assert_cmphex(vgpu_guest_read(g, 0x850), ==, 0);
    for (uint32_t offset = VGPU_REG_RESERVED; offset < VGPU_BAR0_SIZE; offset += 4) {
        uint32_t value = vgpu_guest_read(g, offset);

        g_assert_true(value == 0 || offset < 0x850);
        vgpu_guest_write(g, offset, 0xffffffff);
        g_assert_cmphex(vgpu_guest_read(g, offset), ==, value);
    }

    /* 64 bits, prefetchable; 32 bits; nine vectors; MSI has stayed. */
    qpci_iomap(g->device, 2, &size);
    g_assert_cmpuint(size, ==, 64 << 20);
    g_assert_cmphex(read_bar(g, 2) & 0xf, ==, 0xc);
    qpci_iomap(g->device, 4, &size);
    g_assert_cmpuint(size, ==, 8 * 4096);
    g_assert_cmphex(read_bar(g, 4) & 0xf, ==, 0);
    qpci_msix_enable(g->device);
    g_assert_cmpuint(qpci_msix_table_size(g->device), ==, 9);
    g_assert_cmpuint(qpci_find_capability(g->device, PCI_CAP_ID_MSI, 0), !=, 0);
    vgpu_guest_free(g);
}

static void test_largest(void)
{
    VgpuGuest *g = vgpu_guest_new(",queues=64,shm-size=16G");
    uint64_t size;

    g_assert_cmphex(vgpu_guest_read(g, 0x844), ==, 64);
    g_assert_cmphex(vgpu_guest_read(g, 0x848), ==, 0);
    g_assert_cmphex(vgpu_guest_read(g, 0x84c), ==, 4);
    qpci_iomap(g->device, 4, &size);
    g_assert_cmpuint(size, ==, 64 * 4096);
    qpci_msix_enable(g->device);
    g_assert_cmpuint(qpci_msix_table_size(g->device), ==, 65);
    vgpu_guest_free(g);
}

/* Without queues the device is what it was before there were any. */
static void test_none(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(",queues=0");
    struct vgpu_link_hello hello;

    g->mediator->has_queues = false;
    vgpu_mediator_accept(g->mediator, &hello);
    g_assert_cmphex(hello.capabilities, ==, 0x3);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_CAPABILITIES), ==, 0x3);
    for (unsigned bar = 1; bar < 6; bar++) {
        qpci_config_writel(g->device, PCI_BASE_ADDRESS_0 + 4 * bar, 0xffffffff);
        g_assert_cmphex(read_bar(g, bar), ==, 0);
    }
    g_assert_cmpuint(qpci_find_capability(g->device, PCI_CAP_ID_MSIX, 0), ==, 0);
    for (uint32_t offset = VGPU_REG_RESERVED; offset < VGPU_BAR0_SIZE; offset += 4) {
        g_assert_cmphex(vgpu_guest_read(g, offset), ==, 0);
    }

    /* No worker of such a device has queues to be ready for. */
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 1);
    vgpu_worker_ready(g->mediator);
    vgpu_worker_expect_close(g->mediator);
    vgpu_guest_free(g);
}

static void test_handshake(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);
    struct vgpu_link_hello hello;
    struct stat status;

    vgpu_mediator_accept(g->mediator, &hello);
    g_assert_cmphex(hello.capabilities, ==, 0x13);
    g_assert_cmpuint(hello.queues, ==, 3);
    g_assert_cmpuint(hello.shm_size, ==, 1 << 20);
    g_assert_cmphex(hello.protocol_hash, !=, 0);
    g_assert_cmpint(fstat(g->mediator->memory, &status), ==, 0);
    g_assert_cmpint(status.st_size, ==, 1 << 20);
    g_assert_cmphex(fcntl(g->mediator->memory, F_GET_SEALS) & 0x1f, ==, VGPU_LINK_SEALS);
    g_assert_cmpint(ftruncate(g->mediator->memory, 0), <, 0);
    vgpu_guest_free(g);
}

/* BAR2 and the descriptor are the same memory, to the last byte, and stay so. */
static void test_memory(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);
    QPCIBar bar = qpci_iomap(g->device, 2, NULL);
    const uint64_t end = (1 << 20) - 8;
    uint8_t *memory;

    vgpu_mediator_accept(g->mediator, NULL);
    memory = map_memory(g);
    qpci_io_writeq(g->device, bar, 0, 0x1122334455667788);
    qpci_io_writeq(g->device, bar, end, 0x99aabbccddeeff00);
    g_assert_cmphex(vgpu_get64(memory), ==, 0x1122334455667788);
    g_assert_cmphex(vgpu_get64(memory + end), ==, 0x99aabbccddeeff00);
    vgpu_put64(memory + 4096, 42);
    g_assert_cmphex(qpci_io_readq(g->device, bar, 4096), ==, 42);
    munmap(memory, 1 << 20);

    /* A mediator that comes back gets the same, not a new one. */
    vgpu_mediator_hang_up(g->mediator);
    vgpu_mediator_accept(g->mediator, NULL);
    memory = map_memory(g);
    g_assert_cmphex(vgpu_get64(memory + 4096), ==, 42);
    munmap(memory, 1 << 20);
    vgpu_guest_free(g);
}

static void test_doorbells(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);
    QPCIBar bar = qpci_iomap(g->device, 4, NULL);
    const int *doorbell = g->mediator->doorbell;

    vgpu_mediator_accept(g->mediator, NULL);
    for (unsigned i = 0; i < 3; i++) {
        take_signals(doorbell[i]); /* the reset at the VM's start */
    }
    for (unsigned i = 0; i < 3; i++) {
        /* Whatever is written, each time. */
        qpci_io_writel(g->device, bar, i * 4096, 0);
        qpci_io_writel(g->device, bar, i * 4096, 0xffffffff);
        for (unsigned j = 0; j < 3; j++) {
            g_assert_cmpuint(take_signals(doorbell[j]), ==, i == j ? 2 : 0);
        }
        g_assert_cmphex(qpci_io_readl(g->device, bar, i * 4096), ==, 0);
    }

    /* Anything else does nothing: the fourth page belongs to no queue. */
    qpci_io_writeb(g->device, bar, 0, 1);
    qpci_io_writew(g->device, bar, 0, 1);
    qpci_io_writel(g->device, bar, 4, 1);
    qpci_io_writel(g->device, bar, 4092, 1);
    qpci_io_writel(g->device, bar, 3 * 4096, 1);
    qpci_io_writel(g->device, bar, 4 * 4096 - 4, 1);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(take_signals(doorbell[i]), ==, 0);
    }

    /* The same after a reconnection, while nobody listened, too. */
    vgpu_mediator_hang_up(g->mediator);
    qpci_io_writel(g->device, bar, 4096, 1);
    vgpu_mediator_accept(g->mediator, NULL);
    g_assert_cmpuint(take_signals(doorbell[1]), ==, 1);
    vgpu_guest_free(g);
}

static void write_vector(VgpuGuest *g, unsigned vector, uint32_t field, uint32_t value)
{
    qpci_io_writel(g->device, g->device->msix_table_bar,
                   g->device->msix_table_off + 16 * vector + field, value);
}

static void mask_vector(VgpuGuest *g, unsigned vector, bool masked)
{
    write_vector(g, vector, PCI_MSIX_ENTRY_VECTOR_CTRL, masked);
}

static void enable_vectors(VgpuGuest *g, unsigned count)
{
    qpci_msix_enable(g->device);
    g_assert_cmpuint(qpci_msix_table_size(g->device), ==, count);
    for (unsigned i = 0; i < count; i++) {
        qtest_writel(g->qts, VECTOR_ADDRESS(i), 0);
        write_vector(g, i, PCI_MSIX_ENTRY_LOWER_ADDR, VECTOR_ADDRESS(i));
        write_vector(g, i, PCI_MSIX_ENTRY_UPPER_ADDR, 0);
        write_vector(g, i, PCI_MSIX_ENTRY_DATA, VECTOR_DATA(i));
        mask_vector(g, i, false);
    }
}

/* Takes the message of a vector, if it was sent. */
static bool take_vector(VgpuGuest *g, unsigned vector)
{
    uint32_t data = qtest_readl(g->qts, VECTOR_ADDRESS(vector));

    g_assert_true(data == 0 || data == VECTOR_DATA(vector));
    qtest_writel(g->qts, VECTOR_ADDRESS(vector), 0);
    return data != 0;
}

static void wait_vector(VgpuGuest *g, unsigned vector)
{
    int64_t end = g_get_monotonic_time() + VGPU_TEST_PATIENCE_S * G_USEC_PER_SEC;

    while (!take_vector(g, vector)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

static void expect_no_vector(VgpuGuest *g)
{
    for (unsigned i = 0; i < 4; i++) {
        g_assert_false(take_vector(g, i));
    }
}

/* Waits until QEMU has taken the signal out of the eventfd. */
static void wait_taken(VgpuGuest *g, unsigned queue)
{
    int64_t end = g_get_monotonic_time() + VGPU_TEST_PATIENCE_S * G_USEC_PER_SEC;
    struct pollfd state = {.fd = g->mediator->completion[queue], .events = POLLIN};

    while (poll(&state, 1, 0) > 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    /* And acted on it: its main loop answers this only afterwards. */
    vgpu_guest_read(g, VGPU_REG_STATUS);
}

static void test_completions(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);

    vgpu_mediator_accept(g->mediator, NULL);

    /* Before the guest has enabled MSI-X: nothing, and nothing later. */
    signal_completion(g, 1);
    wait_taken(g, 1);
    enable_vectors(g, 4);
    expect_no_vector(g);

    for (unsigned i = 0; i < 3; i++) {
        signal_completion(g, i);
        wait_vector(g, 1 + i);
        expect_no_vector(g);
    }

    /* Masked: pending, once, until it is unmasked. */
    mask_vector(g, 2, true);
    signal_completion(g, 1);
    wait_taken(g, 1);
    signal_completion(g, 1);
    wait_taken(g, 1);
    expect_no_vector(g);
    g_assert_true(qpci_msix_pending(g->device, 2));
    signal_completion(g, 0);
    wait_vector(g, 1);
    mask_vector(g, 2, false);
    wait_vector(g, 2);
    g_assert_false(qpci_msix_pending(g->device, 2));
    expect_no_vector(g);

    /* Disabled as a whole, and enabled again. */
    qpci_msix_disable(g->device);
    signal_completion(g, 2);
    wait_taken(g, 2);
    enable_vectors(g, 4);
    expect_no_vector(g);
    signal_completion(g, 2);
    wait_vector(g, 3);
    vgpu_guest_free(g);
}

static bool has_kvm(VgpuGuest *g)
{
    QDict *reply = qtest_qmp(g->qts, "{'execute': 'query-kvm'}");
    bool enabled = qdict_get_bool(qdict_get_qdict(reply, "return"), "enabled");

    qobject_unref(reply);
    return enabled;
}

/*
 * With KVM, an enabled vector is KVM's: it takes the signal, and the address does not mean memory
 * to it, so that nothing is written there. The VM does not run.
 */
static void test_kvm(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL " -accel kvm -S");

    vgpu_mediator_accept(g->mediator, NULL);
    if (!has_kvm(g)) {
        g_test_skip("no KVM here");
        vgpu_guest_free(g);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        enable_vectors(g, 4);
        signal_completion(g, 1);
        wait_taken(g, 1);
        expect_no_vector(g);

        mask_vector(g, 2, true);
        signal_completion(g, 1);
        wait_taken(g, 1);
        g_assert_true(qpci_msix_pending(g->device, 2));
        mask_vector(g, 2, false);
        wait_vector(g, 2); /* this one QEMU sends itself */
        signal_completion(g, 1);
        wait_taken(g, 1);
        expect_no_vector(g);

        if (i == 1) {
            vgpu_guest_reset(g);
        } else {
            qpci_msix_disable(g->device);
        }
        signal_completion(g, 1);
        wait_taken(g, 1);
        expect_no_vector(g);
    }

    vgpu_guest_free(g);
}

/* Protocol 1.0's completion uses vector 0, and the pin is silent meanwhile. */
static void test_device_vector(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);

    vgpu_mediator_accept(g->mediator, NULL);
    enable_vectors(g, 4);
    vgpu_guest_submit(g, 0, 0);
    expect_no_vector(g);
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 1);
    wait_vector(g, 0);
    vgpu_guest_submit(g, 0, 0);
    wait_vector(g, 0);
    g_assert_false(qpci_config_readw(g->device, PCI_STATUS) & PCI_STATUS_INTERRUPT);
    qpci_msix_disable(g->device);
    g_assert_true(qpci_config_readw(g->device, PCI_STATUS) & PCI_STATUS_INTERRUPT);
    vgpu_guest_free(g);
}

static void test_generation(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);

    vgpu_mediator_accept(g->mediator, NULL);
    enable_vectors(g, 4);
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 1);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_QUEUE_GENERATION), ==, 0); /* not ready yet */
    expect_no_vector(g);
    vgpu_worker_ready(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 1);
    wait_vector(g, 0);

    vgpu_worker_die(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 0);
    wait_vector(g, 0);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_worker_ready(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 2);
    wait_vector(g, 0);
    vgpu_guest_round_trip(g, 2);

    /* Replaced at once: the guest may miss the 0 between, not the change. */
    vgpu_mediator_send_channel(g->mediator);
    vgpu_worker_ready(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 3);
    wait_vector(g, 0);

    /* It says so once. */
    vgpu_worker_ready(g->mediator);
    vgpu_worker_expect_close(g->mediator);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_QUEUE_GENERATION), ==, 0);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_worker_ready(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 4);

    /* The mediator goes, and its worker with it. */
    vgpu_mediator_hang_up(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 0);
    vgpu_mediator_accept(g->mediator, NULL);
    vgpu_guest_serve(g, 2, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_worker_ready(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 5);
    vgpu_guest_free(g);
}

/* A reset ends each session, tells the worker, and leaves everything else in the memory. */
static void test_reset(void)
{
    VgpuGuest *g = vgpu_guest_new_linked_with(SMALL);
    uint8_t *memory;

    vgpu_mediator_accept(g->mediator, NULL);
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_worker_ready(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_QUEUE_GENERATION, 1);
    enable_vectors(g, 4);
    memory = map_memory(g);
    memset(memory, 0x5a, 1 << 20);
    for (unsigned i = 0; i < 3; i++) {
        take_signals(g->mediator->doorbell[i]);
    }

    vgpu_guest_reset(g);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(take_signals(g->mediator->doorbell[i]), >=, 1);
        g_assert_cmphex(vgpu_get32(memory + i * SLOT + 0xc0), ==, 0);
        vgpu_put32(memory + i * SLOT + 0xc0, 0x5a5a5a5a);
    }
    for (uint32_t offset = 0; offset < 1 << 20; offset++) {
        g_assert_cmphex(memory[offset], ==, 0x5a);
    }
    munmap(memory, 1 << 20);

    /* The worker is the same one; vectors are as at the start. */
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_QUEUE_GENERATION), ==, 1);
    signal_completion(g, 0);
    wait_taken(g, 0);
    enable_vectors(g, 4);
    expect_no_vector(g);
    signal_completion(g, 0);
    wait_vector(g, 1);
    vgpu_guest_free(g);
}

static void test_properties(void)
{
    static const struct {
        uint32_t queues;
        uint64_t size;
        const char *error; /* NULL: fine */
    } cases[] = {
        {65, 64 << 20, "'vgpu-stub.queues' is a number from 0 to 64, not 65"},
        {UINT32_MAX, 64 << 20, "'vgpu-stub.queues' is a number from 0 to 64, not 4294967295"},
        {8, 0, "'vgpu-stub.shm-size' is a power of two, at most 16 GiB, not 0 bytes"},
        {8, 3 << 20, "'vgpu-stub.shm-size' is a power of two"},
        {8, 32ull << 30, "'vgpu-stub.shm-size' is a power of two, at most 16 GiB"},
        {0, 3 << 20, "'vgpu-stub.shm-size' is a power of two"},
        {8, 256 << 10, "'vgpu-stub.shm-size' of 262144 bytes is too small: each of 8 queues needs"},
        {3, 128 << 10, "'vgpu-stub.shm-size' of 131072 bytes is too small"},
        {0, 4096, NULL},
        {1, 64 << 10, NULL},
    };
    VgpuGuest *g = vgpu_guest_new("");

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        char *id = g_strdup_printf("d%u", i);
        QDict *reply = qtest_qmp(g->qts,
                                 "{'execute': 'device_add', 'arguments': {'driver': 'vgpu-stub', "
                                 "'id': %s, 'queues': %u, 'shm-size': %" PRIu64 "}}",
                                 id, cases[i].queues, cases[i].size);

        vgpu_guest_expect_reply(reply, cases[i].error);
        g_free(id);
    }
    vgpu_guest_free(g);
}

void vgpu_add_queue_tests(void)
{
    qtest_add_func("/vgpu-stub/queues/default", test_default);
    qtest_add_func("/vgpu-stub/queues/largest", test_largest);
    qtest_add_func("/vgpu-stub/queues/none", test_none);
    qtest_add_func("/vgpu-stub/queues/handshake", test_handshake);
    qtest_add_func("/vgpu-stub/queues/memory", test_memory);
    qtest_add_func("/vgpu-stub/queues/doorbells", test_doorbells);
    qtest_add_func("/vgpu-stub/queues/completions", test_completions);
    qtest_add_func("/vgpu-stub/queues/kvm", test_kvm);
    qtest_add_func("/vgpu-stub/queues/device-vector", test_device_vector);
    qtest_add_func("/vgpu-stub/queues/generation", test_generation);
    qtest_add_func("/vgpu-stub/queues/reset", test_reset);
    qtest_add_func("/vgpu-stub/queues/properties", test_properties);
}
