/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that take long to build, or for ever: who waits for them, and who does not. Needs an
 * OpenCL with a compiler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "lease.h"
#include "process.h"
#include "worker-exit.h"

#define GUARD_MS     60000 /* a test that waits this long has failed */
#define QUEUES       4u
#define H(index)     VGPU_HANDLE(index, 1)
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    int fds[4]; /* lease, eventfd, the worker's end of the pipe, no trace */
    int wake;   /* our end of the pipe */
    VgpuLease *lease;
    Share share;
    Process process;
    Guest guest[QUEUES];
    char *cache_dir;
    struct vgpu_completion done;
} Fixture;

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
    f->fds[3] = -1;
    share_init(&f->share, QUEUES);
    process_lend(f->fds);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    const char *const remove[] = {"rm", "-r", f->cache_dir, NULL};

    process_clear(&f->process);
    share_clear(&f->share);
    munmap(f->lease, sizeof(VgpuLease));
    for (guint i = 0; i < 3; i++)
        close(f->fds[i]);
    close(f->wake);
    g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    g_free(f->cache_dir);
    g_free(f);
    return 0;
}

/* FALSE: this host has no OpenCL. */
static gboolean start(Fixture *f, const char *timeout, const char *patience)
{
    f->cache_dir = g_dir_make_tmp("vgpu-test-XXXXXX", NULL);
    if (process_sandboxed())
        assert_int_equal(chown(f->cache_dir, PROCESS_UID, PROCESS_UID), 0);
    g_autofree char *cache = g_strdup_printf("--cache-dir=%s", f->cache_dir);
    process_start_with_queues(&f->process, &f->share,
                              OPTIONS("--backend=opencl", cache, timeout, patience));
    for (guint i = 0; i < QUEUES; i++) {
        guest_init(&f->guest[i], &f->share, i);
        guest_begin(&f->guest[i], 1);
    }

    g_autofree char *failure = vgpu_page_get_text(f->process.page->failure);
    if (strstr(failure, "there is no OpenCL device") == NULL)
        return TRUE;
    process_end(&f->process);
    return FALSE;
}

