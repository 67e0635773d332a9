/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's element: one table that the C code and the RELAX NG schema (argv[1]) agree
 * on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>

#include "vgpu-config.h"

#define NS "xmlns:vgpu=\"" VGPU_XML_NAMESPACE "\""

/* An element that holds <limits> with these attributes. */
#define LIMITS(attributes) "<vgpu:vgpu " NS " pool='A'><vgpu:limits " attributes "/></vgpu:vgpu>"

static const char *schema;

/* A bad element has an error; that is what must be found in the message. */
static const struct {
    const char *element;
    char pool;
    enum vgpu_priority priority;
    const char *error;
} elements[] = {
    {"<vgpu:vgpu " NS " pool=\"A\"/>", 'A', VGPU_PRIORITY_MEDIUM, NULL},
    {"<vgpu:vgpu " NS " pool='Z' priority='low'/>", 'Z', VGPU_PRIORITY_LOW, NULL},
    {"<vgpu:vgpu " NS " pool='B' priority='medium'></vgpu:vgpu>", 'B', VGPU_PRIORITY_MEDIUM, NULL},
    {"<vgpu:vgpu " NS " priority='high' pool='B'>\n <!-- why --> </vgpu:vgpu>", 'B',
     VGPU_PRIORITY_HIGH, NULL},
    {"<vgpu xmlns='" VGPU_XML_NAMESPACE "' pool='&#65;'/>", 'A', VGPU_PRIORITY_MEDIUM, NULL},

    {"<vgpu:vgpu " NS "/>", 0, 0, "has no attribute 'pool'"},
    {"<vgpu:vgpu " NS " priority='low'/>", 0, 0, "has no attribute 'pool'"},
    {"<vgpu:vgpu " NS " pool=''/>", 0, 0, "attribute 'pool' is ''; allowed is one letter A to Z"},
    {"<vgpu:vgpu " NS " pool='a'/>", 0, 0, "attribute 'pool' is 'a'; allowed is one letter"},
    {"<vgpu:vgpu " NS " pool='AB'/>", 0, 0, "is 'AB'"},
    {"<vgpu:vgpu " NS " pool=' A'/>", 0, 0, "is ' A'"},
    {"<vgpu:vgpu " NS " pool='A '/>", 0, 0, "is 'A '"},
    {"<vgpu:vgpu " NS " pool='1'/>", 0, 0, "is '1'"},
    {"<vgpu:vgpu " NS " pool='&#xc4;'/>", 0, 0, "is '\xc3\x84'"},
    {"<vgpu:vgpu " NS " pool='A&#10;x'/>", 0, 0, "is 'A?x'"},
    {"<vgpu:vgpu " NS " pool='A' priority='urgent'/>", 0, 0,
     "attribute 'priority' is 'urgent'; allowed are 'low', 'medium' and 'high'"},
    {"<vgpu:vgpu " NS " pool='A' priority=''/>", 0, 0, "attribute 'priority' is ''"},
    {"<vgpu:vgpu " NS " pool='A' priority='High'/>", 0, 0, "is 'High'"},
    {"<vgpu:vgpu " NS " pool='A' priority=' high'/>", 0, 0, "is ' high'"},
    {"<vgpu:vgpu " NS " pool='A' priority='2'/>", 0, 0, "is '2'"},
    {"<vgpu:vgpu " NS " pool='A' quota='3'/>", 0, 0,
     "has an attribute 'quota'; allowed are 'pool' and 'priority'"},
    {"<vgpu:vgpu " NS " pool='A' vgpu:priority='low'/>", 0, 0, "an attribute 'vgpu:priority'"},
    {"<vgpu:vgpu " NS " vgpu:pool='A'/>", 0, 0, "has an attribute 'vgpu:pool'"},
    {"<vgpu:vgpu " NS " pool='A'>text</vgpu:vgpu>", 0, 0, "holds the text 'text'"},
    {"<vgpu:vgpu " NS " pool='A'><![CDATA[x]]></vgpu:vgpu>", 0, 0, "holds the text 'x'"},
    {"<vgpu:vgpu " NS " pool='A'><vgpu:quota/></vgpu:vgpu>", 0, 0,
     "<vgpu:vgpu> holds the element 'vgpu:quota'; only one element 'limits' may stand there"},
    {LIMITS("requests-per-second='50' burst='5'"), 'A', VGPU_PRIORITY_MEDIUM, NULL},
    {LIMITS("burst='1000000'"), 'A', VGPU_PRIORITY_MEDIUM, NULL},
    {LIMITS("requests-per-second='10000000'"), 'A', VGPU_PRIORITY_MEDIUM, NULL},
    {LIMITS(""), 'A', VGPU_PRIORITY_MEDIUM, NULL},
    {LIMITS("requests-per-second='10000001'"), 0, 0,
     "<vgpu:limits> attribute 'requests-per-second' is '10000001'; allowed is a number from 1 to"},
    {LIMITS("burst='0'"), 0, 0, "attribute 'burst' is '0'"},
    {LIMITS("burst='-1'"), 0, 0, "attribute 'burst' is '-1'"},
    {LIMITS("burst=''"), 0, 0, "attribute 'burst' is ''"},
    {LIMITS("burst='5.0'"), 0, 0, "attribute 'burst' is '5.0'"},
    {LIMITS("burst='99999999999999999999'"), 0, 0, "from 1 to 1000000"},
    {LIMITS("memory='5'"), 0, 0,
     "has an attribute 'memory'; allowed are requests-per-second, burst, device-time-percent, mem"},
    {LIMITS("device-time-percent='25' memory-mib='512' outstanding='32' handles='1000' "
            "shared-memory-mib='16' weight='200'"),
     'A', VGPU_PRIORITY_MEDIUM, NULL},
    {LIMITS("device-time-percent='100' memory-mib='1073741824' outstanding='65536' "
            "handles='1048576' shared-memory-mib='1048576' weight='10000'"),
     'A', VGPU_PRIORITY_MEDIUM, NULL},
    {LIMITS("device-time-percent='101'"), 0, 0, "from 1 to 100"},
    {LIMITS("memory-mib='1073741825'"), 0, 0, "'memory-mib' is '1073741825'"},
    {LIMITS("outstanding='65537'"), 0, 0, "from 1 to 65536"},
    {LIMITS("handles='1048577'"), 0, 0, "from 1 to 1048576"},
    {LIMITS("shared-memory-mib='1048577'"), 0, 0, "from 1 to 1048576"},
    {LIMITS("weight='10001'"), 0, 0, "from 1 to 10000"},
    {LIMITS("weight='0'"), 0, 0, "attribute 'weight' is '0'"},
    {"<vgpu:vgpu " NS " pool='A'><vgpu:limits>5</vgpu:limits></vgpu:vgpu>", 0, 0,
     "<vgpu:limits> holds the text '5'; it must be empty"},
    {"<vgpu:vgpu " NS " pool='A'><vgpu:limits/><vgpu:limits/></vgpu:vgpu>", 0, 0,
     "only one element 'limits'"},
    {"<vgpu:vgpu " NS " pool='A'><limits/></vgpu:vgpu>", 0, 0, "holds the element 'limits'"},
    {"<vgpu:gpu " NS " pool='A'/>", 0, 0, "<vgpu:gpu> is not known; the element's name is 'vgpu'"},
};

