/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's life over real sockets and real workers (null and fault backends). The test plays QEMU:
 * its own process number stands in the pid file. Needs root, as the worker's sandbox does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "settings.h"
#include "vgpu-codec.h"
#include "vgpu-hash.h"
#include "vm.h"

#define UUID     "0b4c2a7e-1111-4222-8333-123456789abc"
#define GUARD_MS 60000 /* a test that waits this long has failed */

typedef struct {
    char *folder;
    VgpuSettings *settings;
    VgpuDispatcher *dispatcher;
    VgpuSession *session;
    VgpuCustodies *custodies;
    VgpuQuarantine kept; /* as the handler was told last */
    char *blamed;        /* the device, likewise; NULL: none was */
    VgpuVm *vm;
    gboolean ended;
    guint bare;  /* how often it was */
    int qemu;    /* our end of the control socket */
    int channel; /* what CHANNEL brought */
    guint64 sequence;
} Fixture;

static gboolean on_guard(gpointer data)
{
    (void)data;
    g_error("nothing happened for %d ms", GUARD_MS);
    return G_SOURCE_REMOVE;
}

static gboolean set_flag(gint fd, GIOCondition condition, gpointer flag)
{
    (void)fd;
    (void)condition;
    *(gboolean *)flag = TRUE;
    return G_SOURCE_REMOVE;
}

static void wait_readable(int fd)
{
    gboolean readable = FALSE;
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);

    g_unix_fd_add(fd, G_IO_IN, set_flag, &readable);
    while (!readable)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
}

static void wait_for_state(Fixture *fixture, VgpuSessionState state)
{
    guint guard = g_timeout_add(GUARD_MS, on_guard, NULL);

    while (fixture->session->state != state)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(guard);
}

static void on_ended(VgpuVm *vm, gpointer data)
{
    Fixture *fixture = data;

    assert_ptr_equal(vm, fixture->vm);
    fixture->ended = TRUE;
    g_clear_pointer(&fixture->vm, vgpu_vm_free);
}

static void on_bare(VgpuVm *vm, gpointer data)
{
    Fixture *fixture = data;

    assert_ptr_equal(vm, fixture->vm);
    fixture->bare++;
}

static void on_recall(VgpuSession *session, gpointer data)
{
    const Fixture *fixture = data;

    vgpu_quarantine_copy(&session->quarantine, &fixture->kept);
}

static void on_note(const VgpuSession *session, gpointer data)
{
    Fixture *fixture = data;

    vgpu_quarantine_copy(&fixture->kept, &session->quarantine);
}

static void on_blame(const VgpuSession *session, const char *device_key, gpointer data)
{
    Fixture *fixture = data;

    assert_ptr_equal(session, fixture->session);
    g_free(fixture->blamed);
    fixture->blamed = g_strdup(device_key);
}

static char *in_folder(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->folder, name, NULL);
}

