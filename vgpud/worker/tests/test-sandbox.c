/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a worker gives up, looked at from the outside. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "process.h"
#include "worker-exit.h"

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *read_proc(pid_t pid, const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, file);
    char *text = NULL;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static void assert_status(const char *status, const char *line)
{
    if (strstr(status, line) == NULL)
        fail_msg("no \"%s\" in: %s", line, status);
}

static void need_root(void)
{
    if (!process_sandboxed())
        skip();
}

static void test_privileges(void **state)
{
    (void)state;
    need_root();
    Process process;

    process_start_and_wait(&process, OPTIONS("--backend=null", "--groups=61001,61002"));
    g_autofree char *status = read_proc(process.pid, "status");
    assert_status(status, "\nUid:\t61987\t61987\t61987\t61987\n");
    assert_status(status, "\nGid:\t61987\t61987\t61987\t61987\n");
    assert_status(status, "\nGroups:\t61001 61002 \n");
    assert_status(status, "\nNoNewPrivs:\t1\n");
    assert_status(status, "\nSeccomp:\t2\n");
    for (int i = 0; i < 5; i++) {
        static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
        g_autofree char *line = g_strdup_printf("\n%s:\t0000000000000000\n", sets[i]);

        assert_status(status, line);
    }
    g_autofree char *limits = read_proc(process.pid, "limits");
    assert_status(limits, "Max core file size        0                    0 ");
    g_autofree char *oom = read_proc(process.pid, "oom_score_adj");
    assert_string_equal(oom, "1000\n");
    process_end(&process);
    process_clear(&process);
}

static void test_no_groups(void **state)
{
    (void)state;
    need_root();
    Process process;

    process_start_and_wait(&process, OPTIONS("--backend=null"));
    g_autofree char *status = read_proc(process.pid, "status");
    assert_status(status, "\nGroups:\t \n");
    process_end(&process);
    process_clear(&process);
}

static void test_namespaces(void **state)
{
    (void)state;
    need_root();
    static const char *const names[] = {"net", "mnt", "ipc", "uts"};
    Process process;

    process_start_and_wait(&process, OPTIONS("--backend=null"));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *own = g_strdup_printf("/proc/self/ns/%s", names[i]);
        g_autofree char *its = g_strdup_printf("/proc/%d/ns/%s", process.pid, names[i]);
        g_autofree char *own_id = g_file_read_link(own, NULL);
        g_autofree char *its_id = g_file_read_link(its, NULL);

        assert_non_null(its_id);
        assert_string_not_equal(own_id, its_id);
    }
    process_end(&process);
    process_clear(&process);
}

static void test_descriptors(void **state)
{
    (void)state;
    need_root();
    Process process;
    int leaked = open("/etc", O_RDONLY); /* not close-on-exec: a careless parent's */

    process_start_and_wait(&process, OPTIONS("--backend=null"));
    g_autofree char *folder = g_strdup_printf("/proc/%d/fd", process.pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint sockets = 0, timers = 0, polls = 0, events = 0, others = 0;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        if (g_ascii_strtoull(name, NULL, 10) <= STDERR_FILENO)
            continue;
        if (g_str_has_prefix(target, "socket:"))
            sockets++;
        else if (g_str_equal(target, "anon_inode:[timerfd]"))
            timers++;
        else if (g_str_equal(target, "anon_inode:[eventpoll]"))
            polls++;
        else if (g_str_equal(target, "anon_inode:[eventfd]"))
            events++;
        else
            others++;
    }
    assert_int_equal(sockets, 1);
    assert_int_equal(timers, 1);
    assert_int_equal(polls, 1);
    assert_int_equal(events, 1);
    assert_int_equal(others, 0);
    close(leaked);
    process_end(&process);
    process_clear(&process);
}

/* The worker's own view, through /proc/PID/root. */
static void assert_view(pid_t pid, const char *cache_dir)
{
    static const char *const empty[] = {"home", "root", "run", "tmp", "dev/shm"};
    g_autofree char *mounts = read_proc(pid, "mountinfo");
    g_auto(GStrv) lines = g_strsplit(mounts, "\n", -1);

    for (gsize i = 0; i < G_N_ELEMENTS(empty); i++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/root/%s", pid, empty[i]);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
            if (!g_str_has_suffix(cache_dir, name))
                fail_msg("/%s/%s is in sight", empty[i], name);
    }
    g_autofree char *accounts = g_strdup_printf("/proc/%d/root/etc/passwd", pid);
    g_autofree char *drivers = g_strdup_printf("/proc/%d/root/etc/OpenCL/vendors", pid);
    assert_false(g_file_test(accounts, G_FILE_TEST_EXISTS));
    assert_int_equal(g_file_test(drivers, G_FILE_TEST_IS_DIR),
                     g_file_test("/etc/OpenCL/vendors", G_FILE_TEST_IS_DIR));
    for (gsize i = 0; lines[i] != NULL && *lines[i] != '\0'; i++) {
        g_auto(GStrv) fields = g_strsplit(lines[i], " ", 7); /* proc(5): 4 is where, 5 is how */
        gboolean writable = g_str_has_prefix(fields[5], "rw");

        assert_non_null(strstr(fields[5], "nosuid"));
        if (writable && !g_str_equal(fields[4], "/tmp") && !g_str_equal(fields[4], "/dev/shm") &&
            !g_str_equal(fields[4], cache_dir))
            fail_msg("writable: %s", lines[i]);
    }
}