static char *domain_with(const char *metadata)
{
    return g_strdup_printf("<domain type='kvm'>\n<name>x</name>\n<metadata>\n%s\n</metadata>\n"
                           "<devices/></domain>",
                           metadata);
}

static void test_table(void **state)
{
    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
        g_autofree char *xml = domain_with(elements[i].element);
        g_autoptr(VgpuConfig) config = NULL;
        g_autoptr(GError) error = NULL;
        gboolean is_good = vgpu_config_from_domain_xml(xml, strlen(xml), &config, &error);

        if (elements[i].error == NULL) {
            assert_true(is_good);
            assert_int_equal(config->pool, elements[i].pool);
            assert_int_equal(config->priority, elements[i].priority);
            continue;
        }
        assert_false(is_good);
        assert_null(config);
        assert_true(g_error_matches(error, VGPU_XML_ERROR, VGPU_XML_ERROR_CONFIG));
        if (strstr(error->message, elements[i].error) == NULL)
            fail_msg("%s\n  gives: %s", elements[i].element, error->message);
        assert_true(g_str_has_prefix(error->message, "line 4: <vgpu:"));
        assert_null(strchr(error->message, '\n'));
    }
}

static void test_limits(void **state)
{
    (void)state;
    g_autofree char *xml = domain_with(LIMITS("requests-per-second='50' burst='5'"));
    g_autoptr(VgpuConfig) config = NULL;

    assert_true(vgpu_config_from_domain_xml(xml, strlen(xml), &config, NULL));
    assert_int_equal(config->limits[VGPU_LIMIT_RATE], 50);
    assert_int_equal(config->limits[VGPU_LIMIT_BURST], 5);

    /* What virDomainSetMetadata() is given; it adds the namespace. */
    g_autofree char *text = vgpu_config_format(config);
    assert_string_equal(text, "<vgpu pool=\"A\" priority=\"medium\"><limits "
                              "requests-per-second=\"50\" burst=\"5\"/></vgpu>");
    g_autoptr(VgpuConfig) other = vgpu_config_copy(config);
    assert_true(vgpu_config_equal(config, other));
    other->limits[VGPU_LIMIT_BURST] = 0;
    assert_false(vgpu_config_equal(config, other));
    g_autofree char *rate_only = vgpu_config_format(other);
    assert_string_equal(rate_only, "<vgpu pool=\"A\" priority=\"medium\"><limits "
                                   "requests-per-second=\"50\"/></vgpu>");
}

