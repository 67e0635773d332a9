/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest may ask for in protocol 2: the table of commands, and the one gate before any work.
 *
 * A command comes as the copy that vgpu_queue_next() made; all of it is hostile until checked.
 */
#pragma once

#include <glib.h>

#include "build.h"
#include "gate.h"
#include "owner.h"
#include "queue.h"

/* What carrying out a command gives besides its status. */
typedef struct {
    guint64 result;
    guint64 elapsed_ns; /* on the device; 0: not known */
    guint64 bytes_in;   /* taken from the arena */
    guint64 bytes_out;  /* put into it */
    GError *error;      /* for the log, where there is more to say; freed by the caller */
    VgpuBuild *build;   /* NULL, or what is to be started: the command ends with it, and its
                           program stays until then; freed by the caller */
} VgpuCommandOutcome;

typedef enum {
    VGPU_COMMAND_AT_ONCE, /* never waits for the device */
    VGPU_COMMAND_QUICK,   /* should not wait, but a driver may hang: a request's deadline */
    VGPU_COMMAND_SLOW,    /* waits for the device: the same */
    VGPU_COMMAND_BUILD,   /* begins a build, which has a deadline of its own, see VgpuBuild */
} VgpuCommandPatience;

/* How long carrying it out may take. */
VgpuCommandPatience vgpu_command_patience(const struct vgpu_command *command);

/* TRUE when it makes the device work, so that it needs the device's lease. */
gboolean vgpu_command_is_job(const struct vgpu_command *command);

/* How long the device will have to do with it, as far as that can be guessed: see pace.h. */
guint64 vgpu_command_expected_ns(const VgpuOwner *owner, const struct vgpu_command *command);

/*
 * vgpu_command_must_wait:
 * TRUE when @command cannot be carried out yet: it needs what runs before it to have ended, or the
 * device has as much to do as it may. To be tried again after vgpu_owner_collect(). Or the VM's
 * rate is used up: then @until_ns is when to try again, vgpu_deadline_now(); else G_MAXUINT64.
 */
gboolean vgpu_command_must_wait(const VgpuOwner *owner, VgpuGate *gate,
                                const struct vgpu_command *command, guint64 *until_ns);

/*
 * vgpu_command_run:
 * Checks @command, charges for it, and carries it out; vgpu_command_must_wait() is FALSE for it.
 * @queue is where its arena is. Returns its status, and fills @outcome. With @outcome->build the
 * status is not known before that has ended.
 */
enum vgpu_result vgpu_command_run(VgpuOwner *owner, VgpuGate *gate, const VgpuQueue *queue,
                                  const struct vgpu_command *command, VgpuCommandOutcome *outcome);
