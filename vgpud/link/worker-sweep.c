/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-sweep.h"

#include <errno.h>
#include <glib.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nobody's (systemd's "Users, Groups, UIDs and GIDs" leaves it unused): see below. */
#define NOBODY ((uid_t)0x7ffffffe)

/*
 * In a child of a process with threads: system calls only. It acts as @uid, so that kill() reaches
 * that user's processes and no others; but it is not that user's, or these could kill it first.
 */
static int sweep(uid_t uid)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    uid_t real, effective, saved;

    if (syscall(SYS_setresuid, NOBODY, uid, NOBODY) < 0 || syscall(SYS_capset, &header, none) < 0 ||
        syscall(SYS_getresuid, &real, &effective, &saved) < 0 || real != NOBODY ||
        effective != uid || saved != NOBODY)
        return 1;
    return kill(-1, SIGKILL) == 0 || errno == ESRCH || errno == EPERM ? 0 : 1;
}

void vgpu_worker_sweep(uid_t uid)
{
    int status = -1;

    g_assert(uid != 0 && uid != NOBODY);
    if (geteuid() != 0)
        return;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(sweep(uid));
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        g_warning("cannot end what is left of the user %u", uid);
}
