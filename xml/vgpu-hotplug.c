/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-hotplug.h"

#include <string.h>

#include "vgpu-arguments.h"
#include "vgpu-emulator.h"
#include "vgpu-place.h"

/* Bus numbers of PCI have 8 bits; libvirt's controllers are numbered like buses. */
#define MAX_BUSES 256

typedef enum {
    PORT_NONE, /* no port, or one without hot-plug */
    PORT_FREE,
    PORT_USED,
} Port;

static gboolean refuse(GError **error, const char *reason)
{
    g_set_error_literal(error, VGPU_XML_ERROR, VGPU_XML_ERROR_UNSUPPORTED, reason);
    return FALSE;
}

static gboolean check_emulator(const VgpuDocument *document, const char *emulator, GError **error)
{
    const xmlNode *element = vgpu_emulator_find(document);
    g_autofree char *current = element != NULL ? vgpu_xml_text(element) : g_strdup("");

    if (strcmp(current, emulator) == 0)
        return TRUE;
    g_autofree char *quoted = vgpu_xml_quote(current);
    g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_UNSUPPORTED,
                "its emulator is %s, not vgpud's, %s", quoted, emulator);
    return FALSE;
}

static guint number(const xmlNode *element, const char *name)
{
    g_autofree char *text = vgpu_xml_attribute(element, name);

    return text != NULL ? (guint)MIN(g_ascii_strtoull(text, NULL, 0), G_MAXUINT) : 0;
}

static gboolean has_attribute(const xmlNode *element, const char *name, const char *value)
{
    g_autofree char *text = element != NULL ? vgpu_xml_attribute(element, name) : NULL;

    return g_strcmp0(text, value) == 0;
}

/* Hot-plug can be switched off for a port, and for the root bus of i440fx. */
static gboolean is_off(const xmlNode *controller)
{
    return has_attribute(vgpu_xml_child(controller, NULL, "target"), "hotplug", "off");
}

static void read_device(const xmlNode *device, Port ports[MAX_BUSES], gboolean *root_is_off)
{
    const xmlNode *address = vgpu_xml_child(device, NULL, "address");
    guint bus = address != NULL ? number(address, "bus") : 0;
    guint index = number(device, "index");

    if (has_attribute(address, "type", "pci") && bus < MAX_BUSES)
        ports[bus] = PORT_USED;
    if (strcmp((const char *)device->name, "controller") != 0 ||
        !has_attribute(device, "type", "pci"))
        return;
    if (has_attribute(device, "model", "pcie-root-port") && index > 0 && index < MAX_BUSES &&
        ports[index] == PORT_NONE && !is_off(device))
        ports[index] = PORT_FREE;
    if (has_attribute(device, "model", "pci-root") && is_off(device))
        *root_is_off = TRUE;
}

/* Devices in <qemu:commandline> on libvirt's buses, which it calls pci.INDEX. */
static void read_arguments(const GPtrArray *arguments, Port ports[MAX_BUSES])
{
    for (guint i = 0; i < arguments->len; i++) {
        const VgpuArgument *argument = arguments->pdata[i];
        const char *bus = vgpu_argument_get(argument, "bus");
        guint64 index;

        if (argument->is_device && bus != NULL && g_str_has_prefix(bus, "pci.") &&
            g_ascii_string_to_unsigned(bus + strlen("pci."), 10, 0, MAX_BUSES - 1, &index, NULL))
            ports[index] = PORT_USED;
    }
}

static gboolean choose_port(const Port ports[MAX_BUSES], VgpuHotplugPlace *place, GError **error)
{
    guint chosen = 0, count = 0;

    for (guint i = 1; i < MAX_BUSES; i++) {
        if (ports[i] == PORT_FREE) {
            chosen = i;
            count++;
        }
    }
    if (count == 0)
        return refuse(error, "it has no free pcie-root-port to plug the device into");
    g_snprintf(place->bus, sizeof(place->bus), "pci.%u", chosen);
    g_strlcpy(place->addr, "0x0", sizeof(place->addr));
    place->is_last = count == 1;
    return TRUE;
}

/* i440fx: any free slot of the root bus. */
static gboolean choose_slot(const VgpuPlace *root, gboolean root_is_off, VgpuHotplugPlace *place,
                            GError **error)
{
    if (root_is_off)
        return refuse(error, "hot-plug is switched off for its PCI bus 0");
    g_strlcpy(place->bus, "pci.0", sizeof(place->bus));
    g_snprintf(place->addr, sizeof(place->addr), "0x%x", root->slot);
    return TRUE;
}

gboolean vgpu_domain_xml_hotplug_place(const char *xml, gsize length, const char *emulator,
                                       VgpuHotplugPlace *place, GError **error)
{
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, length, error);
    Port ports[MAX_BUSES] = {PORT_NONE};
    gboolean root_is_off = FALSE;
    VgpuPlace root;

    memset(place, 0, sizeof(*place));
    if (document == NULL || !check_emulator(document, emulator, error))
        return FALSE;
    g_autoptr(GPtrArray) arguments = vgpu_arguments_read(document);
    if (!vgpu_place_choose(document, arguments, &root, error))
        return FALSE;
    const xmlNode *features = vgpu_xml_child(document->domain, NULL, "features");
    if (features == NULL || vgpu_xml_child(features, NULL, "acpi") == NULL)
        return refuse(error, "it has no <acpi/> in its <features>, so PCI hot-plug is not safe");

    for (xmlNode *devices = vgpu_xml_child(document->domain, NULL, "devices"); devices != NULL;
         devices = vgpu_xml_next(devices))
        for (xmlNode *device = xmlFirstElementChild(devices); device != NULL;
             device = xmlNextElementSibling(device))
            read_device(device, ports, &root_is_off);
    read_arguments(arguments, ports);

    if (!root.is_q35)
        return choose_slot(&root, root_is_off, place, error);
    if (vgpu_arguments_find(arguments, VGPU_ID_PORT) == NULL)
        return choose_port(ports, place, error);
    g_strlcpy(place->bus, VGPU_ID_PORT, sizeof(place->bus));
    g_strlcpy(place->addr, "0x0", sizeof(place->addr));
    return TRUE;
}
