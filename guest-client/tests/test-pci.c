/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's copies, requests and waiting, against a fake device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake/fake-device.h"
#include "vgpu-bytes.h"

static struct fake_device fake;
static VgpuPci pci;

static int setup(void **state)
{
    (void)state;
    fake_device_start(&fake, &pci);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_device_stop(&fake);
    return 0;
}

static double clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void test_copies(void **state)
{
    (void)state;
    uint8_t sent[64], got[64];

    for (uint8_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 3 + 1);
    for (unsigned int access = 1; access <= 8; access *= 2) {
        memset(fake.bar + VGPU_REQUEST_BUFFER, 0, VGPU_BUFFER_SIZE);
        assert_int_equal(vgpu_pci_write(&pci, VGPU_REQUEST_BUFFER + 8, sent, 64, access), 0);
        assert_memory_equal(fake.bar + VGPU_REQUEST_BUFFER + 8, sent, 64);
        assert_int_equal(fake.bar[VGPU_REQUEST_BUFFER + 7], 0);
        assert_int_equal(fake.bar[VGPU_REQUEST_BUFFER + 72], 0);
        memset(got, 0, sizeof(got));
        assert_int_equal(vgpu_pci_read(&pci, VGPU_REQUEST_BUFFER + 8, got, 64, access), 0);
        assert_memory_equal(got, sent, 64);
    }
}

static void test_copy_bounds(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset;
        size_t length;
        unsigned int access;
    } bad[] = {
        {0x40, 4, 0},       {0x40, 3, 3}, {0x40, 16, 16}, {0x42, 4, 4},
        {0x40, 6, 4},       {0x44, 8, 8}, {0x41, 2, 2},   {VGPU_BAR0_SIZE, 1, 1},
        {0xffffffff, 1, 1}, {0, 4097, 1}, {4092, 8, 4},   {0, SIZE_MAX, 1},
    };
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(vgpu_pci_read(&pci, bad[i].offset, bytes, bad[i].length, bad[i].access),
                         -EINVAL);
        assert_int_equal(vgpu_pci_write(&pci, bad[i].offset, bytes, bad[i].length, bad[i].access),
                         -EINVAL);
    }
    assert_int_equal(vgpu_pci_read(&pci, VGPU_BAR0_SIZE - 8, bytes, 8, 8), 0);
    assert_int_equal(vgpu_pci_read(&pci, VGPU_BAR0_SIZE, bytes, 0, 1), 0);
}

static void test_registers_are_little_endian(void **state)
{
    (void)state;
    vgpu_pci_write32(&pci, VGPU_REG_SCRATCH, 0x12345678);
    assert_int_equal(fake.bar[VGPU_REG_SCRATCH], 0x78);
    assert_int_equal(fake.bar[VGPU_REG_SCRATCH + 3], 0x12);
    assert_int_equal(vgpu_pci_read32(&pci, VGPU_REG_SCRATCH), 0x12345678);
    fake_device_poke(&fake, VGPU_REG_TIMESTAMP_LO, 0x89abcdef);
    fake_device_poke(&fake, VGPU_REG_TIMESTAMP_HI, 0x01234567);
    assert_true(vgpu_pci_timestamp(&pci) == 0x0123456789abcdef);
}

static void test_submit(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5};
    uint8_t too_long[VGPU_BUFFER_SIZE + 1] = {0};

    memset(fake.bar + VGPU_REQUEST_BUFFER, 0xee, 12);
    assert_int_equal(vgpu_pci_submit(&pci, bytes, sizeof(bytes)), 0);
    assert_memory_equal(fake.bar + VGPU_REQUEST_BUFFER, "\1\2\3\4\5\0\0\0\xee", 9);
    assert_int_equal(fake_device_peek(&fake, VGPU_REG_REQUEST_LEN), 5);
    assert_int_equal(fake_device_peek(&fake, VGPU_REG_DOORBELL), 1);
    uint32_t id = fake_device_peek(&fake, VGPU_REG_REQUEST_ID);
    assert_int_equal(vgpu_pci_submit(&pci, bytes, sizeof(bytes)), 0);
    assert_int_equal(fake_device_peek(&fake, VGPU_REG_REQUEST_ID), id + 1);
    assert_int_equal(vgpu_pci_submit(&pci, too_long, sizeof(too_long)), -EMSGSIZE);
    assert_int_equal(vgpu_pci_ring(&pci, 0xffffffff), 0);
    assert_int_equal(fake_device_peek(&fake, VGPU_REG_REQUEST_LEN), 0xffffffff);
}

static void test_calls(void **state)
{
    (void)state;
    VgpuPciDeviceInfo info;
    uint32_t sum;

    fake_device_arm(&fake);
    assert_int_equal(vgpu_pci_nop(&pci), 0);
    fake_device_arm(&fake);
    assert_int_equal(vgpu_pci_vector_add(&pci, 0xffffffff, 3, &sum), 0);
    assert_int_equal(sum, 2);
    fake_device_arm(&fake);
    assert_int_equal(vgpu_pci_device_info(&pci, &info), 0);
    assert_string_equal(info.name, FAKE_DEVICE_NAME);
    assert_int_equal(info.compute_units, 4);
    assert_int_equal(info.clock_mhz, 1500);
    assert_int_equal(info.memory_mib, 2048);
    assert_int_equal(info.backend, VGPU_BACKEND_OPENCL);
}