static void write_pid_file(Fixture *fixture, pid_t pid)
{
    g_autofree char *path = in_folder(fixture, "web.pid");
    g_autofree char *text = g_strdup_printf("%d", (int)pid);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* A VM named web, number 7, in pool A, whose one member has @backend and @device. */
static void begin(Fixture *fixture, const char *backend, const char *device, const char *more)
{
    static const VgpuVmHandlers handlers = {on_ended, on_bare};
    static const VgpuCustodyHandlers custody_handlers = {on_recall, on_note, on_blame};
    g_autoptr(GError) error = NULL;
    g_autofree char *socket = in_folder(fixture, "vm.sock");
    g_autofree char *text = g_strdup_printf(
        "[vgpud]\nrun-dir=%s\ncache-dir=%s\nlibvirt-run-dir=%s\nworker=%s\nsocket-group=root\n%s",
        fixture->folder, fixture->folder, fixture->folder, g_getenv("VGPU_WORKER"), more);
    g_autofree char *pools =
        g_strdup_printf("[pool]\nname=A\n[member only]\nbackend=%s\ndevice=%s\n", backend, device);

    fixture->settings = vgpu_settings_parse(text, strlen(text), "test", &error);
    assert_non_null(fixture->settings);
    fixture->dispatcher = vgpu_dispatcher_new(&error);
    assert_non_null(fixture->dispatcher);
    fixture->settings->pools = vgpu_pools_new();
    assert_true(vgpu_pools_add(fixture->settings->pools, pools, strlen(pools), "test", &error));

    VgpuMember *member = vgpu_pools_place(fixture->settings->pools, 'A', &error);
    fixture->session = vgpu_session_new(UUID, "web", 7, 'A', VGPU_PRIORITY_HIGH, member, &error);
    assert_non_null(fixture->session);
    fixture->custodies = vgpu_custodies_new(fixture->settings, &custody_handlers, fixture);
    fixture->vm = vgpu_vm_new(fixture->session, fixture->settings, socket, &(VgpuLimits){{0}},
                              fixture->dispatcher, fixture->custodies, &handlers, fixture, &error);
    assert_non_null(fixture->vm);
}

static int connect_socket(Fixture *fixture)
{
    g_autofree char *path = in_folder(fixture, "vm.sock");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The next control message; a descriptor that it brings becomes the channel. */
static struct vgpu_link_message next_message(Fixture *fixture)
{
    char space[CMSG_SPACE(sizeof(int))];
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    struct vgpu_link_message message;
    struct iovec vector = {bytes, sizeof(struct vgpu_link_header)};
    struct msghdr header = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};

    wait_readable(fixture->qemu);
    gssize got = recvmsg(fixture->qemu, &header, MSG_CMSG_CLOEXEC);
    assert_int_equal(got, sizeof(struct vgpu_link_header));
    int frame = vgpu_link_frame_length(bytes, (gsize)got);
    if (frame > got) {
        gssize rest = recv(fixture->qemu, bytes + got, (gsize)frame - (gsize)got, MSG_WAITALL);
        assert_int_equal(rest, frame - got);
    }
    assert_true(vgpu_link_decode(bytes, (gsize)frame, &message));

    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights != NULL) {
        if (fixture->channel >= 0)
            close(fixture->channel);
        memcpy(&fixture->channel, CMSG_DATA(rights), sizeof(int));
    }
    return message;
}

static void expect_state(Fixture *fixture, guint32 error)
{
    struct vgpu_link_message message = next_message(fixture);

    assert_int_equal(message.type, VGPU_LINK_STATE);
    assert_int_equal(message.state.error, error);
    assert_int_equal(message.state.vm_id, 7);
}

static void expect_channel(Fixture *fixture)
{
    assert_int_equal(next_message(fixture).type, VGPU_LINK_CHANNEL);
    assert_true(fixture->channel >= 0);
}

/* QEMU connects and says HELLO. */
static void greet(Fixture *fixture)
{
    const struct vgpu_link_message hello = {.type = VGPU_LINK_HELLO,
                                            .hello = {.link_version = VGPU_LINK_VERSION,
                                                      .pool = 'A',
                                                      .vm_id = 7,
                                                      .protocol_hash = VGPU_PROTOCOL_HASH}};
    guint8 bytes[VGPU_LINK_MAX_MESSAGE];
    gsize length = vgpu_link_encode(&hello, bytes, sizeof(bytes));

    write_pid_file(fixture, getpid());
    fixture->qemu = connect_socket(fixture);
    assert_int_equal(send(fixture->qemu, bytes, length, 0), length);
}

static void send_request(Fixture *fixture, guint32 opcode, guint32 a, guint32 b)
{
    const struct vgpu_request add = {.opcode = opcode, .param_count = 2, .params = {a, b}};
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header = {.type = VGPU_CHANNEL_REQUEST,
                                         .sequence = ++fixture->sequence};

    header.length = (guint32)vgpu_request_encode(&add, packet + sizeof(header), VGPU_BUFFER_SIZE);
    vgpu_channel_encode(&header, packet);
    assert_int_equal(send(fixture->channel, packet, sizeof(header) + header.length, MSG_NOSIGNAL),
                     sizeof(header) + header.length);
}

static void send_add(Fixture *fixture, guint32 a, guint32 b)
{
    send_request(fixture, VGPU_OP_VECTOR_ADD, a, b);
}

/* Waits for the answer; -1: the worker is gone. The error code, or NONE with the sum in @sum. */
static int receive_answer(Fixture *fixture, guint32 *sum)
{
    guint8 packet[VGPU_CHANNEL_MAX_PACKET];
    struct vgpu_channel_header header;
    struct vgpu_response response;

    wait_readable(fixture->channel);
    gssize got = recv(fixture->channel, packet, sizeof(packet), 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) /* reset: it had not read the request yet */
        return -1;
    assert_true(vgpu_channel_decode(packet, (gsize)got, &header));
    assert_true(header.sequence == fixture->sequence);
    assert_true(vgpu_response_decode(packet + sizeof(header), header.length, &response));
    assert_int_equal(response.status, header.error);
    *sum = response.result_count > 0 ? response.results[0] : 0;
    return (int)header.error;
}

