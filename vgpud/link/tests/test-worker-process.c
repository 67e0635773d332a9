/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker finds when it is started: a script in its place shows it. Needs root, which gives
 * each worker's folder away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-process.h"

#define SHM_SIZE ((gint64)64 << 20)

/*
 * Its arguments line by line, then its descriptors' numbers and what they are; then it writes 1,
 * the eight bytes of it, into queue 0's completion, if there is one.
 */
static const char script[] =
    "#!/bin/sh\n"
    "cd \"${0%/*}\"\n"
    "printf '%s\\n' \"$@\" >arguments\n"
    "for fd in /proc/$$/fd/*; do echo \"${fd##*/} $(readlink $fd)\"; done >descriptors\n"
    "case $* in *--queues*) printf '\\1\\0\\0\\0\\0\\0\\0\\0' >&7; cat /proc/$$/fd/5 >memory;; "
    "esac\n";

typedef struct {
    char *folder;
    VgpuSettings *settings;
    VgpuDispatcher *dispatcher;
    VgpuSession *session;
    gboolean clean, ended;
    pid_t pid;
} Fixture;

static char *in_folder(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->folder, name, NULL);
}

static char *contents(const Fixture *fixture, const char *name)
{
    g_autofree char *path = in_folder(fixture, name);
    char *text = NULL;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static int set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    const char *pools = "[pool]\nname=A\n[member only]\nbackend=null\n";
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("vgpu-worker-process-XXXXXX", NULL);
    g_autofree char *worker = in_folder(fixture, "worker");
    g_autofree char *text =
        g_strdup_printf("[vgpud]\ncache-dir=%s\nworker=%s\n", fixture->folder, worker);
    assert_true(g_file_set_contents(worker, script, -1, NULL));
    assert_int_equal(g_chmod(worker, 0755), 0);
    fixture->settings = vgpu_settings_parse(text, strlen(text), "test", &error);
    assert_non_null(fixture->settings);
    fixture->dispatcher = vgpu_dispatcher_new(&error);
    assert_non_null(fixture->dispatcher);
    fixture->settings->pools = vgpu_pools_new();
    assert_true(vgpu_pools_add(fixture->settings->pools, pools, strlen(pools), "test", &error));
    fixture->session =
        vgpu_session_new("0b4c2a7e-1111-4222-8333-123456789abc", "web", 7, 'A', VGPU_PRIORITY_HIGH,
                         vgpu_pools_place(fixture->settings->pools, 'A', &error), &error);
    assert_non_null(fixture->session);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GDir) folder = g_dir_open(fixture->folder, 0, NULL);
    const char *name;

    vgpu_session_unref(fixture->session);
    vgpu_dispatcher_free(fixture->dispatcher);
    vgpu_settings_free(fixture->settings);
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = in_folder(fixture, name);
        g_remove(path);
    }
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static void on_ended(const VgpuWorkerEnd *end, gpointer data)
{
    Fixture *fixture = data;

    fixture->clean = end->clean;
    fixture->ended = TRUE;
}

/* Runs the script in the worker's place, to its end. */
static void run(Fixture *fixture, const VgpuShare *share)
{
    g_autoptr(GError) error = NULL;
    int channel;
    g_autoptr(VgpuWorkerProcess) worker =
        vgpu_worker_process_new(fixture->session, fixture->settings, fixture->dispatcher, share,
                                &channel, on_ended, fixture, &error);

    assert_non_null(worker);
    fixture->ended = FALSE;
    fixture->pid = vgpu_worker_process_pid(worker);
    while (!fixture->ended)
        g_main_context_iteration(NULL, TRUE);
    assert_true(fixture->clean);
    close(channel);
}

static VgpuShare *make_share(guint32 queues)
{
    const struct vgpu_link_hello hello = {.queues = queues, .shm_size = (guint64)SHM_SIZE};
    int memory = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(memory, SHM_SIZE), 0);
    assert_int_equal(pwrite(memory, "shared", 6, 0), 6);
    assert_int_equal(fcntl(memory, F_ADD_SEALS, VGPU_LINK_SEALS), 0);
    VgpuShare *share = vgpu_share_new(&hello, memory, NULL);
    assert_non_null(share);
    for (guint32 i = 0; i < queues; i++)
        assert_true(vgpu_share_add_queue(share, i, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                         eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), NULL));
    assert_true(vgpu_share_is_complete(share));
    return share;
}

static guint count_lines_with(const char *text, const char *part)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint count = 0;

    for (char **line = lines; *line != NULL; line++)
        count += strstr(*line, part) != NULL;
    return count;
}

