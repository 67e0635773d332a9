/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QTest of vgpu-stub: the control link and the channel. */
#include "qemu/osdep.h"

#include <sys/socket.h>

#include "hw/vgpu/vgpu-bytes.h"
#include "vgpu-guest.h"
#include "vgpu-stub-test.h"

static void test_handshake(void)
{
    VgpuGuest *g = vgpu_guest_new_linked();
    struct vgpu_link_hello hello;

    vgpu_mediator_accept(g->mediator, &hello);
    g_assert_cmpuint(hello.link_version, ==, VGPU_LINK_VERSION);
    g_assert_cmphex(hello.protocol_version, ==, VGPU_PROTOCOL_VERSION);
    g_assert_cmphex(hello.capabilities, ==, vgpu_guest_read(g, VGPU_REG_CAPABILITIES));
    g_assert_cmpuint(hello.pool, ==, 'C');
    g_assert_cmpuint(hello.priority, ==, VGPU_PRIORITY_LOW);
    g_assert_cmpuint(hello.vm_id, ==, 7);

    /* Connected, but nobody has said yet that the VM is served. */
    vgpu_guest_submit(g, 0, 32);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);

    vgpu_guest_serve(g, 12, VGPU_ERROR_NONE, 60000);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_POOL_ID), ==, 'B');
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_PRIORITY), ==, VGPU_PRIORITY_HIGH);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 1);
    vgpu_guest_free(g);
}

static void test_requests(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;
    uint64_t sequence;

    /* Falling lengths: nothing of a longer response stays. */
    for (unsigned i = 255; i > 0; i -= 51) {
        vgpu_guest_round_trip(g, i);
    }

    /* The whole buffer, both ways; then the next number, and an error of the worker's. */
    vgpu_guest_submit(g, 5, VGPU_BUFFER_SIZE);
    vgpu_worker_receive(g->mediator, &request);
    sequence = request.header.sequence;
    vgpu_worker_respond(g->mediator, sequence, VGPU_ERROR_NONE, request.body, VGPU_BUFFER_SIZE);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_RESPONSE_LEN), ==, VGPU_BUFFER_SIZE);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_RESERVED - 4), ==,
                    vgpu_get32(request.body + VGPU_BUFFER_SIZE - 4));

    vgpu_guest_submit(g, 6, 1);
    vgpu_worker_receive(g->mediator, &request);
    g_assert_cmpuint(request.header.sequence, ==, sequence + 1);
    vgpu_worker_respond(g->mediator, sequence + 1, VGPU_ERROR_UNSUPPORTED, "error", 5);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_ERROR);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_ERROR_CODE), ==, VGPU_ERROR_UNSUPPORTED);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_RESPONSE_LEN), ==, 5);

    /* An error without a response gets one; success without a response is an empty one. */
    vgpu_guest_submit(g, 7, 1);
    vgpu_worker_respond(g->mediator, sequence + 2, VGPU_ERROR_RATE_LIMITED, "", 0);
    vgpu_guest_expect_error(g, VGPU_ERROR_RATE_LIMITED);
    vgpu_guest_submit(g, 7, 1);
    vgpu_worker_respond(g->mediator, sequence + 3, VGPU_ERROR_NONE, "", 0);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    g_assert_cmpuint(vgpu_guest_read(g, VGPU_REG_RESPONSE_LEN), ==, 0);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_RESPONSE_BUFFER), ==, 0);
    vgpu_guest_free(g);
}

static void test_busy(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    vgpu_guest_submit(g, 1, 40);
    vgpu_worker_receive(g->mediator, &request);
    for (unsigned i = 0; i < 3; i++) {
        vgpu_guest_submit(g, 99, i == 0 ? 50 : 0);
        g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);
        g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_ERROR_CODE), ==, VGPU_ERROR_QUEUE_FULL);
    }
    /* A response to a request that never was changes nothing. */
    vgpu_worker_respond(g->mediator, request.header.sequence + 1, VGPU_ERROR_NONE, "late", 4);
    vgpu_worker_respond(g->mediator, request.header.sequence - 1, VGPU_ERROR_NONE, "late", 4);
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "fine", 4);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_ERROR_CODE), ==, VGPU_ERROR_NONE);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_RESPONSE_BUFFER), ==, vgpu_get32((uint8_t *)"fine"));
    vgpu_guest_round_trip(g, 2);
    vgpu_guest_free(g);
}