/* OpenCL with all of the sandbox around it: compiler, linker, cache. */
static void test_opencl(void **state)
{
    (void)state;
    need_root();
    g_autofree char *cache_dir = g_dir_make_tmp("vgpu-test-XXXXXX", NULL);
    g_autofree char *option = g_strdup_printf("--cache-dir=%s", cache_dir);
    Process process;
    Answer answer;

    assert_int_equal(chown(cache_dir, PROCESS_UID, PROCESS_UID), 0);
    VgpuPageState page = process_start_and_wait(&process, OPTIONS("--backend=opencl", option));
    g_autofree char *failure = vgpu_page_get_text(process.page->failure);
    gboolean absent = page == VGPU_PAGE_FAILED && strstr(failure, "there is no OpenCL device");
    if (!absent) {
        assert_string_equal(failure, "");
        assert_int_equal(process_call(&process, VGPU_OP_VECTOR_ADD, 2, 40, 2, &answer), 0);
        assert_int_equal(answer.response.results[0], 42);
        assert_view(process.pid, cache_dir);
    }
    process_end(&process);
    process_clear(&process);

    const char *const remove[] = {"rm", "-r", cache_dir, NULL};
    assert_true(g_spawn_sync(NULL, (char **)remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                             NULL, NULL, NULL));
    if (absent)
        skip();
}

static void test_dies_with_its_parent(void **state)
{
    (void)state;
    need_root();
    Process process;
    Answer answer;
    int ends[2];

    /* The parent between us starts the worker, and goes when it is told; we hold the channel. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    process.channel = -1;
    pid_t parent = fork();
    if (parent == 0) {
        close(ends[0]);
        process_start_and_wait(&process, OPTIONS("--backend=null"));
        struct iovec byte = {.iov_base = "", .iov_len = 1};
        char control[CMSG_SPACE(sizeof(int))] = {0};
        struct msghdr message = {.msg_iov = &byte,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        *header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(header), &process.channel, sizeof(int));
        sendmsg(ends[1], &message, 0);
        _exit(0);
    }
    close(ends[1]);

    char byte_buffer;
    struct iovec byte = {.iov_base = &byte_buffer, .iov_len = 1};
    char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    assert_int_equal(recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC), 1);
    memcpy(&process.channel, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_false(process_receive(&process, &answer));
    close(process.channel);
    close(ends[0]);
}

static void test_refuses_root(void **state)
{
    (void)state;
    need_root();
    static const char *const options[] = {"--uid=0", "--gid=0", "--uid=-5", "--uid=4294967295"};

    for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
        Process process;
        Answer answer;

        process_start(&process, OPTIONS("--backend=null", options[i]));
        assert_false(process_receive(&process, &answer));
        assert_int_equal(WEXITSTATUS(process_end(&process)), VGPU_WORKER_EXIT_FAILURE);
        process_clear(&process);
    }
}

/* A step that fails: no service, and a line that names the step. */
static void test_refuses_without_a_step(void **state)
{
    (void)state;
    need_root();
    Process process;
    Answer answer;

    process_start(&process, OPTIONS("--backend=null", "--cache-dir=/no/such/folder"));
    assert_false(process_receive(&process, &answer));
    assert_int_equal(WEXITSTATUS(process_end(&process)), VGPU_WORKER_EXIT_FAILURE);
    g_autofree char *log = process_log(&process);
    g_autofree char *failure = vgpu_page_get_text(process.page->failure);
    assert_non_null(strstr(log, "sandbox: opening the cache folder: No such file or directory"));
    assert_non_null(strstr(failure, "sandbox: opening the cache folder"));
    assert_int_equal(process.page->state, VGPU_PAGE_FAILED);
    process_clear(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_privileges),   cmocka_unit_test(test_no_groups),
        cmocka_unit_test(test_namespaces),   cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_opencl),       cmocka_unit_test(test_dies_with_its_parent),
        cmocka_unit_test(test_refuses_root), cmocka_unit_test(test_refuses_without_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
