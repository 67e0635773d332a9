/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one call of the hook program does.
 *
 * Only "prepare", which libvirt runs before a start, may refuse: a failing "started" or "reconnect"
 * hook kills a running VM. A domain without our element is none of our business and never waits for
 * vgpud, also one that still has our arguments: its device finds no mediator and says so to the
 * guest, which is what removing the element asks for.
 */
#ifndef HOOK_H
#define HOOK_H

#include <glib.h>

/*
 * libvirt gives a hook no timeout, so these are the ones: long enough for a vgpud that is busy or
 * just starting, short enough for a person at "virsh start"; and where nobody can refuse, only long
 * enough to hand the message over.
 */
#define HOOK_PREPARE_TIMEOUT_MS 10000
#define HOOK_NOTIFY_TIMEOUT_MS  2000

typedef struct {
    const char *domain;        /* its name, argv[1] */
    const char *operation;     /* argv[2] */
    const char *sub_operation; /* argv[3] */
    int input;                 /* file descriptor with the domain XML */
    const char *run_dir;       /* of vgpud */
    gboolean is_privileged;    /* root: called for qemu:///system */
    guint prepare_timeout_ms;
    guint notify_timeout_ms;
} HookCall;

/*
 * Returns the exit status: 0, or 1 to refuse the start. *message is one line for libvirt's log and,
 * when the start is refused, for the user; NULL when there is nothing to say. Owned by the caller.
 */
int hook_run(const HookCall *call, char **message);

#endif