static void test_kept_request(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    vgpu_worker_die(g->mediator);
    vgpu_guest_submit(g, 9, 64);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_worker_receive(g->mediator, &request);
    g_assert_cmpuint(request.header.length, ==, 64);
    g_assert_cmphex(request.body[0], ==, 9);
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "", 0);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    vgpu_guest_free(g);
}

static void test_worker_dies(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_worker_die(g->mediator);
    vgpu_guest_expect_error(g, VGPU_ERROR_EXECUTION_FAILED);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 3);

    /* A last word before the end counts. */
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "", 0);
    vgpu_worker_die(g->mediator);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    vgpu_guest_free(g);
}

static void test_replace_channel(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;
    int old;

    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    old = dup(g->mediator->worker); /* the old worker lives on */
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_expect_error(g, VGPU_ERROR_EXECUTION_FAILED);
    g_assert_cmpint(recv(old, &request, sizeof(request), 0), ==, 0);
    close(old);
    vgpu_guest_round_trip(g, 4);
    vgpu_guest_free(g);
}

static void test_full_channel(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request = {};
    const unsigned submitted = 20;
    unsigned received = 0;
    uint64_t last = 0;

    /* A worker that does not read, and a guest whose requests time out: soon nothing fits. */
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 1);
    vgpu_guest_write(g, VGPU_REG_REQUEST_LEN, VGPU_BUFFER_SIZE);
    for (unsigned i = 0; i < submitted; i++) {
        vgpu_guest_write(g, VGPU_REG_DOORBELL, 1);
        vgpu_guest_expect_error(g, VGPU_ERROR_TIMEOUT);
    }
    vgpu_guest_serve(g, 2, VGPU_ERROR_NONE, 60000);
    vgpu_guest_submit(g, 77, 10);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);

    /* The worker wakes up: the live request follows, those that are over do not. */
    while (request.header.length != 10) {
        vgpu_worker_receive(g->mediator, &request);
        g_assert_cmpuint(request.header.sequence, >, last);
        last = request.header.sequence;
        received++;
    }
    g_assert_cmpuint(received, <, submitted);
    vgpu_worker_respond(g->mediator, last, VGPU_ERROR_NONE, "", 0);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);
    vgpu_guest_round_trip(g, 12);
    vgpu_guest_free(g);
}

static void test_reconnect(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    struct vgpu_link_hello hello;
    VgpuTestRequest request;

    /* In the middle of a request, */
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_mediator_hang_up(g->mediator);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);
    vgpu_worker_expect_close(g->mediator);
    vgpu_guest_submit(g, 1, 32);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);

    /* HELLO says what the properties said; the guest sees what STATE says. */
    vgpu_mediator_accept(g->mediator, &hello);
    g_assert_cmpuint(hello.pool, ==, 'C');
    g_assert_cmpuint(hello.vm_id, ==, 7);
    vgpu_guest_serve(g, 200, VGPU_ERROR_NONE, 60000);

    /* and while a request waits for a worker. */
    vgpu_guest_submit(g, 1, 32);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);
    vgpu_mediator_hang_up(g->mediator);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);

    vgpu_mediator_accept(g->mediator, NULL);
    vgpu_guest_serve(g, 201, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 5);
    vgpu_guest_free(g);
}

static void test_refuse(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    /* Without closing: the device must not go on serving. */
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_mediator_send_refuse(g->mediator, "a test of\nthe refusal");
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);
    vgpu_worker_expect_close(g->mediator);
    vgpu_guest_submit(g, 1, 32);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);
    vgpu_mediator_hang_up(g->mediator);

    vgpu_mediator_accept(g->mediator, NULL);
    vgpu_guest_serve(g, 101, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 6);
    vgpu_guest_free(g);
}

