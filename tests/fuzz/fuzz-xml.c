/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a domain XML: no crash, and the promises of vgpu-inject.h hold. */
#include <stdint.h>
#include <string.h>

#include "vgpu-config.h"
#include "vgpu-domain.h"
#include "vgpu-inject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_promises(const char *xml, gsize length, const char *injected,
                           const VgpuInjection *wanted)
{
    g_autofree char *again = vgpu_domain_xml_inject(injected, strlen(injected), wanted, NULL);
    g_assert_cmpstr(again, ==, injected);

    g_autoptr(VgpuDomain) domain = NULL;
    if (vgpu_domain_parse(injected, strlen(injected), &domain, NULL))
        g_assert_cmpstr(domain->device->socket_path, ==, wanted->socket_path);

    /* Only a domain without anything of ours comes back as it was. */
    g_autofree char *without = vgpu_domain_xml_remove(xml, length, NULL);
    if (without == NULL || strcmp(without, xml) != 0)
        return;
    g_autofree char *removed = vgpu_domain_xml_remove(injected, strlen(injected), NULL);
    g_assert_cmpstr(removed, ==, xml);
}

/* What vgpud would write into the metadata is what it has read there. */
static void check_config(const char *xml, gsize length)
{
    g_autoptr(VgpuConfig) config = NULL, again = NULL;

    if (!vgpu_config_from_domain_xml(xml, length, &config, NULL) || config == NULL)
        return;
    g_autofree char *text = vgpu_config_format(config);
    g_autofree char *domain = g_strdup_printf("<domain><metadata>%s</metadata></domain>", text);
    g_autoptr(GString) with_namespace = g_string_new(domain);

    g_string_replace(with_namespace, "<vgpu ", "<vgpu xmlns='" VGPU_XML_NAMESPACE "' ", 1);
    g_assert_true(
        vgpu_config_from_domain_xml(with_namespace->str, with_namespace->len, &again, NULL));
    g_assert_true(vgpu_config_equal(config, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const VgpuInjection wanted = {"/opt/q&<>'\"/qemu", "/run/vgpud/vm/a,b&'.sock", 7};
    g_autofree char *xml = g_strndup((const char *)data, size);
    g_autoptr(VgpuDomain) domain = NULL;
    g_autoptr(GError) error = NULL;

    vgpu_domain_parse((const char *)data, size, &domain, &error);
    check_config((const char *)data, size);
    g_autofree char *injected = vgpu_domain_xml_inject((const char *)data, size, &wanted, NULL);
    if (injected != NULL)
        check_promises(xml, size, injected, &wanted);
    g_free(vgpu_domain_xml_remove((const char *)data, size, NULL));
    return 0;
}
