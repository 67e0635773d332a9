/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker-cgroup.h against a kernel that has nothing else to do: to be run as root in a guest, whose
 * cgroup v2 is all its own. Prints TAP.
 */
#include "worker-cgroup.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tap.h"

#define MOUNT "/sys/fs/cgroup"
#define GROUP MOUNT "/workers"
#define UNIT  MOUNT "/vgpud.service"

#define LIMIT_MIB 24

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        tap_bail_out("%s: %s", path, strerror(errno));
}

typedef struct {
    pid_t pid;
    int begin; /* closed: it takes its memory */
    int taken; /* end of file: it has, or is dead */
    int end;   /* closed: it ends */
} Hog;

static void take(gsize mib)
{
    char *memory = malloc(mib << 20);

    for (gsize i = 0; memory != NULL && i < mib << 20; i += 4096)
        ((volatile char *)memory)[i] = 1;
}

static Hog hog_start(gsize mib)
{
    int begin[2], taken[2], end[2];
    char byte;

    if (pipe(begin) < 0 || pipe(taken) < 0 || pipe(end) < 0)
        tap_bail_out("pipe: %s", strerror(errno));
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        /* Also the ends of other children's pipes. */
        for (int fd = 3; fd < 64; fd++)
            if (fd != begin[0] && fd != taken[1] && fd != end[0])
                close(fd);
        if (read(begin[0], &byte, 1) == 0)
            take(mib);
        close(taken[1]);
        _exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(begin[0]);
    close(taken[1]);
    close(end[0]);
    return (Hog){pid, begin[1], taken[0], end[1]};
}

static void hog_take(const Hog *hog)
{
    char byte;

    close(hog->begin);
    if (read(hog->taken, &byte, 1) != 0)
        tap_bail_out("a child says something");
}

static int hog_end(const Hog *hog)
{
    int status;

    close(hog->end);
    if (waitpid(hog->pid, &status, 0) != hog->pid)
        tap_bail_out("waitpid: %s", strerror(errno));
    return status;
}

static gboolean group_exists(pid_t pid)
{
    g_autofree char *path = g_strdup_printf(GROUP "/worker-%d", (int)pid);

    return access(path, F_OK) == 0;
}

static void test_memory(void)
{
    const Hog greedy = hog_start(3 * LIMIT_MIB), modest = hog_start(LIMIT_MIB / 2);

    tap_ok(vgpu_worker_cgroup_add(greedy.pid, LIMIT_MIB, NULL) &&
               vgpu_worker_cgroup_add(modest.pid, LIMIT_MIB, NULL),
           "two workers with groups of their own");
    hog_take(&modest);
    hog_take(&greedy);
    const int status = hog_end(&greedy);
    tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "who takes too much is killed");
    tap_ok(vgpu_worker_cgroup_remove(greedy.pid), "that is known");
    tap_ok(!group_exists(greedy.pid), "its group is gone");
    tap_ok(kill(modest.pid, 0) == 0 && group_exists(modest.pid), "the other one goes on");
    tap_ok(hog_end(&modest) == 0, "to its end");
    tap_ok(!vgpu_worker_cgroup_remove(modest.pid) && !group_exists(modest.pid),
           "which was not for its memory");
}

static void test_no_limit(void)
{
    const Hog greedy = hog_start(3 * LIMIT_MIB), forgotten = hog_start(1);

    tap_ok(vgpu_worker_cgroup_add(greedy.pid, 0, NULL) &&
               vgpu_worker_cgroup_add(forgotten.pid, 0, NULL),
           "no limit");
    hog_take(&greedy);
    tap_ok(hog_end(&greedy) == 0, "it has what it wants");
    hog_take(&forgotten);
    hog_end(&forgotten);
    vgpu_worker_cgroup_remove(greedy.pid);
    tap_ok(!group_exists(forgotten.pid), "one that was forgotten is swept away with the next");
}

static void test_ended(void)
{
    g_autoptr(GError) error = NULL;
    const Hog hog = hog_start(1);

    hog_take(&hog);
    hog_end(&hog);
    tap_ok(!vgpu_worker_cgroup_add(hog.pid, LIMIT_MIB, &error) && error != NULL &&
               !group_exists(hog.pid),
           "one that has ended: an error, and no group");
}

/* As systemd makes one for a service with Delegate=. */
static void test_setup(void)
{
    g_autoptr(GError) error = NULL;

    mkdir(UNIT, 0755);
    write_text(UNIT "/cgroup.procs", "0");
    tap_ok(!vgpu_worker_cgroup_setup(&error) && access(UNIT "/vgpud", F_OK) < 0,
           "a group that is not delegated is left alone");
    tap_note("%s", error != NULL ? error->message : "no error");
    setxattr(UNIT, "trusted.delegate", "1", 1, 0);
    tap_ok(vgpu_worker_cgroup_setup(NULL), "one that is, is used");
    g_autofree char *own = NULL;
    g_file_get_contents("/proc/self/cgroup", &own, NULL, NULL);
    tap_ok(own != NULL && strstr(own, "0::/vgpud.service/vgpud\n") != NULL, "vgpud goes below");
    tap_ok(vgpu_worker_cgroup_is_ready(), "ready");
}

int main(void)
{
    g_autoptr(GError) error = NULL;

    setvbuf(stdout, NULL, _IOLBF, 0);
    tap_begin(stdout);
    tap_ok(!vgpu_worker_cgroup_setup(NULL) && !vgpu_worker_cgroup_is_ready(), "no cgroup v2");
    tap_ok(!vgpu_worker_cgroup_use("/tmp", NULL), "a folder that is none");
    if (mount("none", MOUNT, "cgroup2", 0, NULL) < 0)
        tap_bail_out("mount: %s", strerror(errno));
    write_text(MOUNT "/cgroup.subtree_control", "+memory +pids");
    mkdir(GROUP, 0755);
    if (!vgpu_worker_cgroup_use(GROUP, &error))
        tap_bail_out("%s", error->message);
    test_memory();
    test_no_limit();
    test_ended();
    test_setup();
    return tap_end();
}
