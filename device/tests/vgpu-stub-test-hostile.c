/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QTest of vgpu-stub: what neither a mediator, nor a worker, nor a guest should do. */
#include "qemu/osdep.h"

#include <sys/socket.h>

#include "vgpu-guest.h"
#include "vgpu-stub-test.h"

static void test_malformed_packets(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    const struct {
        struct vgpu_channel_header header;
        size_t length;
    } cases[] = {
        {{}, 1},
        {{.type = VGPU_CHANNEL_RESPONSE}, sizeof(struct vgpu_channel_header) - 1},
        {{.type = VGPU_CHANNEL_RESPONSE, .length = 1}, sizeof(struct vgpu_channel_header)},
        {{.type = VGPU_CHANNEL_RESPONSE}, sizeof(struct vgpu_channel_header) + 1},
        {{.type = VGPU_CHANNEL_RESPONSE, .length = UINT32_MAX}, VGPU_CHANNEL_MAX_PACKET},
        {{.type = VGPU_CHANNEL_RESPONSE, .length = 1024}, VGPU_CHANNEL_MAX_PACKET + 1},
        {{.type = VGPU_CHANNEL_RESPONSE, .length = 1025}, VGPU_CHANNEL_MAX_PACKET + 1},
        {{.type = VGPU_CHANNEL_RESPONSE, .length = 3976}, 4000},
        {{.type = VGPU_CHANNEL_RESPONSE, .error = VGPU_ERROR_COUNT},
         sizeof(struct vgpu_channel_header)},
        {{.type = VGPU_CHANNEL_REQUEST, .length = 8}, sizeof(struct vgpu_channel_header) + 8},
        {{.type = VGPU_CHANNEL_READY}, sizeof(struct vgpu_channel_header)},
        {{.type = VGPU_CHANNEL_WAITS, .error = 1}, sizeof(struct vgpu_channel_header)},
        {{.type = 5}, sizeof(struct vgpu_channel_header)},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vgpu_channel_header header = cases[i].header;
        VgpuTestRequest request;
        uint8_t packet[4000] = {};

        vgpu_guest_submit(g, i, 32);
        vgpu_worker_receive(g->mediator, &request);
        header.sequence = request.header.sequence;
        vgpu_channel_encode(&header, packet);
        g_assert_cmpint(send(g->mediator->worker, packet, cases[i].length, 0), ==, cases[i].length);
        vgpu_guest_expect_error(g, VGPU_ERROR_EXECUTION_FAILED);
        vgpu_worker_expect_close(g->mediator);
        vgpu_mediator_send_channel(g->mediator);
        vgpu_guest_round_trip(g, i);
    }
    vgpu_guest_free(g);
}

