/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VgpuHost over libvirt's test driver: the way from an event to a definition. The driver lives in
 * this process, so a second connection makes the events. It drops <qemu:commandline>: what a
 * libvirt that does not keep our device looks like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "host-libvirt.h"

#define UUID    "11111111-1111-4111-8111-111111111111"
#define ELEMENT "<vgpu:vgpu xmlns:vgpu='https://vgpud.org/xmlns/domain/1.0' pool='%s'/>"

static const char DOMAIN_XML[] = "<domain type='test'><name>vm</name><uuid>" UUID "</uuid>"
                                 "<metadata>" ELEMENT "</metadata><memory>131072</memory>"
                                 "<os><type arch='x86_64'>hvm</type></os></domain>";

typedef struct {
    GString *log; /* callbacks and log lines, one line each */
    GMutex lock;  /* log lines come from the worker thread too */
} Fixture;

static Fixture fixture;

static void say(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void say(const char *format, ...)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fixture.lock);
    va_list arguments;

    va_start(arguments, format);
    g_string_append_vprintf(fixture.log, format, arguments);
    va_end(arguments);
    g_string_append_c(fixture.log, '\n');
    g_main_context_wakeup(NULL);
}

static GLogWriterOutput write_log(GLogLevelFlags level G_GNUC_UNUSED, const GLogField *fields,
                                  gsize count, gpointer data G_GNUC_UNUSED)
{
    for (gsize i = 0; i < count; i++) {
        if (g_str_equal(fields[i].key, "MESSAGE"))
            say("log %s", (const char *)fields[i].value);
    }
    return G_LOG_WRITER_HANDLED;
}

static void on_connected(gboolean connected, const char *detail, gpointer data)
{
    VgpuHost **host = data;

    assert_int_equal(vgpu_host_is_connected(*host), connected);
    assert_non_null(strstr(vgpu_host_describe(*host), detail));
    say("connected %d %s", connected, detail);
}

static void on_scanned(gpointer data G_GNUC_UNUSED)
{
    say("scanned");
}

static gboolean give_up(gpointer line)
{
    fail_msg("waited in vain for '%s' in:\n%s", (const char *)line, fixture.log->str);
    return G_SOURCE_REMOVE;
}

/* Runs the main loop until @line has come up, and forgets everything up to it. */
static void await(const char *line)
{
    guint timer = g_timeout_add_seconds(10, give_up, (gpointer)line);
    char *found;

    do {
        g_mutex_lock(&fixture.lock);
        found = strstr(fixture.log->str, line);
        if (found != NULL)
            g_string_erase(fixture.log, 0, found - fixture.log->str + strlen(line));
        g_mutex_unlock(&fixture.lock);
    } while (found == NULL && (g_main_context_iteration(NULL, TRUE), TRUE));
    g_source_remove(timer);
}

static void expect_never(const char *line)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fixture.lock);

    assert_null(strstr(fixture.log->str, line));
}

static void create(VgpuHost **host, const char *uri)
{
    const VgpuHostOptions options = {
        .uri = uri,
        .emulator = "/opt/vgpu/qemu",
        .run_dir = "/run/vgpud",
    };
    const VgpuHostListener listener = {
        .connected = on_connected,
        .scanned = on_scanned,
    };

    *host = vgpu_host_new(&options, &listener, host);
    assert_false(vgpu_host_is_connected(*host));
}

static void start(VgpuHost **host, const char *uri)
{
    create(host, uri);
    vgpu_host_start(*host);
}

static void set_pool(virDomainPtr domain, const char *pool)
{
    g_autofree char *element =
        g_strdup_printf("<vgpu xmlns='https://vgpud.org/xmlns/domain/1.0' pool='%s'/>", pool);

    assert_int_equal(virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, element, "vgpu",
                                          VGPU_XML_NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG),
                     0);
}

static virDomainPtr define(virConnectPtr connection, const char *pool)
{
    g_autofree char *xml = g_strdup_printf(DOMAIN_XML, pool);
    virDomainPtr domain = virDomainDefineXML(connection, xml);

    assert_non_null(domain);
    return domain;
}

static void events_lead_to_looks(void **state)
{
    g_autoptr(VgpuHost) host = NULL;

    (void)state;
    start(&host, "test:///default");
    await("connected 1 test:///default, libvirt ");
    await("scanned");

    virConnectPtr connection = virConnectOpen("test:///default");
    assert_non_null(connection);
    virDomainPtr domain = define(connection, "a");
    await("log domain 'vm': line 5: <vgpu:vgpu> attribute 'pool' is 'a'");
    set_pool(domain, "b");
    await("attribute 'pool' is 'b'");

    /* Held: neither the changes nor the undefine are looked at before resume. */
    vgpu_host_hold(host, UUID);
    set_pool(domain, "xx");
    set_pool(domain, "yy");
    virDomainPtr other = virDomainLookupByName(connection, "test");
    assert_int_equal(virDomainSetMetadata(other, VIR_DOMAIN_METADATA_ELEMENT,
                                          "<vgpu xmlns='https://vgpud.org/xmlns/domain/1.0'/>",
                                          "vgpu", VGPU_XML_NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG),
                     0);
    await("log domain 'test': line ");
    expect_never("domain 'vm'");
    vgpu_host_resume(host, UUID);
    await("attribute 'pool' is 'yy'");
    expect_never("xx");

    /* The same complaint is not made twice; another domain's tells that the look is over. */
    set_pool(domain, "yy");
    set_pool(other, "zz");
    await("attribute 'pool' is 'zz'");
    expect_never("yy");

    assert_int_equal(virDomainSetMetadata(other, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL,
                                          VGPU_XML_NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG),
                     0);
    assert_int_equal(virDomainUndefine(domain), 0);
    virDomainFree(domain);
    virDomainFree(other);
    virConnectClose(connection);
}

