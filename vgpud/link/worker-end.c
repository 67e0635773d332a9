/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-end.h"

#include <signal.h>
#include <sys/wait.h>

#include "worker-exit.h"

/* By exit status; what is not here is a crash of which nobody knows why. */
static const struct {
    const char *what;
    VgpuFault fault;
    gboolean by_device;
} exits[] = {
    [VGPU_WORKER_EXIT_DEADLINE] = {"a request passed its deadline", VGPU_FAULT_DEADLINE, TRUE},
    [VGPU_WORKER_EXIT_OPEN] = {"its device could not be opened in time", VGPU_FAULT_DEADLINE, TRUE},
    [VGPU_WORKER_EXIT_INVALID] = {"too many invalid requests", VGPU_FAULT_INVALID, FALSE},
    [VGPU_WORKER_EXIT_BACKEND] = {"too many requests failed on its device", VGPU_FAULT_BACKEND,
                                  TRUE},
    [VGPU_WORKER_EXIT_LOST] = {"its device was lost", VGPU_FAULT_CRASH, TRUE},
};

static void judge_exit(VgpuWorkerEnd *end, guint status, const char *device_key)
{
    end->clean = status == VGPU_WORKER_EXIT_CLOSED;
    if (status >= G_N_ELEMENTS(exits) || exits[status].what == NULL) {
        end->how = g_strdup_printf("exit status %u", status);
        return;
    }
    end->how = g_strdup_printf("exit status %u, %s", status, exits[status].what);
    end->fault = exits[status].fault;
    end->device_key = exits[status].by_device ? device_key : NULL;
}

/* A driver does not kill from outside: that was an administrator, or the kernel for its memory. */
static void judge_signal(VgpuWorkerEnd *end, int number, const char *device_key)
{
    end->how = g_strdup_printf("killed by signal %d (%s)", number, g_strsignal(number));
    end->device_key = number != SIGKILL && number != SIGTERM ? device_key : NULL;
}

VgpuWorkerEnd vgpu_worker_end(int status, VgpuWorkerKill kill, const char *device_key)
{
    VgpuWorkerEnd end = {.fault = VGPU_FAULT_CRASH};

    if (kill == VGPU_WORKER_FENCED) {
        end.how = g_strdup("killed: it did not give its device back in time");
        end.fault = VGPU_FAULT_DEADLINE;
        end.device_key = device_key;
    } else if (kill == VGPU_WORKER_TOO_LARGE) {
        end.how = g_strdup("killed by the kernel: it passed worker-memory-mib");
    } else if (WIFSIGNALED(status)) {
        judge_signal(&end, WTERMSIG(status), device_key);
    } else {
        judge_exit(&end, (guint)WEXITSTATUS(status), device_key);
    }
    return end;
}

void vgpu_worker_end_clear(VgpuWorkerEnd *end)
{
    g_clear_pointer(&end->how, g_free);
}
