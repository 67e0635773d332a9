/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where elements stand in the text, and what is no domain XML at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vgpu-document.h"
#include "vgpu-domain.h"
#include "vgpu-edit.h"

/* Every element's text begins with '<' and its own name, and what is between is its content. */
static void check_spans(const VgpuDocument *document)
{
    const xmlNode *top = document->domain;

    for (const xmlNode *node = top; node != NULL; node = vgpu_xml_walk(top, node)) {
        VgpuSpan span = vgpu_document_span(document, node);
        g_autofree char *name = vgpu_xml_qualified_name(node);
        g_autofree char *open = g_strconcat("<", name, NULL);
        g_autofree char *close = g_strconcat("</", name, NULL);
        const char *text = document->text;

        assert_true(g_str_has_prefix(text + span.start, open));
        assert_int_equal(text[span.content - 1], '>');
        assert_int_equal(text[span.end - 1], '>');
        if (vgpu_span_is_self_closing(span))
            assert_int_equal(text[span.end - 2], '/');
        else
            assert_true(g_str_has_prefix(text + span.content_end, close));
    }
}

static const char *const well_formed[] = {
    "<domain/>",
    "\xef\xbb\xbf<domain/>",
    "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\r\n<domain\r\n>\r\n<a\r\n/>\r\n</domain\t>",
    "<?pi <a>?><!-- <domain> --><domain a='&lt;/>' b=\"/\"><a x='>'/><!-- </a> --></domain>\n<!-- "
    "-->",
    "<domain><![CDATA[<a></a>]]><a><![CDATA[]]></a  "
    "><b>&amp;&#60;a/&gt;</b>\xe2\x82\xac<c/></domain>",
    "<domain xmlns:p='urn:p'><p:a p:b='\xc3\xa4'><p:c/></p:a><a xmlns='urn:q'><b/></a></domain>",
    "<domain\n\n  type='kvm'\n\n><a\n b='1'\n/><a   /></domain>",
};

static void test_spans(void **state)
{
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(well_formed); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VgpuDocument) document =
            vgpu_document_parse(well_formed[i], strlen(well_formed[i]), &error);

        assert_null(error);
        check_spans(document);
    }
}

/* Longer than any buffer of the parser: offsets must still be those of the whole text. */
static void test_spans_far_away(void **state)
{
    g_autoptr(GString) xml = g_string_new("<domain>");

    (void)state;
    for (int i = 0; i < 20000; i++)
        g_string_append_printf(xml, "<disk n='%d'>\xc3\xa4 &amp; text\r\n<target/></disk>\n", i);
    g_string_append(xml, "</domain>");
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml->str, xml->len, NULL);
    assert_non_null(document);
    check_spans(document);
}

static void test_line_and_lead(void **state)
{
    static const char xml[] = "<domain>\n <a/>\r\n\t<b\n\n/> <c/>\n</domain>";
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, strlen(xml), NULL);
    const xmlNode *domain = document->domain;
    static const struct {
        const char *name;
        guint line;
        gsize lead;
    } expected[] = {{"a", 2, 2}, {"b", 3, 3}, {"c", 5, 0}};

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        const xmlNode *node = vgpu_xml_child(domain, NULL, expected[i].name);
        assert_int_equal(vgpu_document_line(document, node), expected[i].line);
        gsize start = vgpu_document_span(document, node).start;
        assert_int_equal(vgpu_document_lead(document, start), expected[i].lead);
    }
    assert_int_equal(vgpu_document_lead(document, 0), 0);
}

static void check_refused(const char *xml, gsize length, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VgpuDocument) document = vgpu_document_parse(xml, length, &error);

    assert_null(document);
    assert_true(g_error_matches(error, VGPU_XML_ERROR, VGPU_XML_ERROR_PARSE));
    assert_null(strchr(error->message, '\n'));
    if (strstr(error->message, expected) == NULL)
        fail_msg("%.60s\n  gives: %s", xml, error->message);
}

static void test_refused(void **state)
{
    static const struct {
        const char *xml, *error;
    } bad[] = {
        {"", "line 1: "},
        {"domain", "line 1: "},
        {"<domain>\n<a></b></domain>", "line 2: Opening and ending tag mismatch"},
        {"<domain>\n\n<a>", "line 3: "},
        {"<domain/><domain/>", "line 1: "},
        {"<domain a='1' a='2'/>", "redefined"},
        {"<domain>&nbsp;</domain>", "nbsp"},
        {"<domain>\n<qemu:commandline/></domain>", "line 2: Namespace prefix qemu"},
        {"<network/>", "line 1: the root element is 'network'; a libvirt <domain> is needed"},
        {"<domain xmlns='urn:x'/>", "the root element is 'domain'"},
        {"<domain>\n\xff</domain>", "line 2: not UTF-8"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><domain>\xc3\xa4</domain>",
         "the encoding 'ISO-8859-1' is not supported; write the XML in UTF-8"},
        {"<!DOCTYPE domain><domain/>", "line 1: a document type (<!DOCTYPE>) is not allowed"},
        {"<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain/>", "(<!DOCTYPE>) is not allowed"},
        {"<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>",
         "(<!DOCTYPE>) is not allowed"},
        {"<!DOCTYPE d [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><domain>&b;</domain>",
         "(<!DOCTYPE>) is not allowed"},
    };

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        check_refused(bad[i].xml, strlen(bad[i].xml), bad[i].error);
    check_refused("<domain>\0</domain>", 18, "line 1: not UTF-8");
    check_refused("<\0d\0/\0>\0", 8, "not UTF-8");
}