static void a_late_stop_ends_no_hold(void **state)
{
    g_autoptr(VgpuHost) host = NULL;

    (void)state;
    virConnectPtr connection = virConnectOpen("test:///default");
    virDomainPtr domain = define(connection, "A");
    assert_int_equal(virDomainCreate(domain), 0);
    start(&host, "test:///default");
    await("scanned");

    vgpu_host_hold(host, UUID);
    assert_int_equal(virDomainDestroy(domain), 0);
    set_pool(domain, "xx");
    virDomainPtr other = virDomainLookupByName(connection, "test");
    set_pool(other, "zz");
    await("attribute 'pool' is 'zz'");
    assert_true(vgpu_host_is_held(host, UUID));
    expect_never("xx");
    assert_int_equal(virDomainCreate(domain), 0);
    await("attribute 'pool' is 'xx'");
    assert_false(vgpu_host_is_held(host, UUID));

    assert_int_equal(virDomainSetMetadata(other, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL,
                                          VGPU_XML_NAMESPACE, VIR_DOMAIN_AFFECT_CONFIG),
                     0);
    assert_int_equal(virDomainDestroy(domain), 0);
    assert_int_equal(virDomainUndefine(domain), 0);
    virDomainFree(domain);
    virDomainFree(other);
    virConnectClose(connection);
}

static void a_domain_that_cannot_have_it_is_named(void **state)
{
    g_autoptr(VgpuHost) host = NULL;

    (void)state;
    virConnectPtr connection = virConnectOpen("test:///default");
    virDomainPtr domain = define(connection, "A");
    start(&host, "test:///default");
    await("log domain 'vm': ");
    await("supported: kvm, qemu");
    assert_int_equal(virDomainUndefine(domain), 0);
    virDomainFree(domain);
    virConnectClose(connection);
}

static void on_done(const GError *error, gpointer what)
{
    say("%s: %s", (const char *)what, error != NULL ? error->message : "done");
}

static char *element_of(virDomainPtr domain)
{
    return virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, VGPU_XML_NAMESPACE,
                                VIR_DOMAIN_AFFECT_CONFIG);
}

static void orders_are_carried_out(void **state)
{
    const VgpuConfig config = {.pool = 'B', .priority = VGPU_PRIORITY_HIGH};
    g_autoptr(VgpuHost) host = NULL;

    (void)state;
    virConnectPtr connection = virConnectOpen("test:///default");
    virDomainPtr domain = define(connection, "A");
    create(&host, "test:///default");
    vgpu_host_set_element(host, "vm", &config, on_done, "early");
    vgpu_host_start(host);
    await("early: there is no connection to libvirt: test:///default: not connected yet");
    await("scanned");

    vgpu_host_set_element(host, "no such one", &config, on_done, "unknown");
    await("unknown: libvirt has no domain 'no such one'");
    vgpu_host_set_element(host, UUID, &config, NULL, NULL);
    vgpu_host_set_element(host, "vm", &config, on_done, "set");
    await("set: done");
    g_autofree char *element = element_of(domain);
    assert_non_null(strstr(element, "pool=\"B\""));
    assert_non_null(strstr(element, "priority=\"high\""));

    vgpu_host_hold(host, UUID);
    vgpu_host_set_element(host, UUID, NULL, on_done, "held");
    await("held: the domain is being started right now");
    vgpu_host_resume(host, UUID);
    vgpu_host_set_element(host, UUID, NULL, on_done, "taken out");
    await("taken out: done");
    assert_null(element_of(domain));

    assert_false(vgpu_host_is_detached(host));
    vgpu_host_detach_all(host, on_done, "detach");
    await("detach: done");
    assert_true(vgpu_host_is_detached(host));
    vgpu_host_attach_all(host, on_done, "attach");
    await("attach: done");
    assert_false(vgpu_host_is_detached(host));

    assert_int_equal(virDomainUndefine(domain), 0);
    virDomainFree(domain);
    virConnectClose(connection);
}

static void says_once_why_it_cannot_connect(void **state)
{
    g_autoptr(VgpuHost) host = NULL;

    (void)state;
    start(&host, "nonsense:///system");
    await("connected 0 ");
    assert_false(vgpu_host_is_connected(host));
    assert_non_null(strstr(vgpu_host_describe(host), "nonsense:///system: "));
}

static void ends_before_it_began(void **state)
{
    (void)state;
    for (guint i = 0; i < 20; i++) {
        g_autoptr(VgpuHost) host = NULL;

        start(&host, "test:///default");
    }
    /* None of the news that are still on their way is delivered. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    expect_never("connected");
}

static int setup(void **state G_GNUC_UNUSED)
{
    g_mutex_init(&fixture.lock);
    fixture.log = g_string_new(NULL);
    return 0;
}

static int teardown(void **state G_GNUC_UNUSED)
{
    g_string_free(fixture.log, TRUE);
    g_mutex_clear(&fixture.lock);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_lead_to_looks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_stop_ends_no_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_domain_that_cannot_have_it_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(orders_are_carried_out, setup, teardown),
        cmocka_unit_test_setup_teardown(says_once_why_it_cannot_connect, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_before_it_began, setup, teardown),
    };

    g_log_set_writer_func(write_log, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
