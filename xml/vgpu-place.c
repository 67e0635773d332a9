/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-place.h"

#include <string.h>

#include "vgpu-arguments.h"

/*
 * Slots where we look, in this order. Low slots are what libvirt hands out first; on q35 0x1f, and
 * usually 0x1a to 0x1e, are the chipset's. Facts found by experiment: 0x10 on q35, 0x1f on i440fx.
 */
#define Q35_FIRST_SLOT    0x10
#define Q35_LAST_SLOT     0x1e
#define I440FX_FIRST_SLOT 0x1f
#define I440FX_LAST_SLOT  0x10

/* libvirt numbers the chassis of its own ports from 1 upwards; QEMU's property has 8 bits. */
#define FIRST_CHASSIS 240
#define LAST_CHASSIS  254

/* What others have: bits by slot of the root bus, and flags by chassis. */
typedef struct {
    guint32 slots;
    gboolean chassis[256];
} Used;

/* Decimal, or hexadecimal with 0x, as libvirt and QEMU write numbers. */
static gboolean parse_number(const char *text, guint max, guint *number)
{
    gboolean hex = text != NULL && (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X"));
    guint64 value;

    if (text == NULL ||
        !g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, max, &value, NULL))
        return FALSE;
    *number = (guint)value;
    return TRUE;
}

/* QEMU's "addr": SLOT or SLOT.FUNCTION, both hexadecimal with or without 0x. */
static gboolean parse_addr(const char *text, guint *slot)
{
    char *end = NULL;
    guint64 value = text != NULL ? g_ascii_strtoull(text, &end, 16) : 0;

    if (text == NULL || end == text || (*end != '\0' && *end != '.') || value > 31)
        return FALSE;
    *slot = (guint)value;
    return TRUE;
}

static gboolean unsupported(GError **error, const char *what, const char *value,
                            const char *allowed)
{
    g_autofree char *quoted = vgpu_xml_quote(value);

    g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_UNSUPPORTED,
                "a virtual GPU is not possible in a domain whose %s is %s; supported: %s", what,
                quoted, allowed);
    return FALSE;
}

/* A missing machine is libvirt's default for x86_64: pc. */
static gboolean read_machine(const VgpuDocument *document, gboolean *is_q35, GError **error)
{
    const xmlNode *os = vgpu_xml_child(document->domain, NULL, "os");
    const xmlNode *type = vgpu_xml_child(os, NULL, "type");
    g_autofree char *driver = vgpu_xml_attribute(document->domain, "type");
    g_autofree char *kind = type != NULL ? vgpu_xml_text(type) : g_strdup("");
    g_autofree char *arch = type != NULL ? vgpu_xml_attribute(type, "arch") : NULL;
    g_autofree char *machine = type != NULL ? vgpu_xml_attribute(type, "machine") : NULL;

    if (driver == NULL || (strcmp(driver, "kvm") != 0 && strcmp(driver, "qemu") != 0))
        return unsupported(error, "type", driver != NULL ? driver : "", "kvm, qemu");
    if (strcmp(g_strstrip(kind), "hvm") != 0)
        return unsupported(error, "<os> <type>", kind, "hvm");
    if (arch != NULL && strcmp(arch, "x86_64") != 0)
        return unsupported(error, "<os> <type> arch", arch, "x86_64");
    *is_q35 =
        machine != NULL && (strcmp(machine, "q35") == 0 || g_str_has_prefix(machine, "pc-q35-"));
    if (machine != NULL && !*is_q35 && strcmp(machine, "pc") != 0 &&
        !g_str_has_prefix(machine, "pc-i440fx-"))
        return unsupported(error, "<os> <type> machine", machine,
                           "q35, pc-q35-VERSION, pc, pc-i440fx-VERSION");
    return TRUE;
}

static guint attribute_number(const xmlNode *element, const char *name)
{
    g_autofree char *value = vgpu_xml_attribute(element, name);
    guint number = 0;

    /* Anything unreadable counts as far away: it collides with nothing. */
    return value == NULL || parse_number(value, G_MAXINT, &number) ? number : G_MAXINT;
}

