/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that are wrong, each in its way, and the answers that they must get. */
#ifndef HOSTILE_COMMANDS_H
#define HOSTILE_COMMANDS_H

#include "random.h"
#include "raw-queue.h"

/* A number that is likely to be wrong somewhere in a command. */
uint64_t hostile_word(struct random *random);

/* A command about buffer VGPU_HANDLE(1, 1) that is right but for what chance makes of it. */
struct vgpu_command hostile_command(struct random *random, uint64_t arena_size);

/* Offsets and lengths up to 2^64 - 1: right ones are carried out, wrong ones are refused. */
void hostile_lengths(RawQueue *queue);

/* Forged, stale, released twice, of another kind, or of @other's session. */
void hostile_handles(RawQueue *queue, RawQueue *other);

/* What does not compile, or is no program, or looks for the host's files. */
void hostile_programs(RawQueue *queue);

/* Launches a kernel that forks, where the device is the host's CPU: its children never end. False,
 * with a note: it was refused. */
bool hostile_forks(RawQueue *queue);

/* Launches a kernel that never ends. False, with a note: it was refused. */
bool hostile_endless(RawQueue *queue);

#endif
