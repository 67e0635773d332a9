/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole program over shared memory: many queues, one thread, guests good and bad. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest.h"
#include "process.h"
#include "worker-exit.h"

#define QUEUES       4u
#define SESSION      7u
#define H(index)     VGPU_HANDLE(index, 1)
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    Share share;
    Process process;
    Guest guest[QUEUES];
    char *cache_dir; /* NULL: none */
    struct vgpu_completion done;
} Fixture;

static void start(Fixture *f, const char *const *options)
{
    process_start_with_queues(&f->process, &f->share, options);
    for (guint i = 0; i < QUEUES; i++) {
        guest_init(&f->guest[i], &f->share, i);
        guest_begin(&f->guest[i], SESSION);
    }
}

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    share_init(&f->share, QUEUES);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    process_clear(&f->process);
    share_clear(&f->share);
    if (f->cache_dir != NULL) {
        const char *const remove[] = {"rm", "-r", f->cache_dir, NULL};

        g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                     NULL);
        g_free(f->cache_dir);
    }
    g_free(f);
    return 0;
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

static void test_serves(void **state)
{
    Fixture *f = *state;
    Answer answer;

    start(f, OPTIONS("--backend=null"));
    for (guint i = 0; i < QUEUES; i++) {
        Guest *guest = &f->guest[i];

        assert_int_equal(CALL(i, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
        SUBMIT(i, VGPU_CMD_BUFFER_CREATE, H(1), 4096);
        memset(guest->arena, (int)('a' + i), 4096);
        SUBMIT(i, VGPU_CMD_BUFFER_WRITE, H(1), 0, 4096, 0);
        assert_int_equal(CALL(i, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
        memset(guest->arena, 0, 4096);
    }
    /* The same handle, another's buffer. */
    for (guint i = 0; i < QUEUES; i++) {
        assert_int_equal(CALL(i, VGPU_CMD_BUFFER_READ, H(1), 0, 4096, 0), VGPU_RESULT_OK);
        assert_int_equal(f->done.first, VGPU_RESULT_OK);
        assert_int_equal(f->guest[i].arena[4095], 'a' + i);
    }
    /* Protocol 1.0 goes on beside them. */
    assert_int_equal(process_call(&f->process, VGPU_OP_VECTOR_ADD, 2, 40, 2, &answer), 0);
    assert_int_equal(answer.response.results[0], 42);
    assert_int_equal(f->process.page->requests, QUEUES * 5 + 1);
    assert_int_equal(f->process.page->bytes_in, QUEUES * (5 * 64 + 4096) + 40);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* Many without an answer; the first failure among them comes with the next that has one. */
static void test_first_failure(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    for (guint i = 0; i < 10000; i++)
        SUBMIT(0, i == 5000 ? VGPU_CMD_RELEASE : i == 5001 ? 0x1234 : VGPU_CMD_NOP, 0);
    assert_int_equal(CALL(0, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(f->done.first, VGPU_RESULT_BAD_HANDLE);
    assert_int_equal(f->done.first_tag, 5001);
    assert_int_equal(CALL(0, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(f->done.first, VGPU_RESULT_OK);
    assert_int_equal(f->process.page->requests, 10002);
    assert_int_equal(f->process.page->errors[VGPU_ERROR_UNSUPPORTED], 1);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

static guint64 count_waits(const VgpuPage *page)
{
    guint64 count = 0;

    for (guint i = 0; i < VGPU_PAGE_WAITS; i++)
        count += page->waits[i];
    return count;
}

/* Beyond the rate of a pool that lets them wait: nothing fails, and it takes as long as it must. */
static void test_rate_waits(void **state)
{
    Fixture *f = *state;
    const VgpuPage *page;
    Answer answer;

    start(f, OPTIONS("--backend=null"));
    page = f->process.page;
    vgpu_page_set_limits(f->process.page, &(VgpuLimits){{200, 1}}, TRUE);
    const gint64 start_us = g_get_monotonic_time();
    for (guint i = 0; i < 8; i++) {
        assert_int_equal(CALL(i % 2, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
        assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer), 0);
    }
    assert_true(g_get_monotonic_time() - start_us >= 15 * 5000);
    assert_int_equal(page->errors[VGPU_ERROR_RATE_LIMITED], 0);
    assert_in_range(count_waits(page), 1, 16);
    assert_true(page->wait_ns > 0);

    /* A change while nothing waits. */
    vgpu_page_set_limits(f->process.page, &(VgpuLimits){{1, 1}}, TRUE);
    assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer), 0);
    assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer), 0);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* A request of protocol 1.0 does not wait beyond its deadline. */
static void test_rate_beyond_deadline(void **state)
{
    Fixture *f = *state;
    Answer answer;

    start(f, OPTIONS("--backend=null", "--timeout-ms=100"));
    vgpu_page_set_limits(f->process.page, &(VgpuLimits){{1, 1}}, TRUE);
    assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer), 0);
    assert_int_equal(process_call(&f->process, VGPU_OP_NOP, 0, 0, 0, &answer),
                     VGPU_ERROR_RATE_LIMITED);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* Each open queue counts, until it is closed. */
static void test_shared_memory(void **state)
{
    Fixture *f = *state;
    _Atomic guint64 *used;

    start(f, OPTIONS("--backend=null"));
    used = &f->process.page->used[VGPU_QUOTA_SHARED];
    assert_int_equal(*used, QUEUES * PROCESS_SLOT);
    for (guint i = 0; i < QUEUES; i++)
        guest_begin(&f->guest[i], 0);
    assert_int_equal(*used, 0);

    vgpu_page_set_limits(f->process.page, &(VgpuLimits){{[VGPU_LIMIT_SHARED_MEMORY] = 2}}, FALSE);
    for (guint i = 0; i < 3; i++)
        guest_begin(&f->guest[i], SESSION + 1);
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_OK);
    assert_int_equal(guest_broken(&f->guest[1]), VGPU_RESULT_OK);
    assert_int_equal(guest_broken(&f->guest[2]), VGPU_RESULT_QUOTA);
    assert_int_equal(*used, 2 * PROCESS_SLOT);
    assert_int_equal(CALL(1, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);

    guest_begin(&f->guest[0], 0);
    guest_begin(&f->guest[2], 0);
    guest_begin(&f->guest[2], SESSION + 2);
    assert_int_equal(guest_broken(&f->guest[2]), VGPU_RESULT_OK);
    assert_int_equal(CALL(2, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(*used, 2 * PROCESS_SLOT);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* What a VM holds stands on the page, and is gone with its session, released or not. */
static void test_used(void **state)
{
    Fixture *f = *state;
    _Atomic guint64 *used;

    start(f, OPTIONS("--backend=null"));
    used = f->process.page->used;
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 4096), VGPU_RESULT_OK);
    assert_int_equal(CALL(1, VGPU_CMD_BUFFER_CREATE, H(1), 8192), VGPU_RESULT_OK);
    assert_int_equal(CALL(1, VGPU_CMD_PROGRAM_CREATE, H(2), 0, 0, 100), VGPU_RESULT_OK);
    assert_int_equal(used[VGPU_QUOTA_MEMORY], 3 * 4096);
    assert_int_equal(used[VGPU_QUOTA_HANDLES], 3);
    assert_int_equal(used[VGPU_QUOTA_PROGRAMS], 100);
    assert_int_equal(CALL(0, VGPU_CMD_RELEASE, H(1)), VGPU_RESULT_OK);
    assert_int_equal(used[VGPU_QUOTA_MEMORY], 8192);
    for (guint i = 0; i < QUEUES; i++)
        guest_begin(&f->guest[i], 0);
    for (guint i = 0; i < VGPU_QUOTA_COUNT; i++)
        assert_int_equal(used[i], 0);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* One that never takes its completions, one whose indices jump, and one that rings without end. */
static void test_bad_neighbours(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=null"));
    for (guint i = 0; i < VGPU_QUEUE_ENTRIES; i++)
        guest_submit(&f->guest[0],
                     (struct vgpu_command){.opcode = VGPU_CMD_NOP, .flags = VGPU_COMMAND_ANSWER});
    atomic_store(VGPU_RING_GUEST_WORD(f->guest[1].slot, command_tail), 100000u);
    eventfd_write(f->guest[1].doorbell, 1);
    while (guest_broken(&f->guest[1]) == VGPU_RESULT_OK)
        guest_sleep(&f->guest[1]);
    assert_int_equal(guest_broken(&f->guest[1]), VGPU_RESULT_BAD_QUEUE);
    for (guint i = 0; i < 20000; i++) {
        eventfd_write(f->guest[2].doorbell, 1);
        if (i % 100 == 0)
            assert_int_equal(CALL(3, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    }
    /* All of them can begin again. */
    for (guint i = 0; i < QUEUES; i++) {
        guest_begin(&f->guest[i], SESSION + 1);
        assert_int_equal(CALL(i, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    }
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* What a session has goes with it: its memory can be had again, its handles name nothing. */
static void test_sessions(void **state)
{
    Fixture *f = *state;
    const guint64 most = 64u << 20;

    start(f, OPTIONS("--backend=null", "--max-memory-mib=64"));
    for (guint32 i = 1; i < 20; i++) {
        const guint guest = i % QUEUES;

        assert_int_equal(CALL(guest, VGPU_CMD_BUFFER_CREATE, H(9), most), VGPU_RESULT_OK);
        assert_int_equal(CALL(guest, VGPU_CMD_BUFFER_CREATE, H(8), 1), VGPU_RESULT_QUOTA);
        assert_int_equal(CALL((guest + 1) % QUEUES, VGPU_CMD_BUFFER_CREATE, H(i + 100), 1),
                         VGPU_RESULT_QUOTA); /* the VM's limit, not the queue's */
        guest_begin(&f->guest[guest], i % 2 == 0 ? 0 : SESSION + i);
        if (i % 2 == 0)
            guest_begin(&f->guest[guest], SESSION + i);
        assert_int_equal(CALL(guest, VGPU_CMD_RELEASE, H(9)), VGPU_RESULT_BAD_HANDLE);
    }
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* A session that another worker had begun is lost, not gone on with. */
static void test_lost_session(void **state)
{
    Fixture *f = *state;
    Guest guest;

    guest_init(&guest, &f->share, 1);
    guest_begin_quietly(&guest, SESSION);
    guest_submit(&guest,
                 (struct vgpu_command){.opcode = VGPU_CMD_NOP, .flags = VGPU_COMMAND_ANSWER});
    process_start_with_queues(&f->process, &f->share, OPTIONS("--backend=null"));
    guest_init(&f->guest[0], &f->share, 0);
    guest_begin(&f->guest[0], SESSION);
    assert_int_equal(CALL(0, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(vgpu_ring_available(&guest.completions), 0);
    guest_begin(&guest, SESSION + 1);
    assert_int_equal(guest_call(&guest, (struct vgpu_command){.opcode = VGPU_CMD_NOP}, &f->done),
                     VGPU_RESULT_OK);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

static void test_no_device(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=fault", "--device=open-fail"));
    assert_int_equal(CALL(0, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(CALL(0, VGPU_CMD_SNAPSHOT, 0, 0, 100), VGPU_RESULT_UNAVAILABLE);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 100), VGPU_RESULT_UNAVAILABLE);
    assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

static void test_device_fails(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=fault", "--device=fail,every=2"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 100), VGPU_RESULT_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(CALL(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 100, 0, 1),
                         i % 2 == 0 ? VGPU_RESULT_OK : VGPU_RESULT_EXECUTION_FAILED);
    assert_int_equal(f->process.page->errors[VGPU_ERROR_EXECUTION_FAILED], 50);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* The one whose command fails has its answer; then all hear that this worker is of no use. */
static void test_device_lost(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=fault", "--device=lost,after=1"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 100), VGPU_RESULT_OK);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 100, 0, 1), VGPU_RESULT_OK);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 100, 0, 1),
                     VGPU_RESULT_EXECUTION_FAILED);
    for (guint i = 0; i < QUEUES; i++) {
        assert_false(guest_wait(&f->guest[i], &f->done));
        assert_int_equal(guest_broken(&f->guest[i]), VGPU_RESULT_EXECUTION_FAILED);
    }
    assert_ends(f, VGPU_WORKER_EXIT_LOST);
}

/* Also who never gets as far as a job finds it. */
static void test_device_gone(void **state)
{
    Fixture *f = *state;

    f->cache_dir = g_dir_make_tmp("vgpu-test-XXXXXX", NULL);
    if (process_sandboxed())
        assert_int_equal(chown(f->cache_dir, PROCESS_UID, PROCESS_UID), 0);
    g_autofree char *cache = g_strdup_printf("--cache-dir=%s", f->cache_dir);
    g_autofree char *file = g_build_filename(f->cache_dir, "gone", NULL);
    g_autofree char *device = g_strdup_printf("--device=gone=%s", file);
    start(f, OPTIONS("--backend=fault", device, cache));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 100), VGPU_RESULT_OK);
    assert_true(g_file_set_contents(file, "", 0, NULL));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(2), 100), VGPU_RESULT_EXECUTION_FAILED);
    assert_false(guest_wait(&f->guest[0], &f->done));
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_EXECUTION_FAILED);
    assert_ends(f, VGPU_WORKER_EXIT_LOST);
}

/* The driver does not come back: the queue is told, and the worker ends. */
static void test_driver_hangs(void **state)
{
    Fixture *f = *state;

    start(f, OPTIONS("--backend=fault", "--device=hang", "--timeout-ms=100"));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), 100), VGPU_RESULT_OK);
    guest_submit(&f->guest[0], (struct vgpu_command){.opcode = VGPU_CMD_BUFFER_FILL,
                                                     .flags = VGPU_COMMAND_ANSWER,
                                                     .handle = H(1),
                                                     .arg = {0, 100, 0, 1}});
    assert_false(guest_wait(&f->guest[0], &f->done));
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_TIMEOUT);
    assert_ends(f, VGPU_WORKER_EXIT_DEADLINE);
    assert_int_equal(guest_broken(&f->guest[1]), VGPU_RESULT_OK);
    assert_int_equal(f->process.page->errors[VGPU_ERROR_TIMEOUT], 1);
}

/* Waits until the worker's main thread sleeps in epoll_wait() without a timeout. */
static void wait_until_asleep(const Fixture *f)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/syscall", f->process.pid);
    const gint64 end_us = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    while (g_get_monotonic_time() < end_us) {
        g_autofree char *text = NULL;
        unsigned long number, fd, events, count, timeout;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        /* epoll_wait is 232 on x86-64; elsewhere it is epoll_pwait, with the same first four. */
        if (sscanf(text, "%lu %lx %lx %lx %lx", &number, &fd, &events, &count, &timeout) == 5 &&
            (guint32)timeout == G_MAXUINT32 && count == VGPU_QUEUE_MAX + 3)
            return;
        g_thread_yield();
    }
    fail_msg("the worker does not go to sleep");
}

/* No timer of the process is set. */
static void assert_no_timer(const Fixture *f)
{
    g_autofree char *folder = g_strdup_printf("/proc/%d/fdinfo", f->process.pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint timers = 0;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL) || strstr(text, "it_value") == NULL)
            continue;
        timers++;
        assert_non_null(strstr(text, "it_value: (0, 0)"));
    }
    assert_int_equal(timers, 1);
}

/* Idle is idle: no timer, no timeout; and a doorbell wakes it. */
static void test_sleeps(void **state)
{
    Fixture *f = *state;

    if (!process_sandboxed())
        skip(); /* only root may look */
    start(f, OPTIONS("--backend=null"));
    for (guint i = 0; i < 20; i++) {
        assert_int_equal(CALL(i % QUEUES, VGPU_CMD_BUFFER_CREATE, H(i), 100), VGPU_RESULT_OK);
        assert_int_equal(CALL(i % QUEUES, VGPU_CMD_BUFFER_FILL, H(i), 0, 100, 0, 1),
                         VGPU_RESULT_OK);
        wait_until_asleep(f);
        assert_no_timer(f);
    }
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* Open are the channel, two eventfds for each queue, and what the loop makes; the memory is mapped,
 * and its descriptor closed. */
static void test_descriptors(void **state)
{
    Fixture *f = *state;

    if (!process_sandboxed())
        skip(); /* without a sandbox nothing is closed */
    start(f, OPTIONS("--backend=null"));
    g_autofree char *folder = g_strdup_printf("/proc/%d/fd", f->process.pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint eventfds = 0, sockets = 0, others = 0;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        if (g_ascii_strtoull(name, NULL, 10) <= STDERR_FILENO)
            continue;
        if (g_str_equal(target, "anon_inode:[eventfd]"))
            eventfds++;
        else if (g_str_has_prefix(target, "socket:"))
            sockets++;
        else if (!g_str_equal(target, "anon_inode:[timerfd]") &&
                 !g_str_equal(target, "anon_inode:[eventpoll]"))
            others++;
    }
    assert_int_equal(eventfds, 2 * QUEUES + 1);
    assert_int_equal(sockets, 1);
    assert_int_equal(others, 0);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* FALSE: this host has no OpenCL. */
static gboolean start_opencl(Fixture *f, const char *option)
{
    f->cache_dir = g_dir_make_tmp("vgpu-test-XXXXXX", NULL);
    if (process_sandboxed())
        assert_int_equal(chown(f->cache_dir, PROCESS_UID, PROCESS_UID), 0);
    g_autofree char *cache = g_strdup_printf("--cache-dir=%s", f->cache_dir);
    start(f, OPTIONS("--backend=opencl", cache, option));

    g_autofree char *failure = vgpu_page_get_text(f->process.page->failure);
    if (strstr(failure, "there is no OpenCL device") == NULL)
        return TRUE;
    process_end(&f->process);
    return FALSE;
}

static void build(Fixture *f, guint guest, const char *source, const char *name)
{
    guint8 *arena = f->guest[guest].arena;

    memcpy(arena, source, strlen(source));
    memcpy(arena + 4000, name, strlen(name));
    SUBMIT(guest, VGPU_CMD_PROGRAM_CREATE, H(10), VGPU_PROGRAM_SOURCE, 0, strlen(source));
    SUBMIT(guest, VGPU_CMD_PROGRAM_BUILD, H(10), 0, 0);
    assert_int_equal(CALL(guest, VGPU_CMD_KERNEL_CREATE, H(11), H(10), 4000, strlen(name)),
                     VGPU_RESULT_OK);
}

static void test_computes(void **state)
{
    Fixture *f = *state;
    enum { N = 1000 };

    if (!start_opencl(f, "--timeout-ms=20000"))
        skip();
    build(f, 0,
          "kernel void saxpy(float a, global float *x, global float *y)"
          "{ size_t i = get_global_id(0); y[i] = a * x[i] + y[i]; }",
          "saxpy");
    float *x = (float *)(void *)f->guest[0].arena, *y = x + N;
    for (int i = 0; i < N; i++) {
        x[i] = (float)i;
        y[i] = 1;
    }
    const float a = 2;
    guint32 bits;
    memcpy(&bits, &a, sizeof(bits));
    SUBMIT(0, VGPU_CMD_BUFFER_CREATE, H(1), N * 4);
    SUBMIT(0, VGPU_CMD_BUFFER_CREATE, H(2), N * 4);
    SUBMIT(0, VGPU_CMD_BUFFER_WRITE, H(1), 0, N * 4, 0);
    SUBMIT(0, VGPU_CMD_BUFFER_WRITE, H(2), 0, N * 4, N * 4);
    SUBMIT(0, VGPU_CMD_KERNEL_ARG, H(11), 0, VGPU_ARGUMENT_INLINE, bits, 4);
    SUBMIT(0, VGPU_CMD_KERNEL_ARG, H(11), 1, VGPU_ARGUMENT_BUFFER, H(1), 0);
    SUBMIT(0, VGPU_CMD_KERNEL_ARG, H(11), 2, VGPU_ARGUMENT_BUFFER, H(2), 0);
    /* More launches than the window holds, and the buffers gone right behind. */
    for (guint i = 0; i < 500; i++)
        guest_submit(&f->guest[0], (struct vgpu_command){.opcode = VGPU_CMD_LAUNCH,
                                                         .handle = H(11),
                                                         .event = i == 499 ? H(20) : 0,
                                                         .launch = {1, {0}, {N}, {0}}});
    SUBMIT(0, VGPU_CMD_RELEASE, H(1));
    SUBMIT(0, VGPU_CMD_RELEASE, H(10));
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_READ, H(2), 0, N * 4, N * 8), VGPU_RESULT_OK);
    assert_int_equal(f->done.first, VGPU_RESULT_OK);
    for (int i = 0; i < N; i++)
        assert_true(x[2 * N + i] == 1 + 500 * 2 * (float)i);
    assert_int_equal(CALL(0, VGPU_CMD_EVENT_TIMES, H(20), 0), VGPU_RESULT_OK);
    struct vgpu_event_times times;
    memcpy(&times, f->guest[0].arena, sizeof(times));
    assert_true(times.ended > times.started && times.started >= times.queued);
    assert_true(f->process.page->device_ns > 0);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* A CPU's buffers are the process' own memory: what does not fit is refused, and nothing ends. */
static void test_memory_limit(void **state)
{
    Fixture *f = *state;
    const guint64 length = G_GUINT64_CONSTANT(1) << 30;

    if (!start_opencl(f, "--max-data-mib=512"))
        skip();
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), length), VGPU_RESULT_QUOTA);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(1), length / 4), VGPU_RESULT_OK);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_CREATE, H(2), 4096), VGPU_RESULT_QUOTA);
    assert_int_equal(CALL(0, VGPU_CMD_BUFFER_WRITE, H(1), 0, 4096, 0), VGPU_RESULT_OK);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