static void test_state_error(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    for (uint32_t error = 1; error < VGPU_ERROR_COUNT; error++) {
        vgpu_guest_serve(g, 1000 + error, error, 60000);
        vgpu_guest_submit(g, 1, 32);
        vgpu_guest_expect_error(g, error);
    }
    /* The length comes first. */
    vgpu_guest_submit(g, 1, 0);
    vgpu_guest_expect_error(g, VGPU_ERROR_INVALID_LENGTH);

    /* What the worker has goes on; what waits for a worker does not. */
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 60000);
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_guest_serve(g, 2, VGPU_ERROR_QUARANTINED, 60000);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "", 0);
    vgpu_guest_wait(g, VGPU_REG_STATUS, VGPU_STATUS_DONE);

    vgpu_guest_serve(g, 3, VGPU_ERROR_NONE, 60000);
    vgpu_worker_die(g->mediator);
    vgpu_guest_submit(g, 1, 32);
    vgpu_mediator_send_state(g->mediator, 4, VGPU_ERROR_QUARANTINED, 60000);
    vgpu_guest_expect_error(g, VGPU_ERROR_QUARANTINED);
    vgpu_guest_free(g);
}

static void test_timeout(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    /* With a worker that says nothing; its answer comes too late. */
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 50);
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_guest_expect_error(g, VGPU_ERROR_TIMEOUT);
    vgpu_guest_serve(g, 2, VGPU_ERROR_NONE, 60000);
    vgpu_worker_respond(g->mediator, request.header.sequence, VGPU_ERROR_NONE, "late", 4);
    vgpu_guest_round_trip(g, 7);

    /* Without a worker. */
    vgpu_guest_serve(g, 3, VGPU_ERROR_NONE, 50);
    vgpu_worker_die(g->mediator);
    vgpu_guest_submit(g, 1, 32);
    vgpu_guest_expect_error(g, VGPU_ERROR_TIMEOUT);

    /* It is gone for good: the next worker does not get it. */
    vgpu_guest_serve(g, 4, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 8);
    vgpu_guest_free(g);
}

static void test_waits(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    VgpuTestRequest request;

    /* The deadline begins with the last WAITS: a far one, once STATE has made it so. */
    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 1000);
    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_guest_serve(g, 2, VGPU_ERROR_NONE, 600000);
    vgpu_worker_waits(g->mediator, request.header.sequence + 1); /* another's: dropped */
    vgpu_worker_waits(g->mediator, request.header.sequence);
    g_usleep(1500 * 1000); /* beyond the first deadline: it is that nothing happens */
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_STATUS), ==, VGPU_STATUS_BUSY);

    /* It still ends: by the new deadline, if the worker says nothing more. */
    vgpu_guest_serve(g, 3, VGPU_ERROR_NONE, 50);
    vgpu_worker_waits(g->mediator, request.header.sequence);
    vgpu_guest_expect_error(g, VGPU_ERROR_TIMEOUT);

    /* After that it is nobody's. */
    vgpu_worker_waits(g->mediator, request.header.sequence);
    vgpu_guest_serve(g, 4, VGPU_ERROR_NONE, 60000);
    vgpu_guest_round_trip(g, 7);
    vgpu_guest_free(g);
}

void vgpu_add_link_tests(void)
{
    qtest_add_func("/vgpu-stub/link/waits", test_waits);
    qtest_add_func("/vgpu-stub/link/handshake", test_handshake);
    qtest_add_func("/vgpu-stub/link/requests", test_requests);
    qtest_add_func("/vgpu-stub/link/busy", test_busy);
    qtest_add_func("/vgpu-stub/link/kept-request", test_kept_request);
    qtest_add_func("/vgpu-stub/link/worker-dies", test_worker_dies);
    qtest_add_func("/vgpu-stub/link/replace-channel", test_replace_channel);
    qtest_add_func("/vgpu-stub/link/full-channel", test_full_channel);
    qtest_add_func("/vgpu-stub/link/reconnect", test_reconnect);
    qtest_add_func("/vgpu-stub/link/refuse", test_refuse);
    qtest_add_func("/vgpu-stub/link/state-error", test_state_error);
    qtest_add_func("/vgpu-stub/link/timeout", test_timeout);
}