/* Every limit: what is read is what is written, and a difference in it is one. */
static void test_each_limit(void **state)
{
    (void)state;
    for (gsize i = 0; i < VGPU_LIMIT_COUNT; i++) {
        const struct vgpu_limit_info *info = vgpu_limit_info(i);
        VgpuConfig config = {.pool = 'A', .priority = VGPU_PRIORITY_HIGH};
        const VgpuConfig without = config;

        config.limits[i] = info->most;
        assert_false(vgpu_config_equal(&config, &without));
        g_autofree char *text = vgpu_config_format(&config);
        g_autofree char *expected =
            g_strdup_printf("<vgpu pool=\"A\" priority=\"high\"><limits %s=\"%u\"/></vgpu>",
                            info->name, info->most);
        assert_string_equal(text, expected);
        g_autofree char *element = g_strdup_printf(LIMITS("%s='%u'"), info->name, info->most);
        g_autofree char *xml = domain_with(element);
        g_autoptr(VgpuConfig) read = NULL;
        assert_true(vgpu_config_from_domain_xml(xml, strlen(xml), &read, NULL));
        assert_int_equal(read->limits[i], info->most);
    }
}

static void test_schema_agrees(void **state)
{
    (void)state;
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(schema);
    xmlRelaxNG *grammar = xmlRelaxNGParse(parser);

    assert_non_null(grammar);
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
        const char *text = elements[i].element;
        xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, 0);
        xmlRelaxNGValidCtxt *valid = xmlRelaxNGNewValidCtxt(grammar);

        xmlRelaxNGSetValidErrors(valid, NULL, NULL, NULL);
        if ((xmlRelaxNGValidateDoc(valid, doc) == 0) != (elements[i].error == NULL))
            fail_msg("the schema and the code do not agree on %s", text);
        xmlRelaxNGFreeValidCtxt(valid);
        xmlFreeDoc(doc);
    }
    xmlRelaxNGFree(grammar);
    xmlRelaxNGFreeParserCtxt(parser);
}

static void check(const char *xml, gboolean is_good, const char *expected)
{
    g_autoptr(VgpuConfig) config = NULL;
    g_autoptr(GError) error = NULL;

    assert_int_equal(vgpu_config_from_domain_xml(xml, strlen(xml), &config, &error), is_good);
    assert_null(config);
    if (!is_good && strstr(error->message, expected) == NULL)
        fail_msg("%s\n  gives: %s", xml, error->message);
}

static void test_absent(void **state)
{
    const char *const none[] = {
        "",
        "<vgpu pool='A'/>",
        "<vgpu:vgpu xmlns:vgpu='https://vgpud.org/xmlns/domain/9.0' pool='A'/>",
        /* Somebody else's copy, deeper in <metadata>. */
        "<b:backup xmlns:b='https://example.org/b'><vgpu:vgpu " NS " pool='?'/></b:backup>",
    };

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(none); i++) {
        g_autofree char *xml = domain_with(none[i]);
        check(xml, TRUE, NULL);
    }
    check("<domain/>", TRUE, NULL);
    check("<domain xmlns:vgpu='" VGPU_XML_NAMESPACE "'><metadata/></domain>", TRUE, NULL);
}

static void test_misplaced(void **state)
{
    g_autofree char *twice =
        domain_with("<vgpu:vgpu " NS " pool='A'/>\n<vgpu:vgpu " NS " pool='B'/>");

    (void)state;
    check(twice, FALSE, "line 5: <vgpu:vgpu> is a second element");
    check("<domain>\n<devices>\n<vgpu:vgpu " NS " pool='A'/></devices></domain>", FALSE,
          "line 3: <vgpu:vgpu> stands in <devices>");
    check("<domain><vgpu:vgpu " NS " pool='A'/></domain>", FALSE, "stands in <domain>");
    check("<domain><metadata/><metadata><vgpu:vgpu " NS "/></metadata></domain>", FALSE,
          "stands in <metadata>; its place is in the first");
}

static void test_equal(void **state)
{
    const VgpuConfig a = {'A', VGPU_PRIORITY_LOW}, b = {'B', VGPU_PRIORITY_LOW},
                     c = {'A', VGPU_PRIORITY_HIGH}, same = a;

    (void)state;
    assert_true(vgpu_config_equal(&a, &same));
    assert_false(vgpu_config_equal(&a, &b));
    assert_false(vgpu_config_equal(&a, &c));
    assert_false(vgpu_config_equal(&a, NULL));
    assert_true(vgpu_config_equal(NULL, NULL));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_schema_agrees), cmocka_unit_test(test_each_limit),
        cmocka_unit_test(test_absent),        cmocka_unit_test(test_misplaced),
        cmocka_unit_test(test_equal),
    };

    if (argc != 2)
        return 2;
    schema = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
