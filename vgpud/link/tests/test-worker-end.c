/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "worker-end.h"
#include "worker-exit.h"

#define EXIT(status) ((status) << 8) /* as waitpid() says it */
#define KEY          "null:"

static void test_ends(void **state G_GNUC_UNUSED)
{
    static const struct {
        int status;
        VgpuWorkerKill kill;
        VgpuFault fault;
        gboolean clean, by_device;
        const char *how;
    } cases[] = {
        {EXIT(VGPU_WORKER_EXIT_CLOSED), 0, VGPU_FAULT_CRASH, TRUE, FALSE, "exit status 0"},
        {EXIT(VGPU_WORKER_EXIT_FAILURE), 0, VGPU_FAULT_CRASH, FALSE, FALSE, "exit status 1"},
        {EXIT(2), 0, VGPU_FAULT_CRASH, FALSE, FALSE, "exit status 2"},
        {EXIT(VGPU_WORKER_EXIT_DEADLINE), 0, VGPU_FAULT_DEADLINE, FALSE, TRUE,
         "exit status 3, a request passed its deadline"},
        {EXIT(VGPU_WORKER_EXIT_PACKET), 0, VGPU_FAULT_CRASH, FALSE, FALSE, "exit status 4"},
        {EXIT(VGPU_WORKER_EXIT_OPEN), 0, VGPU_FAULT_DEADLINE, FALSE, TRUE, "exit status 5, "},
        {EXIT(VGPU_WORKER_EXIT_INVALID), 0, VGPU_FAULT_INVALID, FALSE, FALSE, "exit status 6, "},
        {EXIT(VGPU_WORKER_EXIT_BACKEND), 0, VGPU_FAULT_BACKEND, FALSE, TRUE, "exit status 7, "},
        {EXIT(VGPU_WORKER_EXIT_LOST), 0, VGPU_FAULT_CRASH, FALSE, TRUE, "exit status 8, "},
        {EXIT(9), 0, VGPU_FAULT_CRASH, FALSE, FALSE, "exit status 9"},
        {EXIT(255), 0, VGPU_FAULT_CRASH, FALSE, FALSE, "exit status 255"},
        {SIGSEGV, 0, VGPU_FAULT_CRASH, FALSE, TRUE, "killed by signal 11 ("},
        {SIGABRT | 0x80, 0, VGPU_FAULT_CRASH, FALSE, TRUE, "killed by signal 6 ("},
        {SIGKILL, 0, VGPU_FAULT_CRASH, FALSE, FALSE, "killed by signal 9 ("},
        {SIGTERM, 0, VGPU_FAULT_CRASH, FALSE, FALSE, "killed by signal 15 ("},
        {SIGKILL, VGPU_WORKER_FENCED, VGPU_FAULT_DEADLINE, FALSE, TRUE, "killed: it did not give"},
        {SIGKILL, VGPU_WORKER_TOO_LARGE, VGPU_FAULT_CRASH, FALSE, FALSE, "killed by the kernel: "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VgpuWorkerEnd) end = vgpu_worker_end(cases[i].status, cases[i].kill, KEY);

        assert_int_equal(end.fault, cases[i].fault);
        assert_int_equal(end.clean, cases[i].clean);
        assert_int_equal(end.device_key != NULL, cases[i].by_device);
        assert_true(g_str_has_prefix(end.how, cases[i].how));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