/* A kernel that never ends makes its own queue wait, not its neighbours; until the deadline. */
static void test_endless_kernel(void **state)
{
    Fixture *f = *state;

    if (!start_opencl(f, "--timeout-ms=3000"))
        skip();
    build(f, 0, "kernel void f(global volatile int *p) { while (p[0] == 0) ; }", "f");
    SUBMIT(0, VGPU_CMD_BUFFER_CREATE, H(1), 4);
    SUBMIT(0, VGPU_CMD_BUFFER_FILL, H(1), 0, 4, 0, 4);
    SUBMIT(0, VGPU_CMD_KERNEL_ARG, H(11), 0, VGPU_ARGUMENT_BUFFER, H(1), 0);
    assert_int_equal(CALL(0, VGPU_CMD_FINISH, 0), VGPU_RESULT_OK);
    guest_submit(&f->guest[0], (struct vgpu_command){.opcode = VGPU_CMD_LAUNCH,
                                                     .handle = H(11),
                                                     .launch = {1, {0}, {1}, {0}}});
    guest_submit(&f->guest[0],
                 (struct vgpu_command){.opcode = VGPU_CMD_FINISH, .flags = VGPU_COMMAND_ANSWER});
    for (guint i = 0; i < 100; i++)
        assert_int_equal(CALL(1, VGPU_CMD_NOP, 0), VGPU_RESULT_OK);
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_OK);
    assert_false(guest_wait(&f->guest[0], &f->done));
    assert_int_equal(guest_broken(&f->guest[0]), VGPU_RESULT_TIMEOUT);
    assert_ends(f, VGPU_WORKER_EXIT_DEADLINE);
}

