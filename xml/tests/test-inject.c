/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The promises of vgpu-inject.h, on the examples (argv[1]), on libvirt's own formatting (argv[2])
 * and on some thousand domains written in every way that XML allows. */
#include <string.h>

#include "inject-helpers.h"
#include "vgpu-domain.h"

static const char *examples, *data;

static char *load(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static char *take_out(const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *removed = vgpu_domain_xml_remove(xml, strlen(xml), &error);

    if (removed == NULL)
        fail_msg("%s\n  gives: %s", xml, error->message);
    return removed;
}

static void assert_has_not(const char *xml, const char *text)
{
    if (strstr(xml, text) != NULL)
        fail_msg("%s\n  has: %s", xml, text);
}

/* All promises for one domain without anything of ours. */
static void check_promises(const char *xml)
{
    const VgpuInjection other = {"/usr/local/q&<x>'/qemu", "/run/o,t&h'e\"r/vm/2.sock",
                                 4294967295u};
    g_autofree char *injected = inject_as(xml, &usual);
    g_autofree char *again = inject_as(injected, &usual);
    g_autofree char *removed = take_out(injected);
    g_autofree char *changed = inject_as(injected, &other);
    g_autofree char *changed_at_once = inject_as(xml, &other);
    g_autofree char *changed_removed = take_out(changed);
    g_autofree char *untouched = take_out(xml);
    g_autoptr(VgpuDomain) domain = NULL;

    assert_string_not_equal(injected, xml);
    assert_string_equal(again, injected);
    assert_string_equal(removed, xml);
    assert_string_equal(changed, changed_at_once);
    assert_string_equal(changed_removed, xml);
    assert_string_equal(untouched, xml);

    assert_true(vgpu_domain_parse(changed, strlen(changed), &domain, NULL));
    assert_string_equal(domain->device->emulator, other.emulator);
    assert_string_equal(domain->device->socket_path, other.socket_path);
    assert_int_equal(domain->device->vm_id, other.vm_id);
    assert_int_equal(domain->device->pool, domain->config->pool);
    assert_int_equal(domain->device->priority, domain->config->priority);
}

static void test_examples(void **state)
{
    static const char *const names[] = {"demo.xml", "limits.xml", "pc.xml", "persistent-q35.xml",
                                        "with-foreign-args.xml"};

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *xml = load(examples, names[i]);
        check_promises(xml);
    }
}

/* Each was dumped by libvirt 9.0, injected, defined, and dumped again. */
static void test_libvirt_format(void **state)
{
    static const char *const names[] = {"libvirt-q35", "libvirt-pc", "libvirt-foreign"};

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *before_name = g_strconcat(names[i], ".xml", NULL);
        g_autofree char *after_name = g_strconcat(names[i], "-injected.xml", NULL);
        g_autofree char *before = load(data, before_name);
        g_autofree char *after = load(data, after_name);
        g_autoptr(VgpuDomain) domain = NULL;

        check_promises(before);
        assert_true(vgpu_domain_parse(after, strlen(after), &domain, NULL));
        assert_string_equal(domain->device->original_emulator, "/usr/bin/qemu-system-x86_64");
        const VgpuInjection same = {usual.emulator, domain->device->socket_path, 1};
        g_autofree char *unchanged = inject_as(after, &same);
        g_autofree char *removed = take_out(after);
        assert_string_equal(unchanged, after);
        assert_string_equal(removed, before);
    }
}

