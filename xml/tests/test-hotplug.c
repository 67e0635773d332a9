/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the device can be plugged in, and where it would not be safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "vgpu-hotplug.h"

#define OURS "/opt/vgpu/qemu"

#define PORT(index) "<controller type='pci' index='" #index "' model='pcie-root-port'>"
#define ON_BUS(bus) "<address type='pci' domain='0x0000' bus='" bus "' slot='0x00' function='0x0'/>"

static char *domain(const char *machine, const char *features, const char *emulator,
                    const char *devices, const char *arguments)
{
    return g_strdup_printf(
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<os><type arch='x86_64' machine='%s'>hvm</type></os><features>%s</features>"
        "<devices><emulator>%s</emulator>%s</devices>"
        "<qemu:commandline>%s</qemu:commandline></domain>",
        machine, features, emulator, devices, arguments);
}

static void assert_place(const char *machine, const char *devices, const char *arguments,
                         const char *bus, const char *addr, gboolean is_last)
{
    g_autofree char *xml = domain(machine, "<acpi/>", OURS, devices, arguments);
    g_autoptr(GError) error = NULL;
    VgpuHotplugPlace place;

    if (!vgpu_domain_xml_hotplug_place(xml, strlen(xml), OURS, &place, &error))
        fail_msg("%s", error->message);
    assert_string_equal(place.bus, bus);
    assert_string_equal(place.addr, addr);
    assert_int_equal(place.is_last, is_last);
}

static void assert_refused(const char *machine, const char *features, const char *emulator,
                           const char *devices, const char *arguments, const char *reason)
{
    g_autofree char *xml = domain(machine, features, emulator, devices, arguments);
    g_autoptr(GError) error = NULL;
    VgpuHotplugPlace place;

    assert_false(vgpu_domain_xml_hotplug_place(xml, strlen(xml), OURS, &place, &error));
    assert_int_equal(error->code, VGPU_XML_ERROR_UNSUPPORTED);
    if (strstr(error->message, reason) == NULL)
        fail_msg("'%s' does not say '%s'", error->message, reason);
}

static void q35_takes_the_last_free_port(void **state)
{
    (void)state;
    assert_place("q35", PORT(1) "</controller>" PORT(2) "</controller>" PORT(3) "</controller>", "",
                 "pci.3", "0x0", FALSE);
    /* Before or behind its port, in any notation. */
    assert_place("pc-q35-7.2",
                 "<disk>" ON_BUS("0x0c") "</disk>" PORT(1) "</controller>" PORT(12) "</controller>",
                 "", "pci.1", "0x0", TRUE);
    assert_place("q35",
                 PORT(1) "</controller>" PORT(2) "</controller>"
                                                 "<interface>" ON_BUS("2") "</interface>",
                 "", "pci.1", "0x0", TRUE);
    /* Hot-plug is off, and a device that libvirt does not know. */
    assert_place("q35",
                 PORT(1) "</controller>" PORT(2) "</controller>" PORT(3) "<target hotplug='off'/>"
                                                                         "</controller>",
                 "<qemu:arg value='-device'/><qemu:arg value='edu,bus=pci.2'/>", "pci.1", "0x0",
                 TRUE);
    /* Behind a bridge of another kind nothing is promised. */
    assert_refused("q35", "<acpi/>", OURS,
                   "<controller type='pci' index='1' model='dmi-to-pci-bridge'/>", "",
                   "no free pcie-root-port");
}

static void our_own_port_goes_first(void **state)
{
    (void)state;
    assert_place("q35", PORT(1) "</controller>",
                 "<qemu:arg value='-device'/><qemu:arg value='{\"driver\":\"pcie-root-port\","
                 "\"id\":\"vgpurp0\",\"bus\":\"pcie.0\",\"addr\":\"0x10\"}'/>",
                 "vgpurp0", "0x0", FALSE);
}

static void i440fx_takes_a_free_slot(void **state)
{
    (void)state;
    assert_place("pc", "", "", "pci.0", "0x1f", FALSE);
    assert_place("pc-i440fx-7.2",
                 "<disk><address type='pci' bus='0x00' slot='0x1f' function='0x0'/></disk>", "",
                 "pci.0", "0x1e", FALSE);
    assert_refused("pc", "<acpi/>", OURS,
                   "<controller type='pci' index='0' model='pci-root'><target hotplug='off'/>"
                   "</controller>",
                   "", "switched off");
}

static void unsafe_is_refused(void **state)
{
    (void)state;
    assert_refused("q35", "<apic/>", OURS, PORT(1) "</controller>", "", "<acpi/>");
    assert_refused("pc", "", OURS, "", "", "<acpi/>");
    assert_refused("q35", "<acpi/>", "/usr/bin/qemu", PORT(1) "</controller>", "",
                   "its emulator is '/usr/bin/qemu'");
    assert_refused("q35", "<acpi/>", OURS, "", "", "no free pcie-root-port");
    assert_refused("q35", "<acpi/>", OURS, PORT(1) "</controller><disk>" ON_BUS("0x01") "</disk>",
                   "", "no free pcie-root-port");
    assert_refused("microvm", "<acpi/>", OURS, "", "", "microvm");
    /* Numbers that are no buses. */
    assert_refused("q35", "<acpi/>", OURS,
                   PORT(256) "</controller>" PORT(99999999999) "</controller>", "",
                   "no free pcie-root-port");
}

static void nonsense_is_an_error(void **state)
{
    g_autoptr(GError) error = NULL;
    VgpuHotplugPlace place;

    (void)state;
    assert_false(vgpu_domain_xml_hotplug_place("<domain", 7, OURS, &place, &error));
    assert_int_equal(error->code, VGPU_XML_ERROR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q35_takes_the_last_free_port), cmocka_unit_test(our_own_port_goes_first),
        cmocka_unit_test(i440fx_takes_a_free_slot),     cmocka_unit_test(unsafe_is_refused),
        cmocka_unit_test(nonsense_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