static void expect_sum(Fixture *fixture)
{
    guint32 sum;

    send_add(fixture, 40, 2);
    assert_int_equal(receive_answer(fixture, &sum), VGPU_ERROR_NONE);
    assert_int_equal(sum, 42);
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("vgpu-vm-XXXXXX", NULL);
    fixture->qemu = -1;
    fixture->channel = -1;
    *state = fixture;
    return g_chmod(fixture->folder, 0711);
}

static void remove_tree(const char *path)
{
    const char *const arguments[] = {"rm", "-rf", "--", path, NULL};
    g_autoptr(GSubprocess) remover = g_subprocess_newv(arguments, G_SUBPROCESS_FLAGS_NONE, NULL);

    g_subprocess_wait(remover, NULL, NULL);
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->vm, vgpu_vm_free);
    g_clear_pointer(&fixture->custodies, vgpu_custodies_free);
    vgpu_quarantine_clear(&fixture->kept);
    g_free(fixture->blamed);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_clear_pointer(&fixture->dispatcher, vgpu_dispatcher_free);
    g_clear_pointer(&fixture->session, vgpu_session_unref);
    g_clear_pointer(&fixture->settings, vgpu_settings_free);
    if (fixture->qemu >= 0)
        close(fixture->qemu);
    if (fixture->channel >= 0)
        close(fixture->channel);
    remove_tree(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static void test_serves(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    assert_int_equal(fixture->session->state, VGPU_SESSION_SERVING);
    expect_sum(fixture);
    assert_int_equal(atomic_load(&fixture->session->page->requests), 1);
    assert_true(fixture->session->worker_pid > 0);
}

static void test_another_process_is_turned_away(void **state)
{
    Fixture *fixture = *state;
    char byte;

    begin(fixture, "null", "", "");
    write_pid_file(fixture, getppid());
    int stranger = connect_socket(fixture);
    wait_readable(stranger);
    assert_int_equal(recv(stranger, &byte, 1, 0), 0);
    close(stranger);
    assert_int_equal(fixture->session->state, VGPU_SESSION_RESERVED);
    /* The socket is still there for the real one. */
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
}

static void test_a_killed_worker_is_replaced_at_once(void **state)
{
    Fixture *fixture = *state;
    guint32 sum;

    begin(fixture, "fault", "hang,every=2", "request-timeout-ms=60000\n");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
    send_add(fixture, 1, 1); /* hangs */
    kill(fixture->session->worker_pid, SIGKILL);
    assert_int_equal(receive_answer(fixture, &sum), -1);
    expect_channel(fixture);
    expect_sum(fixture);
    assert_int_equal(atomic_load(&fixture->session->page->requests), 2); /* never reset */
}

static void test_a_deadline_ends_request_and_worker(void **state)
{
    Fixture *fixture = *state;
    guint32 sum;

    begin(fixture, "fault", "hang,every=2", "request-timeout-ms=100\n");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
    send_add(fixture, 1, 1);
    assert_int_equal(receive_answer(fixture, &sum), VGPU_ERROR_TIMEOUT);
    expect_channel(fixture);
    expect_sum(fixture);
    assert_int_equal(fixture->session->faults.total, 1);
}

static void test_past_the_fault_budget(void **state)
{
    Fixture *fixture = *state;
    guint32 sum;

    begin(fixture, "fault", "crash", "fault-budget=2\nquarantine-s=1\n");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    for (int deaths = 0; deaths < 3; deaths++) {
        expect_channel(fixture);
        send_add(fixture, 1, 1);
        assert_int_equal(receive_answer(fixture, &sum), -1);
    }
    expect_state(fixture, VGPU_ERROR_QUARANTINED);
    assert_int_equal(fixture->session->state, VGPU_SESSION_QUARANTINED);
    assert_int_equal(fixture->session->worker_pid, 0);
    assert_in_range(fixture->kept.until_us - g_get_monotonic_time(), 1, G_USEC_PER_SEC);
    assert_int_equal(fixture->session->fault_counts[VGPU_FAULT_CRASH], 3);
    assert_int_equal(fixture->bare, 2);
    assert_string_equal(fixture->blamed, "fault:crash");
    /* It is let back by the timer, with a whole budget. */
    expect_state(fixture, VGPU_ERROR_NONE);
    assert_int_equal(fixture->kept.until_us, 0);
    expect_channel(fixture);
    send_add(fixture, 1, 1);
    assert_int_equal(receive_answer(fixture, &sum), -1);
    expect_channel(fixture);
}

/* @opcode, which is answered with @error, until the worker has had enough. */
static void expect_end_after(Fixture *fixture, guint32 opcode, guint count, enum vgpu_error error)
{
    guint32 sum;

    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    for (guint i = 0; i < count; i++) {
        assert_int_equal(fixture->session->state, VGPU_SESSION_SERVING);
        send_request(fixture, opcode, 1, 1);
        assert_int_equal(receive_answer(fixture, &sum), error);
    }
    expect_state(fixture, VGPU_ERROR_QUARANTINED);
    assert_int_equal(fixture->session->worker_pid, 0);
    assert_int_equal(atomic_load(&fixture->session->page->errors[error]), count);
}

static void test_too_many_invalid_requests(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "error-budget=3\nbackend-fault-budget=1\n");
    expect_end_after(fixture, 0x7777, 4, VGPU_ERROR_UNSUPPORTED);
    assert_string_equal(fixture->kept.reason, "more than 3 invalid requests in 60 s");
    assert_int_equal(fixture->session->fault_counts[VGPU_FAULT_INVALID], 1);
    assert_null(fixture->blamed);
}