static void assert_ends(Fixture *f, VgpuWorkerExit expected)
{
    int status = process_end(&f->process);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)expected) {
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

/* Eight times @levels of macros that come to nothing: time for the compiler, but no memory. */
static char *slow_source(guint levels)
{
    GString *source = g_string_new("#define A0\n");

    for (guint i = 1; i <= levels; i++) {
        g_string_append_printf(source, "#define A%u", i);
        for (guint j = 0; j < 8; j++)
            g_string_append_printf(source, " A%u", i - 1);
        g_string_append_c(source, '\n');
    }
    g_string_append_printf(source, "A%u\nkernel void f(void) {}\n", levels);
    return g_string_free(source, FALSE);
}

/* Begins to build @source as H(10), and wants an answer. */
static void begin_build(Fixture *f, guint guest, const char *source)
{
    memcpy(f->guest[guest].arena, source, strlen(source));
    SUBMIT(guest, VGPU_CMD_PROGRAM_CREATE, H(10), VGPU_PROGRAM_SOURCE, 0, strlen(source));
    guest_submit(&f->guest[guest], (struct vgpu_command){.opcode = VGPU_CMD_PROGRAM_BUILD,
                                                         .flags = VGPU_COMMAND_ANSWER,
                                                         .handle = H(10)});
}

/* Until the worker has taken all of the guest's commands but the one that it is at. */
static void await_begun(Fixture *f, guint guest)
{
    Guest *g = &f->guest[guest];

    while (atomic_load(VGPU_RING_HOST_WORD(g->slot, command_head)) != g->commands.next - 1)
        g_thread_yield();
}

static gboolean is_answered(Fixture *f, guint guest)
{
    return vgpu_ring_available(&f->guest[guest].completions) != 0;
}

static void grant(Fixture *f)
{
    vgpu_lease_grant(f->lease, false, 0);
    assert_int_equal(write(f->wake, "", 1), 1);
}

static void hear(Fixture *f, guint32 what)
{
    struct pollfd poll_fd = {.fd = f->fds[1], .events = POLLIN};
    guint64 count;

    assert_int_equal(poll(&poll_fd, 1, GUARD_MS), 1);
    assert_int_equal(read(f->fds[1], &count, sizeof(count)), sizeof(count));
    assert_int_equal(vgpu_lease_hear(f->lease), what);
}

/* What others of the VM get while one builds. */
static void use_others(Fixture *f)
{
    Answer answer;

    for (guint i = 0; i < 20; i++)
        assert_int_equal(CALL(1, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(CALL(1, VGPU_CMD_BUFFER_CREATE, H(1), 64), VGPU_RESULT_OK);
    memcpy(f->guest[1].arena, "what another one writes", 24);
    SUBMIT(1, VGPU_CMD_BUFFER_WRITE, H(1), 0, 24, 0);
    hear(f, VGPU_LEASE_SAID_WANT);
    grant(f);
    assert_int_equal(CALL(1, VGPU_CMD_BUFFER_READ, H(1), 0, 24, 100), VGPU_RESULT_OK);
    assert_int_equal(f->done.first, VGPU_RESULT_OK);
    assert_string_equal((char *)f->guest[1].arena + 100, "what another one writes");
    assert_int_equal(process_call(&f->process, VGPU_OP_VECTOR_ADD, 2, 40, 2, &answer),
                     VGPU_ERROR_NONE);
    assert_int_equal(answer.response.results[0], 42);
}

/* It has the device, and a build behind its job; then another VM wants it. */
static void give_back(Fixture *f)
{
    if (!vgpu_lease_ask_back(f->lease))
        hear(f, VGPU_LEASE_SAID_RETURNED);
    assert_false(vgpu_lease_is_granted(f->lease));
}

/*
 * A build that never ends: the VM's other queues and its channel are served, the device is given
 * back, a second build waits; and at the deadline the guest is told, and the worker ends.
 */
static void test_endless(void **state)
{
    Fixture *f = *state;
    g_autofree char *source = slow_source(24);

    if (!start(f, "--timeout-ms=10000", "--open-timeout-ms=15000"))
        skip();
    SUBMIT(0, VGPU_CMD_BUFFER_CREATE, H(1), 64);
    SUBMIT(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 64, 0, 1);
    begin_build(f, 0, source);
    hear(f, VGPU_LEASE_SAID_WANT);
    grant(f);
    await_begun(f, 0);
    give_back(f);
    begin_build(f, 2, "kernel void f(void) {}");
    await_begun(f, 2);
    use_others(f);
    assert_false(is_answered(f, 0));
    assert_false(is_answered(f, 2));

    assert_false(guest_wait(&f->guest[0], &f->done));
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_TIMEOUT);
    assert_ends(f, VGPU_WORKER_EXIT_DEADLINE);
    g_autofree char *log = process_log(&f->process);
    assert_non_null(strstr(log, "the build that a queue's command 4 has begun has not ended within "
                                "15000 ms"));
}

/* Its owner goes meanwhile: the next one gets the queue when it has ended, and who waited builds.
 */
static void test_owner_leaves(void **state)
{
    Fixture *f = *state;
    g_autofree char *source = slow_source(6);

    if (!start(f, "--timeout-ms=60000", "--open-timeout-ms=60000"))
        skip();
    begin_build(f, 0, source);
    begin_build(f, 1, source);
    await_begun(f, 0);
    guest_begin(&f->guest[0], 2);
    assert_int_equal(CALL(0, VGPU_CMD_RELEASE, H(10)), VGPU_RESULT_BAD_HANDLE);
    assert_true(guest_wait(&f->guest[1], &f->done));
    assert_int_equal(f->done.status, VGPU_RESULT_OK);
    assert_true(f->done.elapsed_ns > 0);
    memcpy(f->guest[1].arena, "f", 1);
    assert_int_equal(CALL(1, VGPU_CMD_KERNEL_CREATE, H(11), H(10), 0, 1), VGPU_RESULT_OK);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* The VM ends while it builds: so does the worker, at once. */
static void test_vm_ends(void **state)
{
    Fixture *f = *state;
    g_autofree char *source = slow_source(24);

    if (!start(f, "--timeout-ms=60000", "--open-timeout-ms=60000"))
        skip();
    begin_build(f, 0, source);
    await_begun(f, 0);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_endless),
        TEST(test_owner_leaves),
        TEST(test_vm_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
