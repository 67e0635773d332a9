/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
/* 10.0 moved it. */
#if __has_include("qobject/qdict.h")
#include "qobject/qdict.h"
#else
#include "qapi/qmp/qdict.h"
#endif

#include "vgpu-guest.h"

void vgpu_guest_map(VgpuGuest *g)
{
    g_free(g->device);
    g->device = qpci_device_find(g->bus, QPCI_DEVFN(VGPU_TEST_SLOT, 0));
    g_assert_nonnull(g->device);
    qpci_device_enable(g->device);
    g->bar = qpci_iomap(g->device, 0, &g->bar_size);
}

static VgpuGuest *guest_new(char *arguments)
{
    VgpuGuest *g = g_new0(VgpuGuest, 1);

    g->qts = qtest_init(arguments);
    g->bus = qpci_new_pc(g->qts, NULL);
    g_free(arguments);
    vgpu_guest_map(g);
    return g;
}

VgpuGuest *vgpu_guest_new(const char *properties)
{
    return guest_new(g_strdup_printf("-machine pc -device vgpu-stub,id=vgpu0,addr=%d.0%s",
                                     VGPU_TEST_SLOT, properties));
}

VgpuGuest *vgpu_guest_new_linked_with(const char *properties)
{
    VgpuMediator *mediator = vgpu_mediator_new();
    VgpuGuest *g = guest_new(g_strdup_printf("-machine pc "
                                             "-chardev socket,id=chr0,path=%s,reconnect=1 "
                                             "-device vgpu-stub,id=vgpu0,addr=%d.0,chardev=chr0,"
                                             "pool=C,priority=low,vm-id=7%s",
                                             mediator->path, VGPU_TEST_SLOT, properties));

    g->mediator = mediator;
    return g;
}

VgpuGuest *vgpu_guest_new_linked(void)
{
    return vgpu_guest_new_linked_with("");
}

VgpuGuest *vgpu_guest_new_served(void)
{
    VgpuGuest *g = vgpu_guest_new_linked();

    vgpu_mediator_accept(g->mediator, NULL);
    vgpu_guest_serve(g, 100, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    return g;
}

void vgpu_guest_reset(VgpuGuest *g)
{
    qtest_qmp_assert_success(g->qts, "{'execute': 'system_reset'}");
    qtest_qmp_eventwait(g->qts, "RESET");
    vgpu_guest_map(g);
}

void vgpu_guest_free(VgpuGuest *g)
{
    g_free(g->device);
    qpci_free_pc(g->bus);
    qtest_quit(g->qts);
    if (g->mediator != NULL) {
        vgpu_mediator_free(g->mediator);
    }
    g_free(g);
}

uint32_t vgpu_guest_read(VgpuGuest *g, uint64_t offset)
{
    return qpci_io_readl(g->device, g->bar, offset);
}

void vgpu_guest_write(VgpuGuest *g, uint64_t offset, uint32_t value)
{
    qpci_io_writel(g->device, g->bar, offset, value);
}

void vgpu_guest_wait(VgpuGuest *g, uint64_t offset, uint32_t value)
{
    int64_t end = g_get_monotonic_time() + VGPU_TEST_PATIENCE_S * G_USEC_PER_SEC;
    uint32_t seen;

    do {
        seen = vgpu_guest_read(g, offset);
    } while (seen != value && g_get_monotonic_time() < end);
    g_assert_cmphex(seen, ==, value);
}

void vgpu_guest_serve(VgpuGuest *g, uint32_t vm_id, uint32_t error, uint32_t timeout_ms)
{
    vgpu_mediator_send_state(g->mediator, vm_id, error, timeout_ms);
    vgpu_guest_wait(g, VGPU_REG_VM_ID, vm_id);
}

void vgpu_guest_submit(VgpuGuest *g, uint8_t first, uint32_t length)
{
    for (uint32_t i = 0; i < length && i < VGPU_BUFFER_SIZE; i++) {
        qpci_io_writeb(g->device, g->bar, VGPU_REQUEST_BUFFER + i, (uint8_t)(first + i));
    }
    vgpu_guest_write(g, VGPU_REG_REQUEST_LEN, length);
    vgpu_guest_write(g, VGPU_REG_DOORBELL, 1);
}

void vgpu_guest_expect_error(VgpuGuest *g, uint32_t error)
{
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_ERROR);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_ERROR_CODE), ==, error);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_RESPONSE_LEN), ==, VGPU_HEADER_SIZE);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_RESPONSE_BUFFER), ==, VGPU_PROTOCOL_VERSION);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_RESPONSE_BUFFER + 4), ==, error);
    for (uint32_t i = 8; i < VGPU_BUFFER_SIZE; i += 4) {
        g_assert_cmphex(vgpu_guest_read(g, VGPU_RESPONSE_BUFFER + i), ==, 0);
    }
}

void vgpu_guest_round_trip(VgpuGuest *g, uint8_t first)
{
    VgpuTestRequest request;
    uint8_t response[VGPU_BUFFER_SIZE];

    vgpu_guest_write(g, VGPU_REG_REQUEST_ID, 0x1000u + first);
    vgpu_guest_submit(g, first, 100u + first);
    vgpu_worker_receive(g->mediator, &request);
    g_assert_cmpuint(request.header.length, ==, 100u + first);
    g_assert_cmphex(request.header.request_id, ==, 0x1000u + first);
    for (uint32_t i = 0; i < request.header.length; i++) {
        g_assert_cmphex(request.body[i], ==, (uint8_t)(first + i));
    }
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_ERROR_CODE), ==, 0);

    for (uint32_t i = 0; i < sizeof(response); i++) {
        response[i] = first ^ i;
    }
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, response,
                        50 + first);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_ERROR_CODE), ==, 0);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_RESPONSE_LEN), ==, 50 + first);
    for (uint32_t i = 0; i < VGPU_BUFFER_SIZE; i++) {
        g_assert_cmphex(qpci_io_readb(g->device, g->bar, VGPU_RESPONSE_BUFFER + i), ==,
                        i < 50u + first ? (uint8_t)(first ^ i) : 0);
    }
}

void vgpu_guest_expect_reply(QDict *reply, const char *error)
{
    if (error == NULL) {
        g_assert_true(qdict_haskey(reply, "return"));
    } else {
        const char *description;

        g_assert_true(qdict_haskey(reply, "error"));
        description = qdict_get_str(qdict_get_qdict(reply, "error"), "desc");
        g_test_message("%s", description);
        g_assert_nonnull(strstr(description, error));
    }
    qobject_unref(reply);
}