static void test_limits(void **state)
{
    g_autoptr(GString) deep = g_string_new("<domain>");
    gsize size = VGPU_XML_MAX_SIZE + 1;
    g_autofree char *large = g_strnfill(size, ' ');

    (void)state;
    for (int i = 0; i < 100000; i++)
        g_string_append(deep, "<a>");
    check_refused(deep->str, deep->len, "depth");
    memcpy(large, "<domain/>", 9);
    check_refused(large, size, "at most 8388608 are read");
    g_autoptr(VgpuDocument) document = vgpu_document_parse(large, size - 1, NULL);
    assert_non_null(document);
}

static void check_uuid(const char *text, const char *expected)
{
    g_autofree char *xml = g_strdup_printf("<domain><uuid>%s</uuid></domain>", text);
    g_autoptr(VgpuDomain) domain = NULL;
    gboolean is_good = vgpu_domain_parse(xml, strlen(xml), &domain, NULL);

    assert_int_equal(is_good, expected != NULL);
    if (is_good)
        assert_string_equal(domain->uuid, expected);
}

/* The device is read all the same: a running VM still has it. */
static void test_a_wrong_element_beside_a_device(void **state)
{
    static const char xml[] =
        "<domain><name>a</name><metadata><v:vgpu xmlns:v='https://vgpud.org/xmlns/domain/1.0' "
        "pool='7'/></metadata><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<q:arg value='-device'/><q:arg value='{&quot;driver&quot;:&quot;vgpu-stub&quot;,"
        "&quot;id&quot;:&quot;vgpu0&quot;,&quot;pool&quot;:&quot;B&quot;}'/></q:commandline></"
        "domain>";
    g_autoptr(VgpuDomain) domain = NULL;

    (void)state;
    assert_true(vgpu_domain_parse(xml, strlen(xml), &domain, NULL));
    assert_null(domain->config);
    assert_true(g_error_matches(domain->config_error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG));
    assert_non_null(domain->device);
    assert_int_equal(domain->device->pool, 'B');
}

static void test_domain(void **state)
{
    static const char canonical[] = "6f1e1b6e-27a5-4d6c-9f43-0d5c7c1d3a10";
    g_autoptr(VgpuDomain) domain = NULL;

    (void)state;
    assert_true(vgpu_domain_parse("<domain><name>a&amp;b</name></domain>", 37, &domain, NULL));
    assert_string_equal(domain->name, "a&b");
    assert_null(domain->uuid);
    assert_null(domain->config);
    assert_null(domain->device);
    check_uuid(canonical, canonical);
    check_uuid(" 6F1E1B6E27A54D6C9F430D5C7C1D3A10\n", canonical);
    check_uuid("6f1e1b6e-27a5-4d6c-9f43-0d5c7c1d3a1", NULL);
    check_uuid("6f1e1b6e-27a5-4d6c-9f43-0d5c7c1d3a101", NULL);
    check_uuid("../../../../etc/passwd", NULL);
    check_uuid("6f1e1b6e-27a5-4d6c-9f43-0d5c7c1d3a1/", NULL);
    check_uuid("", NULL);

    g_autofree char *path = vgpu_domain_socket_path("/run/vgpud", canonical);
    assert_string_equal(path, "/run/vgpud/vm/6f1e1b6e-27a5-4d6c-9f43-0d5c7c1d3a10.sock");
}

static void test_edit(void **state)
{
    g_autoptr(VgpuEdit) edit = vgpu_edit_new();

    (void)state;
    vgpu_edit_replace(edit, 4, 6, "");
    vgpu_edit_replace(edit, 6, 6, "x");
    vgpu_edit_replace(edit, 0, 1, "A");
    vgpu_edit_replace(edit, 4, 4, "1"); /* goes before what is replaced there */
    vgpu_edit_replace(edit, 6, 6, "y");
    g_autofree char *changed = vgpu_edit_apply(edit, "abcdefgh", 8);
    assert_string_equal(changed, "Abcd1xygh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_spans_far_away),
        cmocka_unit_test(test_line_and_lead),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_a_wrong_element_beside_a_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