/* Parts of a domain, each written in several ways. */
static const char *const emulators[] = {
    "",
    "\n    <emulator>/usr/bin/qemu</emulator>",
    "<emulator>/usr/bin/qemu</emulator>",
    "\n    <emulator>\n      /usr/bin/q&amp;&#x41;\n    </emulator >",
    "\n    <emulator a='1'\n><![CDATA[/usr/bin/<qemu>]]></emulator>",
    "\n    <emulator/>",
    "\n    <!-- c --> <emulator><!-- d -->/usr/bin/qemu</emulator> <!-- e -->",
    "\n    <disk/>\n    <emulator>/a</emulator>\n\n    <emulator>/b</emulator>",
    "\n    <emulator>/opt/vgpud/qemu-system-x86_64</emulator>",
};
static const char *const commandlines[] = {
    "",
    "\n  <qemu:commandline xmlns:qemu='" QEMU_NS "'/>",
    "\n  <qemu:commandline xmlns:qemu='" QEMU_NS "'></qemu:commandline>",
    "\n  <qemu:commandline xmlns:qemu='" QEMU_NS "'>\n  </qemu:commandline>",
    "\n  <q:commandline xmlns:q=\"" QEMU_NS "\">\n\t<!-- c -->\n  </q:commandline>",
    "<commandline xmlns='" QEMU_NS "'><arg value='-S'/> <env name='A'/><!-- c --></commandline>",
    "\n  <q:commandline xmlns:q='" QEMU_NS "'>\n    <q:arg value='-device'/>\n"
    "      <q:arg value='edu,addr=1f'/>\n    </q:commandline>",
    "\n  <qemu:override xmlns:qemu='" QEMU_NS "'/>\n  <foreign:x xmlns:foreign='urn:x'/>",
};
static const char *const devices[] = {
    "\n  <devices>%s\n  </devices>",
    "\n  <devices>%s</devices>",
    "\n  <devices>%s\n    <address/>\n  </devices>",
    "\n  <devices/>\n  <devices>\n%s\n  </devices>",
};
static const char *const domains[] = {
    "<domain type='kvm'>\n  <metadata>\n    " CONFIG "\n  </metadata>\n"
    "  <os>\n    <type>hvm</type>\n  </os>%s%s\n</domain>\n",
    "<?xml version='1.0'?>\n<domain xmlns:qemu='" QEMU_NS "' type=\"qemu\">\n<metadata>\n" CONFIG
    "\n</metadata>\n<os><type machine='q35'>hvm</type></os>%s%s</domain><!-- end -->",
    "\xef\xbb\xbf<domain type='kvm'><metadata><x xmlns='urn:x'>\n</x>" CONFIG "<y xmlns='urn:y'/>"
    "</metadata><os><type machine='pc'>hvm</type></os>%s%s\n<!-- last --></domain>",
    /* The prefix that libvirt uses, for a namespace that is nearly QEMU's. */
    "<domain type='kvm' xmlns:qemu='http://libvirt-org/schemas/domain/qemu/1.0'>\n<metadata>" CONFIG
    "</metadata><os><type>hvm</type></os>%s%s\n<qemu:commandline/></domain>",
};

/* @text with each "\n" as @newline and each space of indentation as @space. */
static char *reformat(const char *text, const char *newline, const char *space)
{
    GString *out = g_string_new(NULL);
    gboolean is_indentation = TRUE;

    for (const char *c = text; *c != '\0'; c++) {
        is_indentation = *c == '\n' || (is_indentation && *c == ' ');
        if (*c == '\n')
            g_string_append(out, newline);
        else if (is_indentation)
            g_string_append(out, space);
        else
            g_string_append_c(out, *c);
    }
    return g_string_free(out, FALSE);
}

static void check_reformatted(const char *domain, const char *part, const char *commandline)
{
    g_auto(GStrv) pieces = g_strsplit(domain, "%s", 3);
    g_autofree char *xml = g_strconcat(pieces[0], part, pieces[1], commandline, pieces[2], NULL);
    static const char *const styles[][2] = {{"\n", " "}, {"\r\n", " "}, {"\n", "\t"},  {"\n", ""},
                                            {"", ""},    {" ", " "},    {"\n\n", "  "}};

    for (gsize i = 0; i < G_N_ELEMENTS(styles); i++) {
        g_autofree char *styled = reformat(xml, styles[i][0], styles[i][1]);
        check_promises(styled);
    }
}

static void test_every_form(void **state)
{
    (void)state;
    for (gsize d = 0; d < G_N_ELEMENTS(domains); d++) {
        for (gsize c = 0; c < G_N_ELEMENTS(commandlines); c++) {
            check_reformatted(domains[d], "", commandlines[c]);
            check_reformatted(domains[d], "\n  <devices/>", commandlines[c]);
            for (gsize i = 0; i < G_N_ELEMENTS(devices) * G_N_ELEMENTS(emulators); i++) {
                g_auto(GStrv) around = g_strsplit(devices[i % G_N_ELEMENTS(devices)], "%s", 2);
                g_autofree char *part =
                    g_strconcat(around[0], emulators[i / G_N_ELEMENTS(devices)], around[1], NULL);
                check_reformatted(domains[d], part, commandlines[c]);
            }
        }
    }
}

