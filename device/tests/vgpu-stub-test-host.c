/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QTest of vgpu-stub: what the host does to the device. */
#include "qemu/osdep.h"
/* 10.0 moved them. */
#if __has_include("qobject/qdict.h")
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#else
#include "qapi/qmp/qdict.h"
#include "qapi/qmp/qlist.h"
#endif
#include "standard-headers/linux/pci_regs.h"

#include "vgpu-guest.h"
#include "vgpu-stub-test.h"

static void test_reset(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;
    const uint32_t defaults[16] = {
        [VGPU_REG_POOL_ID / 4] = 'B',
        [VGPU_REG_PRIORITY / 4] = VGPU_PRIORITY_HIGH,
        [VGPU_REG_VM_ID / 4] = 100,
        [VGPU_REG_PROTOCOL_VER / 4] = VGPU_PROTOCOL_VERSION,
        [VGPU_REG_CAPABILITIES / 4] = VGPU_CAP_BASIC | VGPU_CAP_INTERRUPT | VGPU_CAP_QUEUES,
    };

    /* With a completion that waits for the guest, and the next request under way. */
    vgpu_guest_write(g, VGPU_REG_INTERRUPT_CTRL, 1);
    vgpu_guest_write(g, VGPU_REG_SCRATCH, 1);
    vgpu_guest_round_trip(g, 1);
    g_assert_true(qpci_config_readw(g->device, PCI_STATUS) & PCI_STATUS_INTERRUPT);
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_guest_reset(g);

    g_assert_false(qpci_config_readw(g->device, PCI_STATUS) & PCI_STATUS_INTERRUPT);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(vgpu_guest_read(g, 4 * i), ==, defaults[i]);
    }
    for (unsigned i = VGPU_REQUEST_BUFFER; i < VGPU_REG_RESERVED; i += 4) {
        g_assert_cmphex(vgpu_guest_read(g, i), ==, 0);
    }

    /* The answer comes too late, also when the next request is there. The link has stayed. */
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "late", 4);
    vgpu_guest_round_trip(g, 2);
    g_assert_false(qpci_config_readw(g->device, PCI_STATUS) & PCI_STATUS_INTERRUPT);

    /* Numbers go on. */
    vgpu_guest_submit(g, 1, 32);
    vgpu_guest_reset(g);
    vgpu_worker_receive(g->mediator, &request);
    g_assert_cmpuint(request.header.sequence, ==, 4);
    vgpu_guest_free(g);
}

static void test_reset_of_kept_request(void)
{
    VgpuGuest *g = vgpu_guest_new_served();

    vgpu_worker_die(g->mediator);
    vgpu_guest_submit(g, 1, 32);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);
    vgpu_guest_reset(g);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_IDLE);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 2); /* the forgotten one is not sent before it */
    vgpu_guest_free(g);
}

static void test_stopped(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    qtest_qmp_assert_success(g->qts, "{'execute': 'stop'}");
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "", 0);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    qtest_qmp_assert_success(g->qts, "{'execute': 'cont'}");

    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 200);
    vgpu_guest_submit(g, 1, 32);
    qtest_qmp_assert_success(g->qts, "{'execute': 'stop'}");
    vgpu_guest_expect_error(g, VGPU_ERROR_TIMEOUT);
    qtest_qmp_assert_success(g->qts, "{'execute': 'cont'}");
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_ERROR);
    vgpu_guest_free(g);
}

