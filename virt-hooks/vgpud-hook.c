/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vgpud-hook DOMAIN OPERATION SUB-OPERATION EXTRA < domain XML
 *
 * libvirt runs it as hooks/qemu.d/vgpud. Nothing is ever written to standard output: libvirt would
 * take that as a new domain XML in "migrate" and "restore". Manual: docs/man/vgpud-hook.8.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "hook.h"

#define DEFAULT_RUN_DIR "/run/vgpud"

int main(int argc, char **argv)
{
    const char *run_dir = g_getenv("VGPU_RUN_DIR");
    g_autofree char *message = NULL;

    if (argc < 4) {
        fprintf(stderr, "vgpud-hook: libvirt runs this program: "
                        "vgpud-hook DOMAIN OPERATION SUB-OPERATION EXTRA < domain XML\n");
        return 2;
    }
    const HookCall call = {
        .domain = argv[1],
        .operation = argv[2],
        .sub_operation = argv[3],
        .input = STDIN_FILENO,
        .run_dir = run_dir != NULL && run_dir[0] == '/' ? run_dir : DEFAULT_RUN_DIR,
        .is_privileged = geteuid() == 0,
        .prepare_timeout_ms = HOOK_PREPARE_TIMEOUT_MS,
        .notify_timeout_ms = HOOK_NOTIFY_TIMEOUT_MS,
    };
    int status = hook_run(&call, &message);
    if (message != NULL)
        fprintf(stderr, "%s\n", message);
    return status;
}