static void test_other_errors(void **state)
{
    g_autofree char *xml = domain_with("pc", "", "");
    g_autofree char *long_path = g_strnfill(108, '/');
    const VgpuInjection bad[] = {
        {"qemu", usual.socket_path, 1},   {"/a\nb", usual.socket_path, 1},
        {"/a\xff", usual.socket_path, 1}, {"", usual.socket_path, 1},
        {usual.emulator, "vm/1.sock", 1}, {usual.emulator, long_path, 1},
        {usual.emulator, "/a\x01", 1},
    };

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        check_error(xml, &bad[i], VGPU_XML_ERROR_ARGUMENT, "the path of the ");
    check_error("<domain type='kvm'/>", &usual, VGPU_XML_ERROR_NO_ELEMENT, "pool=\"A\"");
    check_error("<domain", &usual, VGPU_XML_ERROR_PARSE, "line 1: ");
    check_error("<domain type='kvm'><metadata><v:vgpu xmlns:v='" VGPU_XML_NAMESPACE
                "' pool='?'/></metadata></domain>",
                &usual, VGPU_XML_ERROR_CONFIG, "attribute 'pool' is '?'");
}

/* virt-clone copies our arguments and our state; uuid, and so the socket, are others. */
static void test_clone(void **state)
{
    g_autofree char *origin = load(data, "libvirt-foreign-injected.xml");
    g_autofree char *before = load(data, "libvirt-foreign.xml");
    g_autofree char *clone = inject_as(origin, &usual);
    g_autofree char *removed = take_out(clone);

    (void)state;
    assert_has(origin, "path=/run/vgpud/vm/3b9d1c7e");
    assert_has_not(clone, "path=/run/vgpud/vm/3b9d1c7e");
    assert_has(clone, "socket,id=vgpuchr0,path=/run/vgpud/vm/1.sock,reconnect=1");
    assert_has(clone, "null,id=nul0");
    assert_string_equal(removed, before);
}

/* Foreign arguments with ids or texts like ours are not ours; ours are, in any notation. */
static void test_whose_arguments(void **state)
{
    static const char foreign[] = DEVICE("edu,id=vgpuchr0") ARG("-chardev") ARG("null,id=vgpu0")
        ARG("-name") ARG("id=vgpu0") DEVICE("edu,note=id=vgpu0") DEVICE("{\"id\":[\"vgpu0\"]}");
    g_autofree char *xml = domain_with("pc", "", foreign);
    g_autofree char *mixed =
        domain_with("pc", "",
                    DEVICE("vgpu-stub,id=vgpu0") "<qemu:arg value='-S'/>" ARG("--chardev")
                        ARG("socket,path=/x,id=vgpuchr0"));
    g_autofree char *removed = take_out(mixed);
    g_autofree char *only_foreign = domain_with("pc", "", "<qemu:arg value='-S'/>");

    (void)state;
    check_promises(xml);
    assert_string_equal(removed, only_foreign);
}

/* @xml with @text before the first @place. */
static char *insert_before(const char *xml, const char *place, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(xml, place, 2);

    assert_int_equal(g_strv_length(parts), 2);
    return g_strconcat(parts[0], text, place, parts[1], NULL);
}

/* What the administrator has put into elements of ours stays, and so does what it needs. */
static void test_foreign_in_ours(void **state)
{
    g_autofree char *original = load(data, "libvirt-q35.xml");
    g_autofree char *injected = load(data, "libvirt-q35-injected.xml");
    g_autofree char *with_arg =
        insert_before(injected, "</qemu:commandline>", "  <qemu:arg value='-S'/>\n  ");
    g_autofree char *with_arg_removed = take_out(with_arg);
    g_autofree char *with_override = insert_before(injected, "</domain>", "  <qemu:override/>\n");
    g_autofree char *with_override_removed = take_out(with_override);
    static const char no_devices[] =
        "<domain type='kvm'>\n<metadata>" CONFIG "</metadata><os><type>hvm</type></os>\n</domain>";
    g_autofree char *devices_injected = inject_as(no_devices, &usual);
    g_autofree char *with_disk = insert_before(devices_injected, "</devices>", "<disk/>");
    g_autofree char *with_disk_removed = take_out(with_disk);

    (void)state;
    assert_has(with_arg_removed, "<domain type='qemu' xmlns:qemu='" QEMU_NS "'>");
    assert_has(with_arg_removed, "<qemu:arg value='-S'/>\n  </qemu:commandline>\n</domain>");
    assert_has_not(with_arg_removed, "vgpu0");
    assert_has(with_override_removed, "<domain type='qemu' xmlns:qemu='" QEMU_NS "'>");
    assert_has(with_override_removed, "<qemu:override/>");
    assert_has_not(with_override_removed, "commandline");
    assert_has_not(original, "xmlns:qemu");
    assert_has(with_disk_removed, "<devices><disk/></devices>\n</domain>");
}