static void test_properties(void)
{
    VgpuGuest *g = vgpu_guest_new("");
    static const char *const pools[] = {"", "a", "AB", "1", "[", "@", "A "};
    static const char *const priorities[] = {"", "urgent", "High", "2", "low "};

    for (unsigned i = 0; i < ARRAY_SIZE(pools); i++) {
        QDict *reply = qtest_qmp(g->qts,
                                 "{'execute': 'device_add', 'arguments': "
                                 "{'driver': 'vgpu-stub', 'id': 'bad', 'pool': %s}}",
                                 pools[i]);
        vgpu_guest_expect_reply(reply, "'vgpu-stub.pool' is one letter from A to Z, not '");
    }
    for (unsigned i = 0; i < ARRAY_SIZE(priorities); i++) {
        QDict *reply = qtest_qmp(g->qts,
                                 "{'execute': 'device_add', 'arguments': "
                                 "{'driver': 'vgpu-stub', 'id': 'bad', 'priority': %s}}",
                                 priorities[i]);
        vgpu_guest_expect_reply(reply, "'vgpu-stub.priority' is low, medium or high, not '");
    }
    qtest_qmp_device_add(g->qts, "vgpu-stub", "good", "{'pool': 'Z', 'priority': 'low'}");
    vgpu_guest_free(g);
}

static bool migration_is_blocked(VgpuGuest *g)
{
    QDict *reply = qtest_qmp(g->qts, "{'execute': 'query-migrate'}");
    QDict *result = qdict_get_qdict(reply, "return");
    bool blocked = qdict_haskey(result, "blocked-reasons") &&
                   !qlist_empty(qdict_get_qlist(result, "blocked-reasons"));

    qobject_unref(reply);
    return blocked;
}

static void test_migration(void)
{
    VgpuGuest *g = vgpu_guest_new("");

    vgpu_guest_expect_reply(
        qtest_qmp(g->qts, "{'execute': 'migrate', 'arguments': {'uri': 'exec:cat >/dev/null'}}"),
        "device 'vgpu0' (vgpu-stub) uses a GPU of this host");
    g_assert_true(migration_is_blocked(g));
    qpci_unplug_acpi_device_test(g->qts, "vgpu0", VGPU_TEST_SLOT);
    g_assert_false(migration_is_blocked(g));
    vgpu_guest_free(g);
}

static void test_hotplug(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    struct vgpu_link_hello hello;
    VgpuTestRequest request;
    unsigned descriptors;

    vgpu_guest_round_trip(g, 1);
    descriptors = vgpu_mediator_count_descriptors(g->mediator);
    for (unsigned i = 0; i < 3; i++) {
        /* Unplugged with a request under way. */
        vgpu_guest_submit(g, 1, 32);
        vgpu_worker_receive(g->mediator, &request);
        qpci_unplug_acpi_device_test(g->qts, "vgpu0", VGPU_TEST_SLOT);
        vgpu_mediator_expect_hang_up(g->mediator);
        vgpu_worker_expect_close(g->mediator);

        /* The chardev has stayed and serves the next device. */
        qtest_qmp_device_add(g->qts, "vgpu-stub", "vgpu0",
                             "{'addr': %s, 'chardev': 'chr0', 'vm-id': %u}",
                             stringify(VGPU_TEST_SLOT), 50 + i);
        vgpu_mediator_accept(g->mediator, &hello);
        g_assert_cmpuint(hello.vm_id, ==, 50 + i);
        g_assert_cmpuint(hello.pool, ==, 'A');
        vgpu_guest_map(g);
        vgpu_guest_serve(g, 60 + i, VGPU_ERROR_NONE, 60000);
        vgpu_mediator_send_channel(g->mediator);
        vgpu_guest_round_trip(g, i);
        vgpu_mediator_expect_descriptors(g->mediator, descriptors);
    }
    vgpu_guest_free(g);
}

void vgpu_add_host_tests(void)
{
    qtest_add_func("/vgpu-stub/host/reset", test_reset);
    qtest_add_func("/vgpu-stub/host/reset-of-kept-request", test_reset_of_kept_request);
    qtest_add_func("/vgpu-stub/host/stopped", test_stopped);
    qtest_add_func("/vgpu-stub/host/properties", test_properties);
    qtest_add_func("/vgpu-stub/host/migration", test_migration);
    qtest_add_func("/vgpu-stub/host/hotplug", test_hotplug);
}
