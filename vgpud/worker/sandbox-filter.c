/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system call filter: a list of what no driver needs and attackers love, answered with EPERM.
 *
 * A list of what is allowed would be tighter, but it would be a list of what every version of every
 * vendor's driver does. execve stays: PoCL runs the linker.
 */
#include "sandbox-private.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(scmp_filter_ctx, seccomp_release, NULL)

static const char *const denied[] = {
    /* mounts and namespaces */
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    /* other processes */
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "process_madvise",
    /* wide surfaces of the kernel, known for their holes */
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "fanotify_init",
    "modify_ldt",
    /* past the view of the file system */
    "open_by_handle_at",
    "name_to_handle_at",
    "lookup_dcookie",
    /* the machine itself */
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "iopl",
    "ioperm",
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "clock_adjtime",
    "clock_adjtime64",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "vhangup",
    "nfsservctl",
};

static int deny(scmp_filter_ctx filter, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);

    return number == __NR_SCMP_ERROR ? -ENOSYS
                                     : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
}

static int deny_all(scmp_filter_ctx filter)
{
    int result = 0;

    for (gsize i = 0; result == 0 && i < G_N_ELEMENTS(denied); i++)
        result = deny(filter, denied[i]);
    return result;
}

/* The calls that are denied for some arguments only. */
static int deny_arguments(scmp_filter_ctx filter)
{
    static const unsigned long namespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                               CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                               CLONE_NEWNET};
    static const unsigned long typing[] = {TIOCSTI, TIOCLINUX};
    int result = 0;

    for (gsize i = 0; result == 0 && i < G_N_ELEMENTS(namespaces); i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    /* A filter cannot see clone3's arguments; on ENOSYS the C library takes clone instead. */
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    /* It would load any family's module before it finds that it cannot make pairs. */
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socketpair), 1,
                                  SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    /* Typing into the terminal that it was started from. */
    for (gsize i = 0; result == 0 && i < G_N_ELEMENTS(typing); i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, G_MAXUINT32, typing[i]));
    /* It dies with vgpud. */
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, G_MAXUINT32, PR_SET_PDEATHSIG));
    return result;
}

gboolean vgpu_sandbox_load_filter(GError **error)
{
    g_auto(scmp_filter_ctx) filter = seccomp_init(SCMP_ACT_ALLOW);
    int result = filter != NULL ? deny_all(filter) : -ENOMEM;

    if (result == 0)
        result = deny_arguments(filter);
    if (result == 0)
        result = seccomp_load(filter);
    errno = -result;
    return vgpu_sandbox_step(result, "loading the system call filter", error);
}