static void test_too_many_backend_faults(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault", "fail", "error-budget=1\nbackend-fault-budget=3\n");
    expect_end_after(fixture, VGPU_OP_VECTOR_ADD, 4, VGPU_ERROR_EXECUTION_FAILED);
    assert_string_equal(fixture->kept.reason, "more than 3 requests failed on its device in 60 s");
    assert_int_equal(fixture->session->fault_counts[VGPU_FAULT_BACKEND], 1);
    assert_string_equal(fixture->blamed, "fault:fail");
}

static void test_too_many_deadlines(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "fault", "hang", "fault-budget=0\nrequest-timeout-ms=10\n");
    expect_end_after(fixture, VGPU_OP_VECTOR_ADD, 1, VGPU_ERROR_TIMEOUT);
    assert_int_equal(fixture->session->fault_counts[VGPU_FAULT_DEADLINE], 1);
    assert_string_equal(fixture->blamed, "fault:hang");
}

/* A host without a device is not the VM's fault. */
static void test_no_device_is_no_fault(void **state)
{
    Fixture *fixture = *state;
    guint32 sum;

    begin(fixture, "fault", "open-fail", "error-budget=1\nbackend-fault-budget=1\n");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    for (guint i = 0; i < 5; i++) {
        send_add(fixture, 1, 1);
        assert_int_equal(receive_answer(fixture, &sum), VGPU_ERROR_EXECUTION_FAILED);
    }
    send_request(fixture, VGPU_OP_NOP, 1, 1);
    assert_int_equal(receive_answer(fixture, &sum), VGPU_ERROR_NONE);
    assert_int_equal(fixture->session->state, VGPU_SESSION_SERVING);
}

static void test_by_hand(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
    VgpuCustody *custody = vgpu_custodies_find(fixture->custodies, fixture->session);
    vgpu_custody_order(custody, 0);
    assert_int_equal(fixture->session->state, VGPU_SESSION_QUARANTINED);
    assert_int_equal(fixture->session->worker_pid, 0);
    expect_state(fixture, VGPU_ERROR_QUARANTINED);
    vgpu_custody_release(custody);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
    assert_int_equal(fixture->session->faults.total, 0);
}

/* As vgpud does when it was restarted: from the first word on, and until the time that is left. */
static void test_a_quarantine_goes_on(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "");
    vgpu_quarantine_order(&fixture->kept, g_get_monotonic_time() + G_USEC_PER_SEC, "before");
    vgpu_vm_recall(fixture->vm);
    assert_string_equal(fixture->session->quarantine.reason, "before");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_QUARANTINED);
    assert_int_equal(fixture->session->worker_pid, 0);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
}

static void test_qemu_reconnects(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    close(fixture->qemu);
    wait_for_state(fixture, VGPU_SESSION_RESERVED);
    assert_int_equal(fixture->session->worker_pid, 0);
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
}

