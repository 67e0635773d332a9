/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's side of one queue, as its driver and libvgpu do it; for tests. */
#pragma once

#include "process.h"
#include "vgpu-ring.h"

typedef struct {
    guint8 *slot;
    guint8 *arena;
    int doorbell;
    int completion;
    guint32 session;
    guint32 tag; /* of the last command */
    VgpuRingProducer commands;
    VgpuRingConsumer completions;
} Guest;

/* Queue @number of @share; no session yet. */
void guest_init(Guest *guest, const Share *share, guint number);

/* Begins session @session, which is not the last one, and waits until the worker has answered; 0:
 * ends it. */
void guest_begin(Guest *guest, guint32 session);

/* Stores the number and rings, without waiting for the answer. */
void guest_begin_quietly(Guest *guest, guint32 session);

/* Puts a command, which there must be room for, and shows it; rings if the worker sleeps. Its tag
 * is the next number. */
void guest_submit(Guest *guest, struct vgpu_command command);

/* The next completion, waited for by sleeping. FALSE: the worker has broken the session. Fails the
 * test after a minute. */
gboolean guest_wait(Guest *guest, struct vgpu_completion *completion);

/* Submits with ANSWER, waits for the completion, and returns its status; it is the next one. */
enum vgpu_result guest_call(Guest *guest, struct vgpu_command command,
                            struct vgpu_completion *completion);

/* enum vgpu_result: why the worker has stopped serving the session. */
guint32 guest_broken(const Guest *guest);

/* Sleeps until the worker has woken the guest. */
void guest_sleep(const Guest *guest);
