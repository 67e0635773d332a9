/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole worker that shares its device: the test is vgpud, QEMU and guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "lease.h"
#include "process.h"
#include "worker-exit.h"

#define GUARD_MS 60000 /* a test that waits this long has failed */
#define H(index) VGPU_HANDLE(index, 1)

typedef struct {
    int fds[4]; /* lease, eventfd, the worker's end of the pipe, trace */
    int wake;   /* our end of the pipe */
    VgpuLease *lease;
    Share share;
    Process process;
    Guest guest[2];
    struct vgpu_completion done;
} Fixture;

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);
    int ends[2];

    f->fds[0] = memfd_create("lease", MFD_CLOEXEC);
    assert_int_equal(ftruncate(f->fds[0], sizeof(VgpuLease)), 0);
    f->lease = mmap(NULL, sizeof(VgpuLease), PROT_READ | PROT_WRITE, MAP_SHARED, f->fds[0], 0);
    assert_true(f->lease != MAP_FAILED);
    f->fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    f->fds[2] = ends[0];
    f->wake = ends[1];
    f->fds[3] = memfd_create("trace", MFD_CLOEXEC);
    share_init(&f->share, 2);
    process_lend(f->fds);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    process_clear(&f->process);
    share_clear(&f->share);
    munmap(f->lease, sizeof(VgpuLease));
    for (guint i = 0; i < 4; i++)
        close(f->fds[i]);
    close(f->wake);
    g_free(f);
    return 0;
}

static void start(Fixture *f, const char *const *options)
{
    process_start_with_queues(&f->process, &f->share, options);
    for (guint i = 0; i < 2; i++) {
        guest_init(&f->guest[i], &f->share, i);
        guest_begin(&f->guest[i], 1);
    }
}

static void assert_ends(Fixture *f)
{
    const int status = process_end(&f->process);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != VGPU_WORKER_EXIT_CLOSED) {
        g_autofree char *log = process_log(&f->process);
        fail_msg("status 0x%x, log: %s", status, log);
    }
}

static enum vgpu_result call(Fixture *f, guint guest, struct vgpu_command command)
{
    return guest_call(&f->guest[guest], command, &f->done);
}

#define CALL(guest_, opcode_, handle_, ...)                                                        \
    call(f, (guest_),                                                                              \
         (struct vgpu_command){.opcode = (opcode_), .handle = (handle_), .arg = {__VA_ARGS__}})
#define SUBMIT(guest_, opcode_, handle_, ...)                                                      \
    guest_submit(                                                                                  \
        &f->guest[guest_],                                                                         \
        (struct vgpu_command){.opcode = (opcode_), .handle = (handle_), .arg = {__VA_ARGS__}})
#define FILL(guest_) SUBMIT((guest_), VGPU_CMD_BUFFER_FILL, H(1), 0, 64, 0, 1)

/* What the worker says next, waited for; how often it has rung is in @rings unless that is NULL. */
static guint32 hear(Fixture *f, guint64 *rings)
{
    struct pollfd poll_fd = {.fd = f->fds[1], .events = POLLIN};
    guint64 count;

    assert_int_equal(poll(&poll_fd, 1, GUARD_MS), 1);
    assert_int_equal(read(f->fds[1], &count, sizeof(count)), sizeof(count));
    if (rings != NULL)
        *rings = count;
    return vgpu_lease_hear(f->lease);
}

static void grant(Fixture *f, bool shared, guint16 jobs)
{
    vgpu_lease_grant(f->lease, shared, jobs);
    assert_int_equal(write(f->wake, "", 1), 1);
}

static gboolean is_silent(const Fixture *f)
{
    struct pollfd poll_fd = {.fd = f->fds[1], .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 0;
}

/* The next packet of the channel is WAITS for the last request. */
static void expect_waits(const Fixture *f)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;
    const ssize_t length = recv(f->process.channel, packet, sizeof(packet), 0);

    assert_true(length > 0 && vgpu_channel_decode(packet, (gsize)length, &header));
    assert_int_equal(header.type, VGPU_CHANNEL_WAITS);
    assert_int_equal(header.sequence, f->process.sequence);
}