static void test_a_live_change_of_priority(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    pid_t worker = fixture->session->worker_pid;
    vgpu_vm_change(fixture->vm, 'A', VGPU_PRIORITY_LOW, &(VgpuLimits){{0}}, NULL);
    struct vgpu_link_message message = next_message(fixture);
    assert_int_equal(message.state.priority, VGPU_PRIORITY_LOW);
    assert_int_equal(fixture->session->worker_pid, worker);
    expect_sum(fixture);
}

static void test_a_live_limit(void **state)
{
    Fixture *fixture = *state;
    guint32 sum;

    begin(fixture, "null", "", "");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
    vgpu_vm_change(fixture->vm, 'A', VGPU_PRIORITY_HIGH, &(VgpuLimits){{1, 1}}, NULL);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_sum(fixture);
    send_add(fixture, 1, 1);
    assert_int_equal(receive_answer(fixture, &sum), VGPU_ERROR_RATE_LIMITED);
    vgpu_vm_change(fixture->vm, 'A', VGPU_PRIORITY_HIGH, &(VgpuLimits){{0}}, NULL);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_sum(fixture);
}

/* A reload has changed it: for the worker that is there, too. */
static void test_a_live_deadline(void **state)
{
    Fixture *fixture = *state;
    guint32 sum;

    begin(fixture, "fault", "hang,after=1", "request-timeout-ms=600000\n");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
    fixture->settings->request_timeout_ms = 100;
    vgpu_vm_change(fixture->vm, 'A', VGPU_PRIORITY_HIGH, &(VgpuLimits){{0}}, NULL);
    expect_state(fixture, VGPU_ERROR_NONE);
    send_add(fixture, 1, 1);
    assert_int_equal(receive_answer(fixture, &sum), VGPU_ERROR_TIMEOUT);
}

static void test_a_pool_that_is_not_there(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    vgpu_vm_change(fixture->vm, 'Q', VGPU_PRIORITY_LOW, &(VgpuLimits){{0}}, NULL);
    expect_state(fixture, VGPU_ERROR_INVALID_POOL);
    assert_int_equal(fixture->session->worker_pid, 0);

    VgpuMember *member = vgpu_pools_place(fixture->settings->pools, 'A', NULL);
    assert_int_equal(member->used, 1); /* the first place was given back */
    vgpu_vm_change(fixture->vm, 'A', VGPU_PRIORITY_LOW, &(VgpuLimits){{0}}, member);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_channel(fixture);
    expect_sum(fixture);
}

static void test_the_end_of_qemu(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *socket = in_folder(fixture, "vm.sock");
    g_autoptr(GSubprocess) qemu =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE, &error, "cat", NULL);

    begin(fixture, "null", "", "");
    VgpuMember *member = fixture->session->member;
    assert_false(vgpu_vm_adopt(fixture->vm, NULL)); /* there is no pid file */
    write_pid_file(fixture, (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(qemu), NULL, 10));
    assert_true(vgpu_vm_adopt(fixture->vm, &error));
    g_subprocess_force_exit(qemu);
    wait_for_state(fixture, VGPU_SESSION_ENDED);
    assert_true(fixture->ended);
    assert_int_equal(member->used, 0);
    assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
}

static void test_a_worker_that_cannot_be_started(void **state)
{
    Fixture *fixture = *state;

    begin(fixture, "null", "", "worker=/nonexistent/vgpu-worker\nfault-budget=2\n");
    greet(fixture);
    expect_state(fixture, VGPU_ERROR_NONE);
    expect_state(fixture, VGPU_ERROR_QUARANTINED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_serves),
        TEST(test_another_process_is_turned_away),
        TEST(test_a_killed_worker_is_replaced_at_once),
        TEST(test_a_deadline_ends_request_and_worker),
        TEST(test_past_the_fault_budget),
        TEST(test_too_many_invalid_requests),
        TEST(test_too_many_backend_faults),
        TEST(test_too_many_deadlines),
        TEST(test_no_device_is_no_fault),
        TEST(test_by_hand),
        TEST(test_a_quarantine_goes_on),
        TEST(test_qemu_reconnects),
        TEST(test_a_live_change_of_priority),
        TEST(test_a_live_limit),
        TEST(test_a_live_deadline),
        TEST(test_a_pool_that_is_not_there),
        TEST(test_the_end_of_qemu),
        TEST(test_a_worker_that_cannot_be_started),
    };

    if (geteuid() != 0) {
        print_message("skipped: the worker's sandbox needs root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
