/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link-fixture.h"
#include "vgpu-bytes.h"
#include "vgpu-hash.h"

static void test_hello(void **state)
{
    Fixture *fixture = *state;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];

    deliver(fixture, bytes, put_hello(bytes, VGPU_LINK_VERSION));
    assert_int_equal(fixture->greetings, 1);
    assert_int_equal(fixture->hello.vm_id, 5);
    assert_false(fixture->closed);
}

static void test_hello_byte_by_byte(void **state)
{
    Fixture *fixture = *state;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    gsize length = put_hello(bytes, VGPU_LINK_VERSION);

    for (gsize i = 0; i < length; i++) {
        assert_int_equal(fixture->greetings, 0);
        deliver(fixture, bytes + i, 1);
    }
    assert_int_equal(fixture->greetings, 1);
}

static void test_garbage(void **state)
{
    deliver(*state, "GET / HTTP/1.0\r\n\r\n", 18);
    assert_closed(*state, "no message");
}

static void test_a_second_hello(void **state)
{
    Fixture *fixture = *state;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    gsize length = put_hello(bytes, VGPU_LINK_VERSION);

    deliver(fixture, bytes, length);
    deliver(fixture, bytes, length);
    assert_int_equal(fixture->greetings, 1);
    assert_closed(fixture, "none was due");
}

static void test_too_long_a_message(void **state)
{
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];

    put_hello(bytes, VGPU_LINK_VERSION);
    vgpu_put32(bytes + 8, VGPU_LINK_MAX_PAYLOAD + 1);
    deliver(*state, bytes, 16);
    assert_closed(*state, "no message");
}

static void test_vgpuds_own_message(void **state)
{
    const struct vgpu_link_message message = {.type = VGPU_LINK_CHANNEL};
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];

    deliver(*state, bytes, vgpu_link_encode(&message, bytes, sizeof(bytes)));
    assert_closed(*state, "malformed");
}

/* Both the log and QEMU are told the same, and QEMU what to do. */
static void assert_refused(Fixture *fixture)
{
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message message;
    gssize got = recv(fixture->peer, bytes, sizeof(bytes), 0);

    assert_true(vgpu_link_decode(bytes, (gsize)got, &message));
    assert_int_equal(message.type, VGPU_LINK_REFUSE);
    assert_non_null(strstr(message.refuse.text, fixture->reason));
    assert_non_null(strstr(message.refuse.text, "restart the VM"));
    assert_int_equal(recv(fixture->peer, bytes, sizeof(bytes), 0), 0);
}

static void test_another_version_is_told(void **state)
{
    Fixture *fixture = *state;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];

    deliver(fixture, bytes, put_hello(bytes, VGPU_LINK_VERSION + 1));
    assert_closed(fixture, "speaks version 3 of the device link, vgpud version 2");
    assert_refused(fixture);
}

static void test_another_protocol_is_told(void **state)
{
    Fixture *fixture = *state;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    gsize length = put_hello(bytes, VGPU_LINK_VERSION);
    g_autofree char *ours =
        g_strdup_printf("vgpud with %016" G_GINT64_MODIFIER "x", (guint64)VGPU_PROTOCOL_HASH);

    vgpu_put64(bytes + 56, 0x1234);
    deliver(fixture, bytes, length);
    assert_closed(fixture, "protocol 0000000000001234");
    assert_closed(fixture, ours);
    assert_refused(fixture);
}

static void test_end_of_file(void **state)
{
    Fixture *fixture = *state;

    shutdown(fixture->peer, SHUT_RDWR);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    assert_true(fixture->closed);
    assert_null(fixture->reason);
}

static void test_a_descriptor_travels(void **state)
{
    Fixture *fixture = *state;
    char space[CMSG_SPACE(sizeof(int))];
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    struct iovec vector = {bytes, sizeof(bytes)};
    struct msghdr header = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    int ends[2], received;

    assert_int_equal(pipe(ends), 0);
    assert_true(vgpu_device_link_send_channel(fixture->link, ends[1]));
    close(ends[1]);
    assert_int_equal(recvmsg(fixture->peer, &header, 0), sizeof(struct vgpu_link_header));
    memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(int));
    assert_int_equal(write(received, "x", 1), 1);
    assert_int_equal(read(ends[0], bytes, 1), 1);
    close(received);
    close(ends[0]);
}

static void test_a_peer_that_does_not_read(void **state)
{
    Fixture *fixture = *state;
    const struct vgpu_link_state announcement = {.pool = 'A', .timeout_ms = 1};
    guint sent = 0;

    while (sent < 1000000 && vgpu_device_link_send_state(fixture->link, &announcement))
        sent++;
    assert_in_range(sent, 100, 999999);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_hello),
        TEST(test_hello_byte_by_byte),
        TEST(test_garbage),
        TEST(test_a_second_hello),
        TEST(test_too_long_a_message),
        TEST(test_vgpuds_own_message),
        TEST(test_another_version_is_told),
        TEST(test_another_protocol_is_told),
        TEST(test_end_of_file),
        TEST(test_a_descriptor_travels),
        TEST(test_a_peer_that_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