/* The time for which a request waited for its VM's rate is not its deadline's, nor its device's. */
static void test_rate_is_told(void **state)
{
    Fixture *f = *state;
    Answer answer;

    start(f, OPTIONS("--backend=null"));
    vgpu_page_set_limits(f->process.page, &(VgpuLimits){{1, 1}}, TRUE);
    process_send_request(&f->process, VGPU_OP_NOP, 0, 0, 0);
    assert_true(process_receive(&f->process, &answer));
    process_send_request(&f->process, VGPU_OP_NOP, 0, 0, 0);
    expect_waits(f);
    assert_true(process_receive(&f->process, &answer));
    assert_int_equal(answer.header.error, VGPU_ERROR_NONE);
    assert_ends(f);
}

/* Who has the device will not give it back: nobody waits for that, until there is a turn again. */
static void test_stuck(void **state)
{
    Fixture *f = *state;
    Answer answer;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    guest_submit(&f->guest[0], (struct vgpu_command){.opcode = VGPU_CMD_BUFFER_FILL,
                                                     .flags = VGPU_COMMAND_ANSWER,
                                                     .handle = H(1),
                                                     .arg = {0, 64, 0, 1}});
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    process_send_request(&f->process, VGPU_OP_VECTOR_ADD, 2, 40, 2);
    vgpu_lease_set_stuck(f->lease, true);
    assert_int_equal(write(f->wake, "", 1), 1);
    assert_true(guest_wait(&f->guest[0], &f->done));
    assert_int_equal(f->done.status, VGPU_RESULT_UNAVAILABLE);
    assert_true(process_receive(&f->process, &answer));
    assert_int_equal(answer.header.error, VGPU_ERROR_UNAVAILABLE);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 64, 0, 1), VGPU_RESULT_UNAVAILABLE);
    assert_int_equal(CALL(0, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(process_call(&f->process, VGPU_OP_VECTOR_ADD, 2, 40, 2, &answer),
                     VGPU_ERROR_UNAVAILABLE);
    grant(f, false, 0);
    assert_int_equal(process_call(&f->process, VGPU_OP_VECTOR_ADD, 2, 40, 2, &answer), 0);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 64, 0, 1), VGPU_RESULT_OK);
    assert_ends(f);
}

/* One want, one grant, and then any number of jobs without a word. */
static void test_alone(void **state)
{
    Fixture *f = *state;
    guint64 rings;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    assert_int_equal(CALL(0, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_true(is_silent(f)); /* none of that is work for the device */
    FILL(0);
    assert_int_equal(hear(f, &rings), VGPU_LEASE_SAID_WANT);
    assert_int_equal(rings, 1);
    grant(f, false, 0);
    for (guint i = 0; i < 1000; i++) {
        FILL(0);
        assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
    }
    assert_true(is_silent(f));
    assert_true(f->process.page->wait_ns > 0);
    assert_ends(f);
}

/* Whoever does not need the device does not wait for it. */
static void test_waits_for_its_turn(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    FILL(0);
    SUBMIT(0, VGPU_CMD_NOP, 0);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    for (guint i = 0; i < 10; i++)
        assert_int_equal(CALL(1, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(f->process.page->requests, 11);
    grant(f, false, 0);
    assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
    assert_int_equal(f->process.page->requests, 14);
    assert_ends(f);
}

/* A turn with a bound ends by itself, and says whether there is more. */
static void test_bound(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    for (guint i = 0; i < 5; i++)
        FILL(0);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    for (guint turn = 0; turn < 2; turn++) {
        grant(f, true, 2);
        assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_RETURNED | VGPU_LEASE_SAID_WANT);
        assert_false(vgpu_lease_is_granted(f->lease));
    }
    assert_int_equal(f->process.page->requests, 1 + 4);
    grant(f, true, 2);
    /* The last one; others wait, and there is no more work. */
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_RETURNED);
    assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
    assert_ends(f);
}

/* Asked back before it has begun anything: it says so, and still wants it. */
static void test_recalled(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    FILL(0);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    atomic_store(&f->lease->word, VGPU_LEASE_HELD | VGPU_LEASE_SHARED | VGPU_LEASE_RECALL);
    assert_int_equal(write(f->wake, "", 1), 1);
    assert_int_equal(hear(f, NULL),
                     VGPU_LEASE_SAID_RETURNED | VGPU_LEASE_SAID_UNUSED | VGPU_LEASE_SAID_WANT);
    assert_int_equal(f->process.page->requests, 1);
    grant(f, false, 0);
    assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
    assert_ends(f);
}

/* From one that sleeps the device is taken without a word. */
static void test_parks(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    for (guint i = 0; i < 3; i++) {
        FILL(0);
        assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
        grant(f, false, 0);
        assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
        while ((atomic_load(&f->lease->word) & VGPU_LEASE_PARKED) == 0)
            g_thread_yield();
        assert_true(vgpu_lease_ask_back(f->lease));
        assert_true(is_silent(f));
    }
    assert_ends(f);
}

/* Its owner goes while it waits for the device: what comes then is not wanted any more. */
static void test_gone_while_waiting(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    FILL(0);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    guest_begin(&f->guest[0], 0);
    grant(f, true, 8);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_RETURNED | VGPU_LEASE_SAID_UNUSED);
    assert_int_equal(CALL(1, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_ends(f);
}

/* Waiting for longer than its deadline, which begins with its turn; the device is told. */
static void test_request_waits(void **state)
{
    Fixture *f = *state;
    Answer answer;

    start(f, OPTIONS("--backend=fault", "--device=delay=30ms", "--timeout-ms=400"));
    process_send_request(&f->process, VGPU_OP_VECTOR_ADD, 2, 40, 2);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    for (guint i = 0; i < 2; i++)
        expect_waits(f);
    grant(f, true, 8);
    assert_true(process_receive(&f->process, &answer));
    assert_int_equal(answer.response.status, VGPU_ERROR_NONE);
    assert_int_equal(answer.response.results[0], 42);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_RETURNED);
    assert_true(f->process.page->wait_ns > 100000000);
    /* No-ops go on while others compute. */
    assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer), VGPU_ERROR_NONE);
    assert_ends(f);
}