/* libvirt's own devices: the <address> of each, and the chassis of PCI Express ports. */
static void read_used_by_libvirt(const VgpuDocument *document, Used *used)
{
    const xmlNode *devices = vgpu_xml_child(document->domain, NULL, "devices");

    for (xmlNode *device = devices != NULL ? xmlFirstElementChild((xmlNode *)devices) : NULL;
         device != NULL; device = xmlNextElementSibling(device)) {
        const xmlNode *address = vgpu_xml_child(device, NULL, "address");
        const xmlNode *target = vgpu_xml_child(device, NULL, "target");
        g_autofree char *type = address != NULL ? vgpu_xml_attribute(address, "type") : NULL;

        if (type != NULL && strcmp(type, "pci") == 0 && attribute_number(address, "bus") == 0 &&
            attribute_number(address, "domain") == 0) {
            guint slot = attribute_number(address, "slot");
            if (slot < 32)
                used->slots |= 1u << slot;
        }
        guint chassis = target != NULL ? attribute_number(target, "chassis") : 0;
        if (chassis < G_N_ELEMENTS(used->chassis))
            used->chassis[chassis] = TRUE;
    }
}

static gboolean on_root_bus(const VgpuArgument *argument, gboolean is_q35)
{
    const char *bus = vgpu_argument_get(argument, "bus");

    return bus == NULL || strcmp(bus, is_q35 ? "pcie.0" : "pci.0") == 0;
}

static void read_used_by_arguments(const GPtrArray *arguments, gboolean is_q35, Used *used)
{
    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];
        guint slot, chassis;

        if (!argument->is_device || vgpu_argument_is_ours(argument))
            continue;
        if (on_root_bus(argument, is_q35) && parse_addr(vgpu_argument_get(argument, "addr"), &slot))
            used->slots |= 1u << slot;
        if (parse_number(vgpu_argument_get(argument, "chassis"), 255, &chassis))
            used->chassis[chassis] = TRUE;
    }
}

static gboolean choose_slot(const Used *used, const VgpuArgument *present, VgpuPlace *place)
{
    guint first = place->is_q35 ? Q35_FIRST_SLOT : I440FX_FIRST_SLOT;
    guint last = place->is_q35 ? Q35_LAST_SLOT : I440FX_LAST_SLOT;
    guint slot;

    if (present != NULL && on_root_bus(present, place->is_q35) &&
        parse_addr(vgpu_argument_get(present, "addr"), &slot) && slot >= MIN(first, last) &&
        slot <= MAX(first, last) && !(used->slots & (1u << slot))) {
        place->slot = slot;
        return TRUE;
    }
    for (slot = first;; slot += first < last ? 1 : -1) {
        if (!(used->slots & (1u << slot))) {
            place->slot = slot;
            return TRUE;
        }
        if (slot == last)
            return FALSE;
    }
}

static gboolean choose_chassis(const Used *used, const VgpuArgument *present, VgpuPlace *place)
{
    guint chassis;

    if (present != NULL && parse_number(vgpu_argument_get(present, "chassis"), 255, &chassis) &&
        chassis >= FIRST_CHASSIS && chassis <= LAST_CHASSIS && !used->chassis[chassis]) {
        place->chassis = chassis;
        return TRUE;
    }
    for (chassis = FIRST_CHASSIS; chassis <= LAST_CHASSIS; chassis++) {
        if (!used->chassis[chassis]) {
            place->chassis = chassis;
            return TRUE;
        }
    }
    return FALSE;
}

gboolean vgpu_place_choose(const VgpuDocument *document, const GPtrArray *arguments,
                           VgpuPlace *place, GError **error)
{
    Used used = {0};

    *place = (VgpuPlace){0};
    if (!read_machine(document, &place->is_q35, error))
        return FALSE;
    read_used_by_libvirt(document, &used);
    read_used_by_arguments(arguments, place->is_q35, &used);

    const VgpuArgument *present =
        vgpu_arguments_find(arguments, place->is_q35 ? VGPU_ID_PORT : VGPU_ID_DEVICE);
    if (!choose_slot(&used, present, place)) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_UNSUPPORTED,
                    "no PCI slot from 0x10 to 0x%x is free on the domain's bus 0; give one of its "
                    "devices another <address>",
                    place->is_q35 ? Q35_LAST_SLOT : I440FX_FIRST_SLOT);
        return FALSE;
    }
    if (place->is_q35 && !choose_chassis(&used, present, place)) {
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_UNSUPPORTED,
                    "no PCI Express chassis number from %d to %d is free in the domain",
                    FIRST_CHASSIS, LAST_CHASSIS);
        return FALSE;
    }
    return TRUE;
}
