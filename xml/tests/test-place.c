/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the PCI bus the device goes, and which domains cannot have it. */
#include "inject-helpers.h"

#define PCI(slot) "<d><address type='pci' domain='0' bus='0x00' slot='" slot "' function='1'/></d>"
static void test_place(void **state)
{
    static const struct {
        const char *machine, *devices, *arguments, *expected;
    } places[] = {
        {"q35", "", "", "\"addr\":\"0x10\",\"chassis\":240,\"port\":128}"},
        {"pc-q35-9.2", "", "", "\"addr\":\"0x10\",\"chassis\":240,\"port\":128}"},
        {"pc", "", "", "\"bus\":\"pci.0\",\"addr\":\"0x1f\""},
        {"pc-i440fx-2.12", "", "", "\"bus\":\"pci.0\",\"addr\":\"0x1f\""},
        /* Taken by a device of libvirt: decimal is as good as hexadecimal. */
        {"q35", PCI("0x10"), "", "\"addr\":\"0x11\",\"chassis\":240,\"port\":136}"},
        {"q35", PCI("16") PCI("0x12") PCI("0x11"), "", "\"addr\":\"0x13\""},
        {"pc", PCI("0x1f") PCI("0x1d"), "", "\"addr\":\"0x1e\""},
        /* Not on bus 0 of domain 0, or no PCI address of the guest. */
        {"q35", "<d><address type='pci' bus='0x01' slot='0x10'/></d>", "", "\"addr\":\"0x10\""},
        {"q35", "<d><address type='pci' domain='1' slot='0x10'/></d>", "", "\"addr\":\"0x10\""},
        {"q35", "<d><address type='usb' bus='0' slot='0x10'/></d>", "", "\"addr\":\"0x10\""},
        {"q35", "<d><source><address type='pci' slot='0x10'/></source></d>", "",
         "\"addr\":\"0x10\""},
        {"q35", "<d><address type='pci' slot='0x10'/></d>", "", "\"addr\":\"0x11\""},
        /* Taken by a foreign argument, in each notation of QEMU. */
        {"q35", "", DEVICE("edu,bus=pcie.0,addr=10"), "\"addr\":\"0x11\""},
        {"q35", "", DEVICE("edu,addr=0x10.3"), "\"addr\":\"0x11\""},
        {"q35", "", DEVICE("{\"driver\":\"edu\",\"addr\":\"10\"}"), "\"addr\":\"0x11\""},
        {"q35", "", DEVICE("{\"driver\":\"edu\",\"addr\":129}"), "\"addr\":\"0x11\""},
        {"q35", "", ARG("--device") ARG("edu,addr=0x10"), "\"addr\":\"0x11\""},
        {"q35", "", DEVICE("edu,bus=other,addr=0x10"), "\"addr\":\"0x10\""},
        {"q35", "", DEVICE("edu,id=a,,addr=0x10"), "\"addr\":\"0x10\""},
        {"q35", "", ARG("-append") ARG("edu,addr=0x10"), "\"addr\":\"0x10\""},
        {"pc", "", DEVICE("edu,bus=pci.0,addr=1f"), "\"addr\":\"0x1e\""},
        /* Chassis numbers. */
        {"q35", "<controller><target chassis='240'/></controller>", "",
         "\"addr\":\"0x10\",\"chassis\":241,"},
        {"q35", "<controller><target chassis='0xf0'/></controller>",
         DEVICE("{\"driver\":\"pcie-root-port\",\"chassis\":241}"), "\"chassis\":242,"},
        /* Ours is there already: kept where it is, while that is free and in our range. */
        {"q35", "", DEVICE("{\"id\":\"vgpurp0\",\"addr\":\"0x14\",\"chassis\":250}"),
         "\"addr\":\"0x14\",\"chassis\":250,\"port\":160}"},
        {"q35", PCI("0x14"), DEVICE("{\"id\":\"vgpurp0\",\"addr\":\"0x14\"}"), "\"addr\":\"0x10\""},
        {"q35", "", DEVICE("{\"id\":\"vgpurp0\",\"addr\":\"0x2\"}"), "\"addr\":\"0x10\""},
        {"pc", "", DEVICE("{\"id\":\"vgpu0\",\"bus\":\"pci.0\",\"addr\":\"0x12\"}"),
         "\"addr\":\"0x12\""},
        {"pc", "", DEVICE("{\"id\":\"vgpu0\",\"bus\":\"pci.1\",\"addr\":\"0x12\"}"),
         "\"bus\":\"pci.0\",\"addr\":\"0x1f\""},
        /* A machine that was changed from q35 to pc. */
        {"pc", "",
         DEVICE("{\"id\":\"vgpurp0\",\"addr\":\"0x10\"}")
             DEVICE("{\"id\":\"vgpu0\",\"bus\":\"vgpurp0\",\"addr\":\"0x0\"}"),
         "\"bus\":\"pci.0\",\"addr\":\"0x1f\""},
    };

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *xml =
            domain_with(places[i].machine, places[i].devices, places[i].arguments);
        g_autofree char *injected = inject_as(xml, &usual);
        g_autofree char *again = inject_as(injected, &usual);

        assert_has(injected, places[i].expected);
        assert_string_equal(again, injected);
    }
}

static void test_unsupported(void **state)
{
    static const char *const machines[] = {"virt", "microvm", "isapc", "pc-1.0",
                                           "q35x", "none",    ""};
    static const struct {
        const char *xml, *error;
    } bad[] = {
        {"<domain type='xen'><metadata>" CONFIG "</metadata></domain>",
         "whose type is 'xen'; supported: kvm, qemu"},
        {"<domain><metadata>" CONFIG "</metadata></domain>", "whose type is ''"},
        {"<domain type='kvm'><metadata>" CONFIG "</metadata></domain>", "<os> <type> is ''"},
        {"<domain type='kvm'><metadata>" CONFIG "</metadata><os><type>xen</type></os></domain>",
         "<os> <type> is 'xen'; supported: hvm"},
        {"<domain type='kvm'><metadata>" CONFIG
         "</metadata><os><type arch='aarch64'>hvm</type></os></domain>",
         "<os> <type> arch is 'aarch64'; supported: x86_64"},
    };
    g_autoptr(GString) all = g_string_new(NULL);

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autofree char *xml = domain_with(machines[i], "", "");
        check_error(xml, &usual, VGPU_XML_ERROR_UNSUPPORTED, "supported: q35, pc-q35-VERSION, pc,");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        check_error(bad[i].xml, &usual, VGPU_XML_ERROR_UNSUPPORTED, bad[i].error);
    for (int slot = 0; slot < 32; slot++)
        g_string_append_printf(all, "<d><address type='pci' slot='%d'/></d>", slot);
    g_autofree char *full_q35 = domain_with("q35", all->str, "");
    g_autofree char *full_pc = domain_with("pc", all->str, "");
    check_error(full_q35, &usual, VGPU_XML_ERROR_UNSUPPORTED, "no PCI slot from 0x10 to 0x1e");
    check_error(full_pc, &usual, VGPU_XML_ERROR_UNSUPPORTED, "no PCI slot from 0x10 to 0x1f");

    g_autofree char *no_value = domain_with("pc", "", "\n" ARG("-device"));
    check_error(no_value, &usual, VGPU_XML_ERROR_UNSUPPORTED,
                "line 8: the argument '-device' in <qemu:commandline> has no value");
    g_autofree char *swallowed = domain_with("pc", "", ARG("-device") ARG("-chardev") ARG("null"));
    check_error(swallowed, &usual, VGPU_XML_ERROR_UNSUPPORTED, "'-device' in <qemu:commandline>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_unsupported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