static void test_device_errors(void **state)
{
    (void)state;
    const struct vgpu_request unknown = {.opcode = 99};
    VgpuPciResponse response;

    fake_device_arm_with(&fake, VGPU_STATUS_ERROR, VGPU_ERROR_UNAVAILABLE);
    assert_int_equal(vgpu_pci_nop(&pci), VGPU_ERROR_UNAVAILABLE);
    assert_string_equal(pci.error, "error 0x03 mediator-unavailable");
    fake_device_arm(&fake);
    assert_int_equal(vgpu_pci_call(&pci, &unknown, &response), VGPU_ERROR_UNSUPPORTED);
    /* A code of a later version is passed on; no code at all is the device's mistake. */
    fake_device_arm_with(&fake, VGPU_STATUS_ERROR, 0x77);
    assert_int_equal(vgpu_pci_nop(&pci), 0x77);
    fake_device_arm_with(&fake, VGPU_STATUS_ERROR, VGPU_ERROR_NONE);
    assert_int_equal(vgpu_pci_nop(&pci), -EPROTO);
    fake_device_arm_with(&fake, VGPU_STATUS_ERROR, 0xffffffff);
    assert_int_equal(vgpu_pci_nop(&pci), -EPROTO);
}

static void test_strange_status(void **state)
{
    (void)state;
    fake_device_arm_with(&fake, VGPU_STATUS_IDLE, 0);
    assert_int_equal(vgpu_pci_nop(&pci), -ECANCELED);
    fake_device_arm_with(&fake, 0xffffffff, 0);
    assert_int_equal(vgpu_pci_nop(&pci), -ENODEV);
    fake_device_arm_with(&fake, 4, 0);
    assert_int_equal(vgpu_pci_nop(&pci), -EPROTO);
}

static void test_strange_responses(void **state)
{
    (void)state;
    const struct vgpu_response no_results = {0};
    struct vgpu_response long_name = {.result_count = VGPU_INFO_COUNT,
                                      .data = (const uint8_t *)fake.bar,
                                      .data_length = VGPU_DEVICE_NAME_MAX + 1};
    uint8_t *buffer = fake.bar + VGPU_RESPONSE_BUFFER;
    VgpuPciDeviceInfo info;
    uint32_t sum;

    fake_device_poke(&fake, VGPU_REG_RESPONSE_LEN, VGPU_BUFFER_SIZE + 1);
    fake_device_arm_with(&fake, VGPU_STATUS_DONE, 0);
    assert_int_equal(vgpu_pci_nop(&pci), -EPROTO);
    assert_non_null(strstr(pci.error, "RESPONSE_LEN is 1025"));

    fake_device_poke(&fake, VGPU_REG_RESPONSE_LEN, VGPU_HEADER_SIZE);
    fake_device_arm_with(&fake, VGPU_STATUS_DONE, 0);
    assert_int_equal(vgpu_pci_nop(&pci), -EPROTO); /* version 0 */

    vgpu_response_encode(&no_results, buffer, VGPU_BUFFER_SIZE);
    fake_device_arm_with(&fake, VGPU_STATUS_DONE, 0);
    assert_int_equal(vgpu_pci_vector_add(&pci, 1, 2, &sum), -EPROTO);

    uint32_t length = (uint32_t)vgpu_response_encode(&long_name, buffer, VGPU_BUFFER_SIZE);
    fake_device_poke(&fake, VGPU_REG_RESPONSE_LEN, length);
    fake_device_arm_with(&fake, VGPU_STATUS_DONE, 0);
    assert_int_equal(vgpu_pci_device_info(&pci, &info), -EPROTO);
}

static void test_timeout(void **state)
{
    (void)state;
    uint8_t before[VGPU_BUFFER_SIZE];
    uint32_t sum;

    pci.timeout_ms = 30;
    fake_device_arm_held(&fake);
    double start = clock_ms(CLOCK_MONOTONIC);
    assert_int_equal(vgpu_pci_vector_add(&pci, 1, 2, &sum), -ETIMEDOUT);
    double waited = clock_ms(CLOCK_MONOTONIC) - start;
    assert_true(waited >= 30 && waited < VGPU_PCI_TIMEOUT_MS / 2);

    /* The request is still live: nothing of it may be overwritten, no later one take its answer. */
    memcpy(before, fake.bar + VGPU_REQUEST_BUFFER, sizeof(before));
    assert_int_equal(vgpu_pci_vector_add(&pci, 3, 4, &sum), -EBUSY);
    assert_int_equal(vgpu_pci_ring(&pci, 32), -EBUSY);
    assert_memory_equal(fake.bar + VGPU_REQUEST_BUFFER, before, sizeof(before));
    assert_int_equal(vgpu_pci_wait(&pci, 1), -ETIMEDOUT);

    fake_device_release(&fake);
    assert_int_equal(vgpu_pci_wait(&pci, 10000), 0);
    fake_device_arm(&fake);
    pci.timeout_ms = 10000;
    assert_int_equal(vgpu_pci_vector_add(&pci, 3, 4, &sum), 0);
    assert_int_equal(sum, 7);
}

static void test_busy_at_start(void **state)
{
    (void)state;
    VgpuPci second;

    fake_device_poke(&fake, VGPU_REG_STATUS, VGPU_STATUS_BUSY);
    vgpu_pci_init(&second, fake.bar);
    assert_int_equal(vgpu_pci_nop(&second), -EBUSY);
}

static void test_waiting_costs_little_cpu(void **state)
{
    (void)state;
    fake_device_poke(&fake, VGPU_REG_STATUS, VGPU_STATUS_BUSY);
    double start = clock_ms(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(vgpu_pci_wait(&pci, 300), -ETIMEDOUT);
    assert_true(clock_ms(CLOCK_THREAD_CPUTIME_ID) - start < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_registers_are_little_endian, setup, teardown),
        cmocka_unit_test_setup_teardown(test_submit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_responses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_costs_little_cpu, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
