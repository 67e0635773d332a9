/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains for the tests of vgpu-inject.h, and what they ask of the result. */
#ifndef INJECT_HELPERS_H
#define INJECT_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgpu-inject.h"

#define CONFIG  "<vgpu:vgpu xmlns:vgpu=\"" VGPU_XML_NAMESPACE "\" pool=\"A\" priority=\"high\"/>"
#define QEMU_NS "http://libvirt.org/schemas/domain/qemu/1.0"

#define ARG(value)    "<qemu:arg value='" value "'/>"
#define DEVICE(value) ARG("-device") ARG(value)

static const VgpuInjection usual = {"/opt/vgpud/qemu-system-x86_64", "/run/vgpud/vm/1.sock", 3};

static inline char *inject_as(const char *xml, const VgpuInjection *wanted)
{
    g_autoptr(GError) error = NULL;
    char *injected = vgpu_domain_xml_inject(xml, strlen(xml), wanted, &error);

    if (injected == NULL)
        fail_msg("%s\n  gives: %s", xml, error->message);
    return injected;
}

static inline void assert_has(const char *xml, const char *text)
{
    if (strstr(xml, text) == NULL)
        fail_msg("%s\n  does not have: %s", xml, text);
}

/* A domain with @devices_text and @arguments, machine @machine. */
static inline char *domain_with(const char *machine, const char *devices_text,
                                const char *arguments)
{
    return g_strdup_printf(
        "<domain type='kvm' xmlns:qemu='" QEMU_NS "'>\n  <metadata>\n    " CONFIG
        "\n  </metadata>\n  <os><type arch='x86_64' machine='%s'>hvm</type></os>\n"
        "  <devices>%s</devices>\n  <qemu:commandline>%s</qemu:commandline>\n</domain>\n",
        machine, devices_text, arguments);
}

static inline void check_error(const char *xml, const VgpuInjection *wanted,
                               enum vgpu_xml_error code, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *injected = vgpu_domain_xml_inject(xml, strlen(xml), wanted, &error);

    assert_null(injected);
    if (!g_error_matches(error, VGPU_XML_ERROR, (int)code) ||
        strstr(error->message, expected) == NULL)
        fail_msg("%s\n  gives: %s", xml, error->message);
}

#endif