/* Its owner is killed while it runs: the next one gets the queue when it has ended. */
static void test_leaves_while_running(void **state)
{
    Fixture *f = *state;

    if (!start_opencl(f, "--timeout-ms=20000"))
        skip();
    build(f, 0,
          "kernel void f(global volatile int *p)"
          "{ for (int i = 0; i < 10000000; i++) p[0] += i; }",
          "f");
    SUBMIT(0, VGPU_CMD_BUFFER_CREATE, H(1), 4);
    SUBMIT(0, VGPU_CMD_KERNEL_ARG, H(11), 0, VGPU_ARGUMENT_BUFFER, H(1), 0);
    assert_int_equal(call(f, 0,
                          (struct vgpu_command){.opcode = VGPU_CMD_LAUNCH,
                                                .handle = H(11),
                                                .launch = {1, {0}, {1}, {0}}}),
                     VGPU_RESULT_OK);
    guest_submit(&f->guest[0],
                 (struct vgpu_command){.opcode = VGPU_CMD_FINISH, .flags = VGPU_COMMAND_ANSWER});
    guest_begin(&f->guest[0], SESSION + 1);
    assert_int_equal(CALL(0, VGPU_CMD_RELEASE, H(1)), VGPU_RESULT_BAD_HANDLE);
    assert_ends(f, VGPU_WORKER_EXIT_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_serves),         TEST(test_first_failure),
        TEST(test_rate_waits),     TEST(test_rate_beyond_deadline),
        TEST(test_shared_memory),  TEST(test_used),
        TEST(test_bad_neighbours), TEST(test_sessions),
        TEST(test_lost_session),   TEST(test_no_device),
        TEST(test_device_fails),   TEST(test_driver_hangs),
        TEST(test_device_lost),    TEST(test_device_gone),
        TEST(test_sleeps),         TEST(test_descriptors),
        TEST(test_computes),       TEST(test_memory_limit),
        TEST(test_endless_kernel), TEST(test_leaves_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
