/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding and opening the device, in a folder that looks like /sys/bus/pci/devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vgpu-bytes.h"
#include "vgpu-pci.h"

static char devices[] = "/tmp/vgpu-sysfs-XXXXXX";

static void write_file(const char *device, const char *name, const void *bytes, size_t length)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s/%s", devices, device, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *device, const char *name, const char *text)
{
    write_file(device, name, text, strlen(text));
}

/* A device whose SCRATCH tells which one it is. */
static void add_device(const char *address, const char *vendor, uint32_t version, uint32_t scratch)
{
    uint8_t bar[VGPU_BAR0_SIZE] = {0};
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", devices, address);
    assert_int_equal(mkdir(path, 0700), 0);
    write_text(address, "vendor", vendor);
    write_text(address, "device", "0x1111\n");
    write_text(address, "enable", "1\n");
    vgpu_put32(bar + VGPU_REG_PROTOCOL_VER, version);
    vgpu_put32(bar + VGPU_REG_SCRATCH, scratch);
    write_file(address, "resource0", bar, sizeof(bar));
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(devices));
    add_device("0000:00:02.0", "0x8086\n", VGPU_PROTOCOL_VERSION, 100);
    add_device("0000:02:00.0", "0x1af4\n", VGPU_PROTOCOL_VERSION, 102);
    add_device("0000:01:00.0", "0x1af4\n", VGPU_PROTOCOL_VERSION, 101);
    add_device("0000:03:00.0", "0x1af4\n", 0x00020000, 103);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", devices);
    return system(command);
}

static void assert_opens(const char *device, const char *address, uint32_t scratch)
{
    VgpuPci pci;

    assert_int_equal(vgpu_pci_open_in(&pci, devices, device, VGPU_PCI_USE), 0);
    assert_string_equal(vgpu_pci_address(&pci), address);
    assert_int_equal(vgpu_pci_read32(&pci, VGPU_REG_SCRATCH), scratch);
    vgpu_pci_close(&pci);
}

/* Returns the error's text, valid until the next call. */
static const char *assert_fails(const char *folder, const char *device, int error)
{
    static VgpuPci pci;

    assert_int_equal(vgpu_pci_open_in(&pci, folder, device, VGPU_PCI_USE), error);
    vgpu_pci_close(&pci);
    return pci.error;
}

static void test_names(void **state)
{
    (void)state;
    char path[128];

    assert_opens(NULL, "0000:01:00.0", 101);
    assert_opens("0", "0000:01:00.0", 101);
    assert_opens("1", "0000:02:00.0", 102);
    assert_opens("0000:02:00.0", "0000:02:00.0", 102);
    snprintf(path, sizeof(path), "%s/0000:02:00.0", devices);
    assert_opens(path, "0000:02:00.0", 102);
}

static void test_wrong_names(void **state)
{
    (void)state;
    char longer[200];

    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_non_null(strstr(assert_fails(devices, "3", -ENODEV), "there are 3"));
    assert_fails(devices, "99999999999999999999", -ENODEV);
    assert_fails(devices, "0000:00:02.0", -ENODEV); /* another vendor's */
    assert_fails(devices, "0000:09:00.0", -ENODEV);
    assert_fails(devices, "", -ENODEV);
    assert_fails(devices, longer, -ENAMETOOLONG);
    assert_non_null(strstr(assert_fails("/nonexistent", NULL, -ENOENT), "mount"));
}

static void test_other_version(void **state)
{
    (void)state;
    assert_non_null(strstr(assert_fails(devices, "2", -EPROTO), "0x00020000"));
}

static void test_one_user_at_a_time(void **state)
{
    (void)state;
    VgpuPci pci, observer;

    assert_int_equal(vgpu_pci_open_in(&pci, devices, "0", VGPU_PCI_USE), 0);
    assert_non_null(strstr(assert_fails(devices, "0", -EBUSY), "another program"));
    assert_int_equal(vgpu_pci_open_in(&observer, devices, "0", VGPU_PCI_OBSERVE), 0);
    vgpu_pci_write32(&pci, VGPU_REG_SCRATCH, 7);
    assert_int_equal(vgpu_pci_read32(&observer, VGPU_REG_SCRATCH), 7);
    vgpu_pci_write32(&pci, VGPU_REG_SCRATCH, 101);
    vgpu_pci_close(&observer);
    vgpu_pci_close(&pci);
    assert_opens("0", "0000:01:00.0", 101);
}

static void test_enables_memory(void **state)
{
    (void)state;
    char path[128], text[4] = "";

    write_text("0000:01:00.0", "enable", "0\n");
    assert_opens("0", "0000:01:00.0", 101);
    snprintf(path, sizeof(path), "%s/0000:01:00.0/enable", devices);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_int_equal(text[0], '1');
}

static void test_no_bar(void **state)
{
    (void)state;
    char path[128];

    snprintf(path, sizeof(path), "%s/0000:02:00.0/resource0", devices);
    assert_int_equal(unlink(path), 0);
    assert_non_null(strstr(assert_fails(devices, "1", -ENOENT), "no BAR0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_other_version),  cmocka_unit_test(test_one_user_at_a_time),
        cmocka_unit_test(test_enables_memory), cmocka_unit_test(test_no_bar),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
