/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a device hands over with its greeting, and what a hostile one might. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link-fixture.h"
#include "vgpu-hash.h"

#define SHM_SIZE (1u << 20)
#define SEALS    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* What a device with queues sends, and how to spoil it. */
typedef struct {
    guint32 queues;
    int seals;
    off_t size;
    int flags;            /* how the memory is opened */
    guint hello_fds;      /* descriptors with HELLO */
    guint32 bad_queue;    /* which message is spoilt, */
    guint queue_fds;      /* how many descriptors it brings, */
    guint32 index;        /* the number in it, */
    gboolean pipe;        /* whether one of them is a pipe, */
    gboolean fds_at_last; /* and whether they come with its last byte */
} Greeting;

static const Greeting fine = {.queues = 3,
                              .seals = SEALS,
                              .size = SHM_SIZE,
                              .flags = O_RDWR,
                              .hello_fds = 1,
                              .bad_queue = 1,
                              .queue_fds = 2,
                              .index = 1};

static int make_memory(const Greeting *greeting)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, greeting->size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, greeting->seals), 0);
    if (greeting->flags == O_RDWR)
        return fd;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int other = open(path, greeting->flags | O_CLOEXEC);
    assert_true(other >= 0);
    close(fd);
    return other;
}

static void deliver_greeting(Fixture *fixture, const Greeting *greeting)
{
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    const struct vgpu_link_message hello = {.type = VGPU_LINK_HELLO,
                                            .hello = {.link_version = VGPU_LINK_VERSION,
                                                      .capabilities = VGPU_CAP_QUEUES,
                                                      .pool = 'A',
                                                      .queues = fine.queues,
                                                      .shm_size = SHM_SIZE,
                                                      .protocol_hash = VGPU_PROTOCOL_HASH}};
    int ends[2], memory = make_memory(greeting);
    const int memories[] = {memory, memory, memory};

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    deliver_with(fixture, bytes, vgpu_link_encode(&hello, bytes, sizeof(bytes)), memories,
                 greeting->hello_fds);
    for (guint32 i = 0; i < greeting->queues; i++) {
        gboolean bad = i == greeting->bad_queue;
        const struct vgpu_link_message queue = {.type = VGPU_LINK_QUEUE,
                                                .queue = {.index = bad ? greeting->index : i}};
        gsize length = vgpu_link_encode(&queue, bytes, sizeof(bytes));
        gsize first = bad && greeting->fds_at_last ? length - 1 : 0;
        /* Their first counts tell which is which. */
        int fds[] = {eventfd(100 + i, EFD_CLOEXEC), eventfd(200 + i, EFD_CLOEXEC), ends[0]};

        if (first > 0)
            deliver_with(fixture, bytes, first, NULL, 0);
        const int swapped[] = {fds[0], ends[0], fds[1]};
        deliver_with(fixture, bytes + first, length - first, bad && greeting->pipe ? swapped : fds,
                     bad ? greeting->queue_fds : 2);
        close(fds[0]);
        close(fds[1]);
    }
    close(ends[0]);
    close(ends[1]);
    close(memory);
}

static guint count_descriptors(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    while (g_dir_read_name(folder) != NULL)
        count++;
    return count;
}

static void test_queues(void **state)
{
    Fixture *fixture = *state;
    Greeting greeting = fine;
    const guint before = count_descriptors();
    guint64 value;

    greeting.fds_at_last = TRUE; /* of one message, in two parts: no harm */
    deliver_greeting(fixture, &greeting);
    assert_false(fixture->closed);
    assert_int_equal(fixture->greetings, 1);
    const VgpuShare *share = vgpu_device_link_share(fixture->link);
    assert_int_equal(vgpu_share_queues(share), 3);
    assert_int_equal(vgpu_share_size(share), SHM_SIZE);
    assert_int_equal(fcntl(vgpu_share_descriptors(share)[0], F_GET_SEALS), SEALS);
    for (guint i = 0; i < 3; i++) {
        for (guint j = 0; j < 2; j++) {
            int fd = vgpu_share_descriptors(share)[1 + 2 * i + j];
            assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
            assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
            assert_int_equal(value, 100 * (j + 1) + i);
        }
    }
    assert_int_equal(count_descriptors(), before + 7);
    g_clear_pointer(&fixture->link, vgpu_device_link_free);
    assert_int_equal(count_descriptors(), before - 1); /* the link's own went, too */
}

static void test_a_queue_too_few(void **state)
{
    Fixture *fixture = *state;
    Greeting greeting = fine;

    greeting.queues = 2;
    deliver_greeting(fixture, &greeting);
    assert_false(fixture->closed);
    assert_int_equal(fixture->greetings, 0); /* it waits for the third */
}

