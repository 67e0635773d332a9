/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a worker gives up, tried from the inside. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"
#include "sandbox-private.h"

static void *nothing(void *data)
{
    return data;
}

/* The number of the expectation that is not met is what the child exits with. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return step;                                                                           \
        step++;                                                                                    \
    } while (0)
#define EXPECT_DENIED(call) EXPECT((errno = 0, (call)) < 0 && errno == EPERM)

/* In a child under the filter: returns the number of the first expectation that is not met. */
static int try_filter(void)
{
    char character = 'x';
    pthread_t thread;
    int step = 1, ends[2];

    EXPECT(vgpu_sandbox_load_filter(NULL));
    EXPECT_DENIED(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_DENIED(socket(AF_NETLINK, SOCK_RAW, 0));
    EXPECT_DENIED(socket(AF_PACKET, SOCK_RAW, 0));
    EXPECT_DENIED(unshare(CLONE_NEWUSER));
    EXPECT_DENIED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
    EXPECT_DENIED(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL));
    EXPECT((errno = 0, syscall(SYS_clone3, NULL, 0)) < 0 && errno == ENOSYS);
    EXPECT_DENIED(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    EXPECT_DENIED(syscall(SYS_bpf, 0, NULL, 0));
    EXPECT_DENIED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
    EXPECT_DENIED(syscall(SYS_io_uring_setup, 1, NULL));
    EXPECT_DENIED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    EXPECT_DENIED(syscall(SYS_userfaultfd, 0));
    EXPECT_DENIED(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
    EXPECT_DENIED(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
    EXPECT_DENIED(ioctl(STDERR_FILENO, TIOCSTI, &character));
    EXPECT_DENIED(ioctl(STDERR_FILENO, TIOCSTI | 0x100000000ul, &character));
    EXPECT_DENIED(ioctl(STDERR_FILENO, TIOCLINUX, &character));
    EXPECT_DENIED(socketpair(AF_TIPC, SOCK_STREAM, 0, ends));
    EXPECT_DENIED(prctl(PR_SET_PDEATHSIG, 0));
    EXPECT_DENIED(syscall(SYS_prctl, PR_SET_PDEATHSIG | 0x100000000ul, 0, 0, 0, 0));
    /* What drivers do need. */
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    EXPECT(prctl(PR_SET_NAME, "name") == 0);
    EXPECT(pthread_create(&thread, NULL, nothing, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(system("true") == 0);
    return 0;
}

static void await_success(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_filter(void **state)
{
    (void)state;
    pid_t pid = fork();

    if (pid == 0)
        _exit(try_filter());
    await_success(pid);
}

#if defined(__x86_64__)
/* The same calls by their numbers of another architecture: the kernel ends who tries. */
static void test_other_architecture(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        long result = 20; /* getpid there */

        vgpu_sandbox_load_filter(NULL);
        __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

/* A socket that has a name and no file. */
static socklen_t abstract_address(struct sockaddr_un *address, pid_t pid)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    const int length =
        g_snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "vgpu-test-%d", (int)pid);

    return (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)length;
}

/* Whether somebody may open @path and is not given /dev/null. */
static gboolean leads_somewhere(const char *path)
{
    struct stat status, null;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && fstat(fd, &status) == 0 && stat("/dev/null", &null) == 0 &&
           status.st_rdev != null.st_rdev;
}

static gboolean is_empty(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    return dir == NULL || g_dir_read_name(dir) == NULL;
}

/* In a child that has entered the sandbox, as try_filter(). @parent is of another user. */
static int try_inside(pid_t parent)
{
    const VgpuSandbox sandbox = {.uid = PROCESS_UID, .gid = PROCESS_UID, .parent = parent};
    static const char *const nodes[] = {"/dev/fuse", "/dev/kmsg",      "/dev/kvm",  "/dev/net/tun",
                                        "/dev/ptmx", "/dev/vhost-net", "/dev/vsock"};
    static const char *const folders[] = {"/sys/fs/cgroup", "/sys/fs/bpf", "/sys/kernel/tracing",
                                          "/run", "/var"};
    struct sockaddr_un address;
    const socklen_t length = abstract_address(&address, parent);
    g_autofree char *its_folder = g_strdup_printf("/proc/%d", (int)parent);
    int step = 1;

    EXPECT(vgpu_sandbox_enter(&sandbox, NULL));
    EXPECT_DENIED(kill(parent, 0));
    EXPECT_DENIED(syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, NULL, &(struct rlimit64){0}));
    EXPECT(access(its_folder, F_OK) < 0 && errno == ENOENT);
    EXPECT(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length) < 0 &&
           errno == ECONNREFUSED);
    for (gsize i = 0; i < G_N_ELEMENTS(nodes); i++)
        EXPECT(!leads_somewhere(nodes[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
        EXPECT(is_empty(folders[i]));
    EXPECT(open("/usr/x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
    EXPECT(open("/proc/sys/kernel/core_pattern", O_WRONLY) < 0);
    EXPECT_DENIED(setuid(0));
    EXPECT_DENIED(syscall(SYS_unshare, CLONE_NEWUSER));
    /* What drivers do need. */
    EXPECT(open("/dev/null", O_RDWR) >= 0 && open("/dev/zero", O_RDONLY) >= 0);
    EXPECT(open("/dev/urandom", O_RDONLY) >= 0);
    EXPECT(access("/sys/devices", R_OK) == 0);
    EXPECT(open("/tmp/x", O_CREAT | O_RDWR, 0600) >= 0);
    EXPECT(memfd_create("x", MFD_CLOEXEC) >= 0);
    return 0;
}

static void test_inside(void **state)
{
    (void)state;
    if (!process_sandboxed())
        skip(); /* only root may */
    struct sockaddr_un address;
    const socklen_t length = abstract_address(&address, getpid());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 1), 0);
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        _exit(try_inside(parent));
    await_success(pid);
    close(fd);
}

static void test_environment(void **state)
{
    (void)state;
    g_setenv("LD_PRELOAD", "", TRUE);
    g_setenv("SECRET_TOKEN", "x", TRUE);
    g_setenv("OCL_ICD_VENDORS", "/etc/OpenCL/vendors", TRUE);
    g_setenv("POCL_CACHE_DIR", "/elsewhere", TRUE);
    g_setenv("LANGUAGE", "de", TRUE);
    vgpu_sandbox_clean_environment("/cache");
    assert_null(g_getenv("LD_PRELOAD"));
    assert_null(g_getenv("SECRET_TOKEN"));
    assert_null(g_getenv("LANGUAGE"));
    assert_string_equal(g_getenv("OCL_ICD_VENDORS"), "/etc/OpenCL/vendors");
    assert_string_equal(g_getenv("POCL_CACHE_DIR"), "/cache");
    assert_string_equal(g_getenv("HOME"), "/cache");
    assert_string_equal(g_getenv("PATH"), "/usr/bin:/bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
#if defined(__x86_64__)
        cmocka_unit_test(test_other_architecture),
#endif
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_environment), /* last: there is no way back */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