/* Ours in two elements is not right, although libvirt would read it so. */
static void test_ours_torn_apart(void **state)
{
    g_autofree char *xml = domain_with("pc", "", "");
    g_autofree char *injected = inject_as(xml, &usual);
    g_autofree char *torn =
        insert_before(injected, ARG("-device"), "</qemu:commandline><qemu:commandline>");
    g_autofree char *again = inject_as(torn, &usual);

    (void)state;
    assert_has(again,
               "vm-id\":3}'/>\n    </qemu:commandline><qemu:commandline></qemu:commandline>");
}

/* The administrator changed the emulator after us: theirs is the original from then on. */
static void test_emulator_changed(void **state)
{
    g_autofree char *xml = domain_with("q35", "<emulator>/usr/bin/first</emulator>", "");
    g_autofree char *injected = inject_as(xml, &usual);
    g_auto(GStrv) parts = g_strsplit(injected, "<emulator>/opt/vgpud/qemu-system-x86_64", 2);
    g_autofree char *changed = g_strjoinv("<emulator>/usr/bin/second", parts);
    g_autofree char *removed = take_out(changed);
    g_autofree char *again = inject_as(changed, &usual);
    g_autofree char *again_removed = take_out(again);

    (void)state;
    assert_has(removed, "<emulator>/usr/bin/second</emulator>");
    assert_has_not(removed, "vgpustate");
    assert_has(again, "emulator=\"/usr/bin/second\"");
    assert_string_equal(again_removed, removed);
}

/* The state was lost by hand: what stands there is ours, so it is no original to go back to. */
static void test_state_lost(void **state)
{
    g_autofree char *xml = domain_with("q35", "<emulator>/usr/bin/first</emulator>", "");
    g_autofree char *injected = inject_as(xml, &usual);
    char *begin = strstr(injected, "\n    <vgpustate:state");
    char *end = strstr(begin, "/>") + 2;

    (void)state;
    memmove(begin, end, strlen(end) + 1);
    g_autofree char *again = inject_as(injected, &usual);
    g_autofree char *removed = take_out(again);
    assert_has(again, "<vgpustate:state");
    assert_has_not(again, "emulator=\"");
    assert_has_not(removed, "<emulator>"); /* libvirt will choose one */
}

static void test_state_damaged(void **state)
{
    static const char xml[] =
        "<domain type='kvm'><metadata><s:state xmlns:s='" VGPU_XML_STATE_NAMESPACE
        "' installed='/a' element='&lt;emulator>'/></metadata><devices><emulator>/a</emulator>"
        "</devices></domain>";
    g_autoptr(GError) error = NULL;
    g_autofree char *removed = vgpu_domain_xml_remove(xml, strlen(xml), &error);

    (void)state;
    assert_null(removed);
    assert_has(error->message, "write the right <emulator> into the domain");
}

/* Removal does not need a valid element: that may be why it is done. */
static void test_remove_with_invalid_element(void **state)
{
    g_autofree char *xml = load(data, "libvirt-pc-injected.xml");
    g_auto(GStrv) parts = g_strsplit(xml, "pool=\"B\"", 2);
    g_autofree char *invalid = g_strjoinv("pool=\"??\"", parts);
    g_autofree char *removed = take_out(invalid);

    (void)state;
    assert_has(removed, "pool=\"??\"");
    assert_has_not(removed, "vgpu0");
    assert_has_not(removed, "qemu:");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_libvirt_format),
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_other_errors),
        cmocka_unit_test(test_foreign_in_ours),
        cmocka_unit_test(test_ours_torn_apart),
        cmocka_unit_test(test_clone),
        cmocka_unit_test(test_whose_arguments),
        cmocka_unit_test(test_emulator_changed),
        cmocka_unit_test(test_state_lost),
        cmocka_unit_test(test_state_damaged),
        cmocka_unit_test(test_remove_with_invalid_element),
    };

    if (argc != 3)
        return 2;
    examples = argv[1];
    data = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