static void test_a_queue_too_many(void **state)
{
    Fixture *fixture = *state;
    Greeting greeting = fine;

    greeting.queues = 4;
    deliver_greeting(fixture, &greeting);
    assert_int_equal(fixture->greetings, 1);
    assert_closed(fixture, "where none was due");
}

static void test_no_queues_and_a_descriptor(void **state)
{
    Fixture *fixture = *state;
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    const guint before = count_descriptors();
    int fd = eventfd(0, EFD_CLOEXEC);

    deliver_with(fixture, bytes, put_hello(bytes, VGPU_LINK_VERSION), &fd, 1);
    close(fd);
    assert_closed(fixture, "1 descriptors with HELLO where 0 were due");
    assert_int_equal(count_descriptors(), before - 1);
}

static void test_hostile_descriptors(void **state)
{
    static const struct {
        Greeting greeting;
        const char *reason;
    } cases[] = {
#define CASE(seals, size, flags, hello_fds, queue_fds, index, pipe, reason)                        \
    {{3, seals, size, flags, hello_fds, 1, queue_fds, index, pipe, FALSE}, reason}
        CASE(0, SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "not sealed"),
        CASE(SEALS & ~F_SEAL_SHRINK, SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "not sealed"),
        CASE(SEALS & ~F_SEAL_GROW, SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "not sealed"),
        CASE(SEALS & ~F_SEAL_SEAL, SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "not sealed"),
        CASE(SEALS | F_SEAL_WRITE, SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "not sealed"),
        CASE(SEALS | F_SEAL_FUTURE_WRITE, SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "not sealed"),
        CASE(SEALS, SHM_SIZE - 1, O_RDWR, 1, 2, 1, FALSE, "another size"),
        CASE(SEALS, 0, O_RDWR, 1, 2, 1, FALSE, "another size"),
        CASE(SEALS, 2 * SHM_SIZE, O_RDWR, 1, 2, 1, FALSE, "another size"),
        CASE(SEALS, SHM_SIZE, O_RDONLY, 1, 2, 1, FALSE, "cannot be written"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 0, 2, 1, FALSE, "0 descriptors with HELLO where 1"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 2, 2, 1, FALSE, "2 descriptors with HELLO where 1"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 3, 2, 1, FALSE, "more descriptors"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 0, 1, FALSE, "0 descriptors with a queue"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 1, 1, FALSE, "1 descriptors with a queue"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 3, 1, FALSE, "more descriptors"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 2, 0, FALSE, "twice, or out of its turn"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 2, 2, FALSE, "twice, or out of its turn"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 2, 63, FALSE, "twice, or out of its turn"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 2, 64, FALSE, "malformed"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 2, G_MAXUINT32, FALSE, "malformed"),
        CASE(SEALS, SHM_SIZE, O_RDWR, 1, 2, 1, TRUE, "no eventfd"),
#undef CASE
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const guint before = count_descriptors();
        void *fixture = NULL;

        assert_int_equal(fixture_set_up(&fixture), 0);
        deliver_greeting(fixture, &cases[i].greeting);
        assert_int_equal(((Fixture *)fixture)->greetings, 0);
        assert_closed(fixture, cases[i].reason);
        fixture_tear_down(&fixture);
        assert_int_equal(count_descriptors(), before);
    }
    (void)state;
}

/* A file that is as large, and a folder: neither has seals. */
static void test_memory_that_is_none(void **state)
{
    Fixture *fixture = *state;
    const struct vgpu_link_message hello = {.type = VGPU_LINK_HELLO,
                                            .hello = {.link_version = VGPU_LINK_VERSION,
                                                      .capabilities = VGPU_CAP_QUEUES,
                                                      .pool = 'A',
                                                      .queues = 1,
                                                      .shm_size = SHM_SIZE,
                                                      .protocol_hash = VGPU_PROTOCOL_HASH}};
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    g_autofree char *path = g_strdup("/tmp/vgpu-link-XXXXXX");
    int fd = g_mkstemp(path);

    unlink(path);
    assert_int_equal(ftruncate(fd, SHM_SIZE), 0);
    deliver_with(fixture, bytes, vgpu_link_encode(&hello, bytes, sizeof(bytes)), &fd, 1);
    close(fd);
    assert_closed(fixture, "not sealed");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_queues),
        TEST(test_a_queue_too_few),
        TEST(test_a_queue_too_many),
        TEST(test_no_queues_and_a_descriptor),
        cmocka_unit_test(test_hostile_descriptors),
        TEST(test_memory_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