/* Sends garbage on the control link; the device hangs up, and comes back. */
static void expect_rejected(VgpuGuest *g, const void *bytes, size_t length, int fd)
{
    static uint32_t vm_id = 5000;
    VgpuTestRequest request;

    vgpu_guest_submit(g, 1, 32);
    vgpu_worker_receive(g->mediator, &request);
    vgpu_mediator_send(g->mediator, bytes, length, fd);
    vgpu_guest_expect_error(g, VGPU_ERROR_UNAVAILABLE);
    vgpu_mediator_expect_hang_up(g->mediator);
    vgpu_mediator_accept(g->mediator, NULL);
    vgpu_guest_serve(g, vm_id++, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_round_trip(g, 1);
}

static void test_malformed_messages(void)
{
    VgpuGuest *g = vgpu_guest_new_served();
    uint8_t bytes[VGPU_LINK_MAX_MESSAGE] = {};
    struct vgpu_link_message message = {.type = VGPU_LINK_CHANNEL};
    unsigned descriptors;
    int pair[2];

    vgpu_guest_round_trip(g, 1);
    descriptors = vgpu_mediator_count_descriptors(g->mediator);
    expect_rejected(g, "GET / HTTP/1.0\r\n\r\n", 18, -1);
    vgpu_link_encode(&message, bytes, sizeof(bytes));
    expect_rejected(g, bytes, sizeof(struct vgpu_link_header), -1); /* no descriptor */
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    expect_rejected(g, bytes, sizeof(struct vgpu_link_header), pair[0]); /* the wrong kind */
    close(pair[0]);
    close(pair[1]);
    bytes[4] = 99; /* unknown type */
    expect_rejected(g, bytes, sizeof(struct vgpu_link_header), -1);
    bytes[8] = 0xff; /* longer than any message */
    bytes[9] = 0xff;
    expect_rejected(g, bytes, sizeof(struct vgpu_link_header), -1);

    message.type = VGPU_LINK_STATE;
    message.state = (struct vgpu_link_state){.pool = 'a', .timeout_ms = 1};
    expect_rejected(g, bytes, vgpu_link_encode(&message, bytes, sizeof(bytes)), -1);
    message.state = (struct vgpu_link_state){.pool = 'A', .timeout_ms = 0};
    expect_rejected(g, bytes, vgpu_link_encode(&message, bytes, sizeof(bytes)), -1);
    message.type = VGPU_LINK_HELLO;
    message.hello = (struct vgpu_link_hello){.link_version = VGPU_LINK_VERSION, .pool = 'A'};
    expect_rejected(g, bytes, vgpu_link_encode(&message, bytes, sizeof(bytes)), -1);
    message.type = VGPU_LINK_QUEUE;
    message.queue = (struct vgpu_link_queue){};
    expect_rejected(g, bytes, vgpu_link_encode(&message, bytes, sizeof(bytes)), -1);
    g_assert_cmpuint(vgpu_mediator_count_descriptors(g->mediator), ==, descriptors);
    vgpu_guest_free(g);
}

static void test_split_messages(void)
{
    VgpuGuest *g = vgpu_guest_new_linked();
    const struct vgpu_link_message state = {
        .type = VGPU_LINK_STATE,
        .state = {.pool = 'Z', .vm_id = 321, .timeout_ms = 60000},
    };
    const struct vgpu_link_message channel = {.type = VGPU_LINK_CHANNEL};
    uint8_t bytes[2 * VGPU_LINK_MAX_MESSAGE];
    size_t length = vgpu_link_encode(&state, bytes, sizeof(bytes));
    int pair[2];

    vgpu_mediator_accept(g->mediator, NULL);
    for (size_t i = 0; i < length; i++) {
        vgpu_mediator_send(g->mediator, bytes + i, 1, -1);
    }
    vgpu_guest_wait(g, VGPU_REG_VM_ID, 321);
    g_assert_cmphex(vgpu_guest_read(g, VGPU_REG_POOL_ID), ==, 'Z');

    /* Two messages at once; the descriptor is the second one's. */
    length += vgpu_link_encode(&channel, bytes + length, sizeof(bytes) - length);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), ==, 0);
    vgpu_mediator_send(g->mediator, bytes, length, pair[0]);
    close(pair[0]);
    g->mediator->worker = pair[1];
    vgpu_guest_round_trip(g, 10);

    /* A descriptor that nobody asked for is closed. */
    length = vgpu_link_encode(&state, bytes, sizeof(bytes));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), ==, 0);
    vgpu_mediator_send(g->mediator, bytes, length, pair[0]);
    close(pair[0]);
    g_assert_cmpint(recv(pair[1], bytes, 1, 0), ==, 0);
    close(pair[1]);
    vgpu_guest_round_trip(g, 11);
    vgpu_guest_free(g);
}

/* Accesses of every size all over BAR0, with values that registers know and others. */
static void test_random_accesses(void)
{
    VgpuGuest *g = vgpu_guest_new_served();

    vgpu_guest_serve(g, 1, VGPU_ERROR_NONE, 1);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned shift = g_test_rand_int_range(0, 4);
        /* Half of them hit the sixteen registers. */
        uint64_t end = g_test_rand_bit() ? VGPU_REQUEST_BUFFER : VGPU_BAR0_SIZE;
        uint64_t offset = (uint64_t)g_test_rand_int_range(0, end >> shift) << shift;
        uint32_t value = g_test_rand_bit() ? g_test_rand_int_range(0, 4) : g_test_rand_int();

        switch (g_test_rand_bit() ? shift : 4 + shift) {
        case 0:
            qpci_io_writeb(g->device, g->bar, offset, value);
            break;
        case 1:
            qpci_io_writew(g->device, g->bar, offset, value);
            break;
        case 2:
            qpci_io_writel(g->device, g->bar, offset, value);
            break;
        case 3:
            qpci_io_writeq(g->device, g->bar, offset, (uint64_t)g_test_rand_int() << 32 | value);
            break;
        case 4:
            qpci_io_readb(g->device, g->bar, offset);
            break;
        case 5:
            qpci_io_readw(g->device, g->bar, offset);
            break;
        case 6:
            qpci_io_readl(g->device, g->bar, offset);
            break;
        default:
            qpci_io_readq(g->device, g->bar, offset);
            break;
        }
    }

    /* It still works. */
    vgpu_guest_serve(g, 2, VGPU_ERROR_NONE, 60000);
    vgpu_mediator_send_channel(g->mediator);
    vgpu_guest_serve(g, 3, VGPU_ERROR_NONE, 60000);
    while (vgpu_guest_read(g, VGPU_REG_STATUS) == VGPU_STATUS_BUSY) {
        g_usleep(1000);
    }
    vgpu_guest_round_trip(g, 1);
    vgpu_guest_free(g);
}

void vgpu_add_hostile_tests(void)
{
    qtest_add_func("/vgpu-stub/hostile/worker", test_malformed_packets);
    qtest_add_func("/vgpu-stub/hostile/mediator", test_malformed_messages);
    qtest_add_func("/vgpu-stub/hostile/split-messages", test_split_messages);
    qtest_add_func("/vgpu-stub/hostile/guest", test_random_accesses);
}
