/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vgpu-hash.h"

static void on_hello(const struct vgpu_link_hello *hello, gpointer data)
{
    Fixture *fixture = data;

    fixture->greetings++;
    fixture->hello = *hello;
}

static void on_closed(const char *reason, gpointer data)
{
    Fixture *fixture = data;

    fixture->closed = TRUE;
    fixture->reason = g_strdup(reason);
    g_clear_pointer(&fixture->link, vgpu_device_link_free);
}

int fixture_set_up(void **state)
{
    static const VgpuDeviceLinkHandlers handlers = {on_hello, on_closed};
    Fixture *fixture = g_new0(Fixture, 1);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        return -1;
    fixture->peer = pair[1];
    fixture->link = vgpu_device_link_new(pair[0], &handlers, fixture);
    *state = fixture;
    return 0;
}

int fixture_tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->link, vgpu_device_link_free);
    close(fixture->peer);
    g_free(fixture->reason);
    g_free(fixture);
    return 0;
}

gsize put_hello(guint8 *bytes, guint32 version)
{
    const struct vgpu_link_message message = {.type = VGPU_LINK_HELLO,
                                              .hello = {.link_version = version,
                                                        .pool = 'A',
                                                        .priority = 2,
                                                        .vm_id = 5,
                                                        .protocol_hash = VGPU_PROTOCOL_HASH}};

    return vgpu_link_encode(&message, bytes, VGPU_LINK_MAX_MESSAGE);
}

void deliver_with(Fixture *fixture, const void *bytes, gsize length, const int *fds, guint n)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec vector = {(void *)bytes, length};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

    if (n > 0) {
        header.msg_control = control.space;
        header.msg_controllen = CMSG_SPACE(n * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
    }
    if (!fixture->closed)
        assert_int_equal(sendmsg(fixture->peer, &header, MSG_NOSIGNAL), length);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

void deliver(Fixture *fixture, const void *bytes, gsize length)
{
    deliver_with(fixture, bytes, length, NULL, 0);
}

void assert_closed(Fixture *fixture, const char *expected)
{
    assert_true(fixture->closed);
    assert_non_null(fixture->reason);
    if (strstr(fixture->reason, expected) == NULL)
        fail_msg("'%s' is not in '%s'", expected, fixture->reason);
}