/* The guest was reset: only its last request counts. */
static void test_request_replaced(void **state)
{
    Fixture *f = *state;
    Answer answer;

    start(f, OPTIONS("--backend=null"));
    process_send_request(&f->process, VGPU_OP_VECTOR_ADD, 2, 1, 1);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer), VGPU_ERROR_NONE);
    process_send_request(&f->process, VGPU_OP_VECTOR_ADD, 2, 2, 2);
    expect_waits(f);
    grant(f, false, 0);
    assert_true(process_receive(&f->process, &answer));
    assert_int_equal(answer.header.sequence, f->process.sequence);
    assert_int_equal(answer.response.results[0], 4);
    assert_ends(f);
}

/* The end is not missed while it waits. */
static void test_ends_while_waiting(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    process_send_request(&f->process, VGPU_OP_VECTOR_ADD, 2, 1, 1);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    assert_ends(f);
}

static void test_trace(void **state)
{
    static const char *const expected[] = {"want", "grant", "job 0 2 0x0024",    "ended", "return",
                                           "want", "grant", "job 1.0 4711 0x02", "ended", "return"};
    Fixture *f = *state;
    Answer answer;
    char text[4096] = "";

    start(f, OPTIONS("--backend=null"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    FILL(0);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    grant(f, true, 8);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_RETURNED);
    process_send_request(&f->process, VGPU_OP_VECTOR_ADD, 2, 1, 1);
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_WANT);
    grant(f, true, 8);
    assert_true(process_receive(&f->process, &answer));
    assert_int_equal(hear(f, NULL), VGPU_LEASE_SAID_RETURNED);
    assert_ends(f);

    assert_true(pread(f->fds[3], text, sizeof(text) - 1, 0) > 0);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint64 last_ns = 0;
    assert_int_equal(g_strv_length(lines), G_N_ELEMENTS(expected) + 1);
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        const char *space = strchr(lines[i], ' ');
        const guint64 at_ns = g_ascii_strtoull(lines[i], NULL, 10);

        assert_non_null(space);
        assert_true(at_ns >= last_ns);
        last_ns = at_ns;
        /* The opcodes are the protocol's. */
        if (g_str_has_prefix(expected[i], "job"))
            assert_memory_equal(space + 1, expected[i], strlen("job 0"));
        else
            assert_string_equal(space + 1, expected[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_alone),
        TEST(test_waits_for_its_turn),
        TEST(test_bound),
        TEST(test_recalled),
        TEST(test_parks),
        TEST(test_gone_while_waiting),
        TEST(test_request_waits),
        TEST(test_request_replaced),
        TEST(test_rate_is_told),
        TEST(test_stuck),
        TEST(test_ends_while_waiting),
        TEST(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