static void test_without_queues(void **state)
{
    Fixture *fixture = *state;

    run(fixture, NULL);
    g_autofree char *arguments = contents(fixture, "arguments");
    g_autofree char *descriptors = contents(fixture, "descriptors");
    assert_non_null(strstr(arguments, "--channel-fd\n3\n--page-fd\n4\n"));
    assert_null(strstr(arguments, "--queues"));
    assert_non_null(strstr(descriptors, "3 socket:"));
    /* The lease's, behind the room for queues. */
    assert_non_null(strstr(arguments, "--lease-fd\n134\n--window\n8\n"));
    assert_non_null(strstr(descriptors, "134 /memfd:vgpu-lease"));
    assert_non_null(strstr(descriptors, "135 anon_inode:[eventfd]"));
    assert_non_null(strstr(descriptors, "136 pipe:"));
    assert_int_equal(count_lines_with(descriptors, "eventfd"), 1);
    assert_null(strstr(arguments, "--trace-fd"));
}

static void test_with_queues(void **state)
{
    Fixture *fixture = *state;
    static const guint32 counts[] = {1, 8, VGPU_QUEUE_MAX};

    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        const guint32 queues = counts[i];
        g_autoptr(VgpuShare) share = make_share(queues);
        g_autofree char *options = g_strdup_printf(
            "--queues\n%u\n--shm-size\n67108864\n--shm-fd\n5\n--queue-fds\n6\n", queues);
        g_autofree char *last = g_strdup_printf("\n%u anon_inode:[eventfd]\n", 5 + 2 * queues);
        guint64 value = 0;

        run(fixture, share);
        g_autofree char *arguments = contents(fixture, "arguments");
        g_autofree char *descriptors = contents(fixture, "descriptors");
        g_autofree char *memory = contents(fixture, "memory");
        assert_non_null(strstr(arguments, options));
        assert_non_null(strstr(descriptors, "3 socket:"));
        assert_non_null(strstr(descriptors, "5 /memfd:test"));
        assert_non_null(strstr(descriptors, last));
        assert_int_equal(count_lines_with(descriptors, "eventfd"), 2 * queues + 1);
        assert_string_equal(memory, "shared");
        /* Number 7 is the completion of queue 0, and ours is the same one. */
        assert_int_equal(read(vgpu_share_descriptors(share)[2], &value, sizeof(value)),
                         sizeof(value));
        assert_int_equal(value, 1);
    }
}

/* Nobody else gets its device before it has been reaped, though it has been forgotten. */
static void test_leaves_when_reaped(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    int channel;
    VgpuWorkerProcess *worker =
        vgpu_worker_process_new(fixture->session, fixture->settings, fixture->dispatcher, NULL,
                                &channel, on_ended, fixture, &error);
    const VgpuScheduler *scheduler = vgpu_dispatcher_scheduler(fixture->dispatcher, "null:");

    assert_non_null(worker);
    assert_int_equal(vgpu_scheduler_clients(scheduler), 1);
    vgpu_worker_process_free(worker);
    assert_int_equal(vgpu_scheduler_clients(scheduler), 1);
    while (vgpu_scheduler_clients(scheduler) > 0)
        g_main_context_iteration(NULL, TRUE);
    assert_false(fixture->ended);
    close(channel);
}

static void test_trace(void **state)
{
    Fixture *fixture = *state;

    fixture->settings->trace_dir = g_strdup(fixture->folder);
    run(fixture, NULL);
    g_autofree char *arguments = contents(fixture, "arguments");
    g_autofree char *descriptors = contents(fixture, "descriptors");
    g_autofree char *name = g_strdup_printf("web.%d.trace", (int)fixture->pid);
    g_autofree char *path = in_folder(fixture, name);
    assert_non_null(strstr(arguments, "--trace-fd\n137\n"));
    assert_non_null(strstr(descriptors, path));
    assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_autofree char *trace = contents(fixture, name);
    assert_true(g_str_has_suffix(trace, " device null:\n"));
}

/* What a former worker of this VM has forked is gone before the next one begins. */
static void test_nothing_is_left(void **state)
{
    Fixture *fixture = *state;
    const uid_t uid = fixture->settings->worker_uid_base + fixture->session->vm_id;
    int ends[2], status;
    char byte;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        if (syscall(SYS_setresuid, uid, uid, uid) == 0 && write(ends[1], "", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    run(fixture, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_without_queues), TEST(test_with_queues),     TEST(test_leaves_when_reaped),
        TEST(test_trace),          TEST(test_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
