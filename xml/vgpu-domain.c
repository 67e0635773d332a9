/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vgpu-domain.h"

#include <string.h>

#include "vgpu-arguments.h"
#include "vgpu-config-read.h"
#include "vgpu-emulator.h"
#include "vgpu-state.h"

#define UUID_DIGITS 32

static void free_device(VgpuDevice *device)
{
    if (device == NULL)
        return;
    g_free(device->emulator);
    g_free(device->original_emulator);
    g_free(device->socket_path);
    g_free(device);
}

void vgpu_domain_free(VgpuDomain *domain)
{
    if (domain == NULL)
        return;
    g_free(domain->uuid);
    g_free(domain->name);
    vgpu_config_free(domain->config);
    g_clear_error(&domain->config_error);
    free_device(domain->device);
    g_free(domain);
}

/* As libvirt reads it: digits with dashes anywhere. It becomes a file name, so nothing else. */
static gboolean read_uuid(const VgpuDocument *document, char **uuid, GError **error)
{
    const xmlNode *element = vgpu_xml_child(document->domain, NULL, "uuid");

    if (element == NULL)
        return TRUE;
    g_autofree char *text = g_strstrip(vgpu_xml_text(element));
    g_autoptr(GString) canonical = g_string_new(NULL);
    guint digits = 0;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '-')
            continue;
        if (!g_ascii_isxdigit(*c) || digits++ == UUID_DIGITS) {
            digits = 0;
            break;
        }
        if (digits == 9 || digits == 13 || digits == 17 || digits == 21)
            g_string_append_c(canonical, '-');
        g_string_append_c(canonical, g_ascii_tolower(*c));
    }
    if (digits != UUID_DIGITS) {
        g_autofree char *quoted = vgpu_xml_quote(text);
        g_set_error(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE,
                    "line %u: <uuid> is %s; 32 hexadecimal digits are needed",
                    vgpu_document_line(document, element), quoted);
        return FALSE;
    }
    *uuid = g_string_free(g_steal_pointer(&canonical), FALSE);
    return TRUE;
}

static VgpuDevice *read_device(const VgpuDocument *document)
{
    g_autoptr(GPtrArray) arguments = vgpu_arguments_read(document);
    const VgpuArgument *socket = vgpu_arguments_find(arguments, VGPU_ID_CHARDEV);
    const VgpuArgument *stub = vgpu_arguments_find(arguments, VGPU_ID_DEVICE);

    if (socket == NULL && stub == NULL && vgpu_arguments_find(arguments, VGPU_ID_PORT) == NULL)
        return NULL;
    const xmlNode *emulator = vgpu_emulator_find(document);
    g_autoptr(VgpuState) state = vgpu_state_read(vgpu_state_find(document));
    VgpuDevice *device = g_new0(VgpuDevice, 1);

    device->emulator = emulator != NULL ? vgpu_xml_text(emulator) : NULL;
    device->original_emulator = g_strdup(state->emulator);
    if (socket != NULL)
        device->socket_path = g_strdup(vgpu_argument_get(socket, "path"));
    const char *pool = stub != NULL ? vgpu_argument_get(stub, "pool") : NULL;
    const char *priority = stub != NULL ? vgpu_argument_get(stub, "priority") : NULL;
    const char *vm_id = stub != NULL ? vgpu_argument_get(stub, "vm-id") : NULL;
    guint64 number = 0;
    if (pool != NULL && g_ascii_isupper(pool[0]) && pool[1] == '\0')
        device->pool = pool[0];
    if (priority != NULL)
        vgpu_config_parse_priority(priority, &device->priority);
    if (vm_id != NULL && g_ascii_string_to_unsigned(vm_id, 10, 0, G_MAXUINT32, &number, NULL))
        device->vm_id = (guint32)number;
    return device;
}

gboolean vgpu_domain_parse(const char *xml, gsize length, VgpuDomain **domain, GError **error)
{
    *domain = NULL;
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, length, error);
    if (document == NULL)
        return FALSE;

    g_autoptr(VgpuDomain) read = g_new0(VgpuDomain, 1);
    const xmlNode *name = vgpu_xml_child(document->domain, NULL, "name");
    read->name = name != NULL ? vgpu_xml_text(name) : NULL;
    if (!read_uuid(document, &read->uuid, error))
        return FALSE;
    vgpu_config_read(document, &read->config, &read->config_error);
    read->device = read_device(document);
    *domain = g_steal_pointer(&read);
    return TRUE;
}

gboolean vgpu_domain_xml_mentions_us(const char *xml, gsize length)
{
    static const char *const marks[] = {VGPU_XML_NAMESPACE, VGPU_XML_STATE_NAMESPACE};

    for (guint i = 0; i < G_N_ELEMENTS(marks); i++)
        if (memmem(xml, length, marks[i], strlen(marks[i])) != NULL)
            return TRUE;
    return FALSE;
}

char *vgpu_domain_socket_path(const char *run_dir, const char *uuid)
{
    return g_strdup_printf("%s/vm/%s.sock", run_dir, uuid);
}
